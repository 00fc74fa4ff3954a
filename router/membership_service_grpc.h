// The Membership service: nodes register here. Hands each request to the control loop, once it is
// known not to come from a second process under an id (identity_guard.h). A request that makes no
// sense ends with gRPC status INVALID_ARGUMENT, every other with an outcome.
// Thread-safe; borrows all until the gRPC server has stopped.
#pragma once

#include <grpcpp/grpcpp.h>

#include "base/event_loop.h"
#include "ringkv/v1/replica.grpc.pb.h"
#include "router/data_plane.h"
#include "router/membership.h"

namespace ringkv {

class MembershipService final : public v1::Membership::CallbackService {
 public:
  MembershipService(EventLoop& control, Membership& membership, DataPlane& data)
      : control_(control), membership_(membership), data_(data) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* call,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterReply* reply) override;

 private:
  void HandOver(const v1::RegisterRequest& request, v1::RegisterReply* reply,
                grpc::ServerUnaryReactor* reactor);

  EventLoop& control_;
  Membership& membership_;
  DataPlane& data_;
};

}  // namespace ringkv
