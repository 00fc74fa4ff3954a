#include "router/disk_replacement_service_grpc.h"

#include <utility>

namespace ringkv {

grpc::ServerUnaryReactor* DiskReplacementService::MayReplace(
    grpc::CallbackServerContext* call, const v1::MayReplaceDiskRequest* request,
    v1::MayReplaceDiskReply* reply) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  decide_.Answer(*request, [reactor, reply](v1::MayReplaceDiskReply answer) {
    *reply = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace ringkv
