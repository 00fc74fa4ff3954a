#include "router/node_inspection_grpc.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "net/grpc_door.h"
#include "ringkv/v1/inspect.grpc.pb.h"

namespace ringkv {
namespace {

// Nodes asked at the same time.
constexpr size_t kAtATime = 64;
// Connections that are kept.
constexpr size_t kMaxStubs = 256;

Status FromGrpc(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return Status::Ok();
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Status::Deadline("it did not answer in time");
    case grpc::StatusCode::UNIMPLEMENTED:
      return Status::Refused("its version does not know the question");
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Status::Overloaded(status.error_message());
    default:
      return Status::Unavailable(status.error_message());
  }
}

}  // namespace

// One question to all nodes. Lives until the last call of it has ended.
class GrpcNodeInspection::Round : public std::enable_shared_from_this<Round> {
 public:
  using Done = std::function<void(std::vector<NodeSlotSizes>)>;

  Round(GrpcNodeInspection& inspection, std::string cluster_uuid, std::vector<Target> targets,
        Duration patience, Done done)
      : inspection_(inspection),
        cluster_uuid_(std::move(cluster_uuid)),
        targets_(std::move(targets)),
        // gRPC takes the deadline by the wall clock.
        deadline_(std::chrono::system_clock::now() +
                  std::chrono::duration_cast<std::chrono::system_clock::duration>(patience)),
        done_(std::move(done)),
        answers_(targets_.size()) {
    for (size_t i = 0; i < targets_.size(); ++i) answers_[i].node = targets_[i].node;
  }

  void Start() {
    if (targets_.empty()) return done_({});
    for (size_t i = 0; i < std::min(kAtATime, targets_.size()); ++i) AskNext();
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::ListSlotSizesRequest request;
    v1::ListSlotSizesReply reply;
    std::unique_ptr<v1::Inspect::Stub> stub;
  };

  // Starts one more call, if a node is left that was not asked.
  void AskNext() {
    while (true) {
      const size_t target = TakeTarget();
      if (target == targets_.size()) return;
      auto call = std::make_shared<Call>();
      if (inspection_.Begin(&call->context)) return Ask(target, std::move(call));
      Answer(target, Status::Unavailable("the router is stopping"), {});
    }
  }

  size_t TakeTarget() {
    std::lock_guard lock(mutex_);
    return next_ < targets_.size() ? next_++ : next_;
  }

  void Ask(size_t target, std::shared_ptr<Call> call) {
    call->context.set_deadline(deadline_);
    call->request.set_cluster_uuid(cluster_uuid_);
    call->request.set_node(targets_[target].node);
    call->stub = v1::Inspect::NewStub(MakeChannel(targets_[target].address));
    Call* raw = call.get();
    raw->stub->async()->ListSlotSizes(
        &raw->context, &raw->request, &raw->reply,
        [self = shared_from_this(), call = std::move(call), target](const grpc::Status& status) {
          // Stop may return, and the inspection be gone, once the call has ended.
          GrpcNodeInspection& inspection = self->inspection_;
          self->Answer(target, FromGrpc(status), std::move(call->reply));
          self->AskNext();
          inspection.End(&call->context);
        });
  }

  void Answer(size_t target, Status status, v1::ListSlotSizesReply sizes) {
    {
      std::lock_guard lock(mutex_);
      answers_[target].status = std::move(status);
      if (answers_[target].status.ok()) answers_[target].sizes = std::move(sizes);
      if (++answered_ < targets_.size()) return;
    }
    done_(std::move(answers_));
  }

  GrpcNodeInspection& inspection_;  // while a call of this round is live
  const std::string cluster_uuid_;
  const std::vector<Target> targets_;
  const std::chrono::system_clock::time_point deadline_;
  const Done done_;

  std::mutex mutex_;
  size_t next_ = 0;                     // guarded by mutex_; targets before it were asked
  size_t answered_ = 0;                 // guarded by mutex_
  std::vector<NodeSlotSizes> answers_;  // guarded by mutex_ until all are there
};

GrpcNodeInspection::~GrpcNodeInspection() { Stop(); }

void GrpcNodeInspection::ListSlotSizes(const std::string& cluster_uuid, std::vector<Target> targets,
                                       Duration patience,
                                       std::function<void(std::vector<NodeSlotSizes>)> done) {
  std::make_shared<Round>(*this, cluster_uuid, std::move(targets), patience, std::move(done))
      ->Start();
}

void GrpcNodeInspection::DigestRanges(const Target& target, v1::DigestRangesRequest request,
                                      Duration patience,
                                      std::function<void(Result<v1::DigestRangesReply>)> done) {
  AskOne<v1::DigestRangesRequest, v1::DigestRangesReply>(
      target, std::move(request), patience, &v1::Inspect::Stub::async_interface::DigestRanges,
      std::move(done));
}

void GrpcNodeInspection::ListRecords(const Target& target, v1::ListRecordsRequest request,
                                     Duration patience,
                                     std::function<void(Result<v1::ListRecordsReply>)> done) {
  AskOne<v1::ListRecordsRequest, v1::ListRecordsReply>(
      target, std::move(request), patience, &v1::Inspect::Stub::async_interface::ListRecords,
      std::move(done));
}

template <class Request, class Reply>
void GrpcNodeInspection::AskOne(const Target& target, Request request, Duration patience,
                                Method<Request, Reply> method,
                                std::function<void(Result<Reply>)> done) {
  struct Call {
    grpc::ClientContext context;
    Request request;
    Reply reply;
    std::shared_ptr<v1::Inspect::Stub> stub;
  };
  auto call = std::make_shared<Call>();
  if (!Begin(&call->context)) return done(Status::Unavailable("the router is stopping"));
  call->context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(patience));
  call->request = std::move(request);
  call->request.set_node(target.node);
  call->stub = StubFor(target.address);
  Call* raw = call.get();
  (raw->stub->async()->*method)(
      &raw->context, &raw->request, &raw->reply,
      [this, call = std::move(call), done = std::move(done)](const grpc::Status& status) {
        if (status.ok()) {
          done(std::move(call->reply));
        } else {
          done(FromGrpc(status));
        }
        End(&call->context);
      });
}

std::shared_ptr<v1::Inspect::Stub> GrpcNodeInspection::StubFor(const std::string& address) {
  std::lock_guard lock(mutex_);
  if (stubs_.size() >= kMaxStubs && stubs_.count(address) == 0) stubs_.clear();
  std::shared_ptr<v1::Inspect::Stub>& stub = stubs_[address];
  if (stub == nullptr) stub = v1::Inspect::NewStub(MakeChannel(address));
  return stub;
}

bool GrpcNodeInspection::Begin(grpc::ClientContext* call) {
  std::lock_guard lock(mutex_);
  if (stopped_) return false;
  live_.insert(call);
  return true;
}

void GrpcNodeInspection::End(grpc::ClientContext* call) {
  std::lock_guard lock(mutex_);
  live_.erase(call);
  none_live_.notify_all();
}

void GrpcNodeInspection::Stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  for (grpc::ClientContext* call : live_) call->TryCancel();
  none_live_.wait(lock, [this] { return live_.empty(); });
}

}  // namespace ringkv
