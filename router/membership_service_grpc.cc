#include "router/membership_service_grpc.h"

#include <utility>

namespace ringkv {

grpc::ServerUnaryReactor* MembershipService::Register(grpc::CallbackServerContext* call,
                                                      const v1::RegisterRequest* request,
                                                      v1::RegisterReply* reply) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  auto done = [reactor, reply](Result<v1::RegisterReply> answer) {
    if (!answer.ok()) {
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, answer.status().message()});
      return;
    }
    *reply = std::move(*answer);
    reactor->Finish(grpc::Status::OK);
  };
  const bool posted =
      control_.Post([this, request, done] { membership_.Register(*request, done); });
  if (!posted) reactor->Finish({grpc::StatusCode::UNAVAILABLE, "this router is stopping"});
  return reactor;
}

}  // namespace ringkv
