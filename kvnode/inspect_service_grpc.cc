#include "kvnode/inspect_service_grpc.h"

#include <utility>

#include "kvnode/copy_digests.h"
#include "kvnode/slot_sizes.h"

namespace ringkv {
namespace {

constexpr size_t kMaxWaiting = 8;

Result<v1::ListSlotSizesReply> AnswerSizes(Store& store, const v1::ListSlotSizesRequest&) {
  Result<v1::ListSlotSizesReply> sizes = SlotSizesOf(store);
  if (sizes.ok()) return sizes;
  return Status::Unavailable(sizes.status().message());
}

grpc::Status ToGrpc(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return grpc::Status::OK;
    case StatusCode::kInvalidArgument:
      return {grpc::StatusCode::INVALID_ARGUMENT, status.message()};
    case StatusCode::kRefused:
      return {grpc::StatusCode::FAILED_PRECONDITION, status.message()};
    default:
      return {grpc::StatusCode::UNAVAILABLE, status.message()};
  }
}

}  // namespace

InspectServiceGrpc::InspectServiceGrpc(const Clock& clock, NodeId node)
    : node_(std::move(node)), loop_("inspect", clock, [] { return kNever; }) {
  loop_.Start();
}

InspectServiceGrpc::~InspectServiceGrpc() { Stop(); }

void InspectServiceGrpc::Serve(Store& store, const std::string& cluster_uuid) {
  std::lock_guard lock(mutex_);
  store_ = &store;
  cluster_uuid_ = cluster_uuid;
}

void InspectServiceGrpc::Stop() { loop_.Stop(); }

grpc::ServerUnaryReactor* InspectServiceGrpc::ListSlotSizes(grpc::CallbackServerContext* call,
                                                            const v1::ListSlotSizesRequest* request,
                                                            v1::ListSlotSizesReply* reply) {
  return Queue(call, request, reply, &AnswerSizes);
}

grpc::ServerUnaryReactor* InspectServiceGrpc::DigestRanges(grpc::CallbackServerContext* call,
                                                           const v1::DigestRangesRequest* request,
                                                           v1::DigestRangesReply* reply) {
  return Queue(call, request, reply, &AnswerDigests);
}

grpc::ServerUnaryReactor* InspectServiceGrpc::ListRecords(grpc::CallbackServerContext* call,
                                                          const v1::ListRecordsRequest* request,
                                                          v1::ListRecordsReply* reply) {
  return Queue(call, request, reply, &AnswerRecords);
}

template <class Request, class Reply>
grpc::ServerUnaryReactor* InspectServiceGrpc::Queue(grpc::CallbackServerContext* call,
                                                    const Request* request, Reply* reply,
                                                    Result<Reply> (*answer)(Store&,
                                                                            const Request&)) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (loop_.PendingTasks() >= kMaxWaiting) {
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many questions at once"});
    return reactor;
  }
  const bool posted = loop_.Post([this, call, request, reply, reactor, answer] {
    // Who asked may have gone while this waited.
    if (call->IsCancelled()) return reactor->Finish(grpc::Status::CANCELLED);
    const Result<Store*> store = StoreFor(request->node(), request->cluster_uuid());
    if (!store.ok()) return reactor->Finish(ToGrpc(store.status()));
    Result<Reply> made = answer(**store, *request);
    if (!made.ok()) return reactor->Finish(ToGrpc(made.status()));
    *reply = std::move(*made);
    reactor->Finish(grpc::Status::OK);
  });
  if (!posted) reactor->Finish({grpc::StatusCode::UNAVAILABLE, "the node is stopping"});
  return reactor;
}

Result<Store*> InspectServiceGrpc::StoreFor(const std::string& node,
                                            const std::string& cluster_uuid) {
  if (node != node_.value()) return Status::Refused("this is node " + node_.value());
  std::lock_guard lock(mutex_);
  if (store_ == nullptr) return Status::Unavailable("the node has not registered yet");
  if (cluster_uuid != cluster_uuid_) {
    return Status::Refused("this node belongs to another cluster");
  }
  return store_;
}

}  // namespace ringkv
