#include "router/admin_service_grpc.h"

#include <utility>

namespace ringkv {

grpc::ServerUnaryReactor* AdminService::GetCluster(grpc::CallbackServerContext* call,
                                                   const v1::GetClusterRequest*,
                                                   v1::GetClusterResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  status_.GetCluster([reactor, response](v1::GetClusterResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::GetRing(grpc::CallbackServerContext* call,
                                                const v1::GetRingRequest* request,
                                                v1::GetRingResponse* response) {
  *response = status_.GetRing(request->table());
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Locate(grpc::CallbackServerContext* call,
                                               const v1::LocateRequest* request,
                                               v1::LocateResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  status_.Locate(request->key(), [reactor, response](v1::LocateResponse answer) {
    *response = std::move(answer);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace ringkv
