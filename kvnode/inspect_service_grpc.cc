#include "kvnode/inspect_service_grpc.h"

#include <utility>

#include "kvnode/slot_sizes.h"

namespace ringkv {
namespace {

constexpr size_t kMaxWaiting = 8;

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
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (loop_.PendingTasks() >= kMaxWaiting) {
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many questions at once"});
    return reactor;
  }
  const bool posted = loop_.Post([this, call, request, reply, reactor] {
    // Who asked may have gone while this waited.
    reactor->Finish(call->IsCancelled() ? grpc::Status::CANCELLED : Answer(*request, reply));
  });
  if (!posted) reactor->Finish({grpc::StatusCode::UNAVAILABLE, "the node is stopping"});
  return reactor;
}

grpc::Status InspectServiceGrpc::Answer(const v1::ListSlotSizesRequest& request,
                                        v1::ListSlotSizesReply* reply) {
  if (request.node() != node_.value()) {
    return {grpc::StatusCode::FAILED_PRECONDITION, "this is node " + node_.value()};
  }
  Store* store = nullptr;
  {
    std::lock_guard lock(mutex_);
    store = store_;
    if (store != nullptr && request.cluster_uuid() != cluster_uuid_) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "this node belongs to another cluster"};
    }
  }
  if (store == nullptr) {
    return {grpc::StatusCode::UNAVAILABLE, "the node has not registered yet"};
  }
  Result<v1::ListSlotSizesReply> sizes = SlotSizesOf(*store);
  if (!sizes.ok()) return {grpc::StatusCode::UNAVAILABLE, sizes.status().message()};
  *reply = std::move(sizes).value();
  return grpc::Status::OK;
}

}  // namespace ringkv
