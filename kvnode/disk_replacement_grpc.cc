#include "kvnode/disk_replacement_grpc.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <mutex>

#include "base/check.h"
#include "net/grpc_door.h"
#include "ringkv/v1/disk_replacement.grpc.pb.h"

namespace ringkv {

struct DiskReplacementGrpc::Impl {
  grpc::Status AskOne(v1::DiskReplacement::Stub& stub, const v1::MayReplaceDiskRequest& request,
                      v1::MayReplaceDiskReply* reply) {
    grpc::ClientContext context;
    // gRPC takes the deadline by the wall clock.
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline));
    {
      std::lock_guard lock(mutex);
      if (cancelled) return {grpc::StatusCode::CANCELLED, "the node is stopping"};
      asking = &context;
    }
    grpc::Status status = stub.MayReplace(&context, request, reply);
    std::lock_guard lock(mutex);
    asking = nullptr;
    return status;
  }

  Duration deadline;
  std::vector<std::unique_ptr<v1::DiskReplacement::Stub>> routers;

  std::mutex mutex;
  grpc::ClientContext* asking = nullptr;  // guarded by mutex
  bool cancelled = false;                 // guarded by mutex
};

DiskReplacementGrpc::DiskReplacementGrpc(std::vector<std::string> routers, Duration deadline)
    : impl_(std::make_unique<Impl>()) {
  RINGKV_CHECK(!routers.empty(), "somebody has to be asked");
  impl_->deadline = deadline;
  for (const std::string& address : routers) {
    impl_->routers.push_back(v1::DiskReplacement::NewStub(MakeChannel(address)));
  }
}

DiskReplacementGrpc::~DiskReplacementGrpc() = default;

Status DiskReplacementGrpc::Ask(const v1::MayReplaceDiskRequest& request) {
  std::string refused, silent;
  for (const auto& router : impl_->routers) {
    v1::MayReplaceDiskReply reply;
    const grpc::Status status = impl_->AskOne(*router, request, &reply);
    if (status.ok() && reply.granted()) return Status::Ok();
    (status.ok() ? refused : silent) = status.ok() ? reply.reason() : status.error_message();
  }
  if (!refused.empty()) return Status::Refused(refused);
  return Status::Unavailable("no router answers: " + silent);
}

void DiskReplacementGrpc::Cancel() {
  std::lock_guard lock(impl_->mutex);
  impl_->cancelled = true;
  if (impl_->asking != nullptr) impl_->asking->TryCancel();
}

}  // namespace ringkv
