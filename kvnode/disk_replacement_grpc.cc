#include "kvnode/disk_replacement_grpc.h"

#include <grpcpp/grpcpp.h>

#include "base/check.h"
#include "kvnode/cancellable_call_grpc.h"
#include "net/grpc_door.h"
#include "ringkv/v1/disk_replacement.grpc.pb.h"

namespace ringkv {

struct DiskReplacementGrpc::Impl {
  explicit Impl(Duration deadline) : call(deadline) {}

  CancellableCall call;
  std::vector<std::unique_ptr<v1::DiskReplacement::Stub>> routers;
};

DiskReplacementGrpc::DiskReplacementGrpc(std::vector<std::string> routers, Duration deadline)
    : impl_(std::make_unique<Impl>(deadline)) {
  RINGKV_CHECK(!routers.empty(), "somebody has to be asked");
  for (const std::string& address : routers) {
    impl_->routers.push_back(v1::DiskReplacement::NewStub(MakeChannel(address)));
  }
}

DiskReplacementGrpc::~DiskReplacementGrpc() = default;

Status DiskReplacementGrpc::Ask(const v1::MayReplaceDiskRequest& request) {
  std::string refused, silent;
  for (const auto& router : impl_->routers) {
    v1::MayReplaceDiskReply reply;
    const grpc::Status status = impl_->call.Run(
        [&](grpc::ClientContext* context) { return router->MayReplace(context, request, &reply); });
    if (status.ok() && reply.granted()) return Status::Ok();
    (status.ok() ? refused : silent) = status.ok() ? reply.reason() : status.error_message();
  }
  if (!refused.empty()) return Status::Refused(refused);
  return Status::Unavailable("no router answers: " + silent);
}

void DiskReplacementGrpc::Cancel() { impl_->call.Cancel(); }

}  // namespace ringkv
