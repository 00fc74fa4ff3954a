#include "router/membership_service_grpc.h"

#include <utility>

#include "base/logging.h"
#include "router/identity_guard.h"
#include "router/node_registration.h"

namespace ringkv {

grpc::ServerUnaryReactor* MembershipService::Register(grpc::CallbackServerContext* call,
                                                      const v1::RegisterRequest* request,
                                                      v1::RegisterReply* reply) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // One that makes no sense is told what is wrong with it, whoever else has the id.
  if (!CheckRegistration(*request).ok() || !MayBeASecondProcess(*membership_.view(), *request)) {
    HandOver(*request, reply, reactor);
    return reactor;
  }
  data_.Gather([this, request, reply, reactor](const std::vector<LoopReport>& loops) {
    const auto second = JudgeSecondProcess(*membership_.view(), loops, *request);
    if (!second.has_value()) return HandOver(*request, reply, reactor);
    RINGKV_LOG_EVERY(std::chrono::seconds(10), kWarning, "membership",
                     "a second process registers as {}, from {}: {}", request->node(),
                     request->address(), second->message());
    *reply = *second;
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

void MembershipService::HandOver(const v1::RegisterRequest& request, v1::RegisterReply* reply,
                                 grpc::ServerUnaryReactor* reactor) {
  auto done = [reactor, reply](Result<v1::RegisterReply> answer) {
    if (!answer.ok()) {
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, answer.status().message()});
      return;
    }
    *reply = std::move(*answer);
    reactor->Finish(grpc::Status::OK);
  };
  const bool posted = control_.Post([this, request, done] { membership_.Register(request, done); });
  if (!posted) reactor->Finish({grpc::StatusCode::UNAVAILABLE, "this router is stopping"});
}

}  // namespace ringkv
