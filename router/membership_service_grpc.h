// The Membership service: nodes register here. Hands each request to the control loop. A request
// that makes no sense ends with gRPC status INVALID_ARGUMENT, every other with an outcome.
// Thread-safe; borrows both until the gRPC server has stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "ringkv/v1/replica.grpc.pb.h"
#include "router/membership.h"

namespace ringkv {

class MembershipService final : public v1::Membership::CallbackService {
 public:
  MembershipService(EventLoop& control, Membership& membership)
      : control_(control), membership_(membership) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* call,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterReply* reply) override;

 private:
  EventLoop& control_;
  Membership& membership_;
};

}  // namespace ringkv
