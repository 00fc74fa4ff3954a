// The channel to one router, as the client makes it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "base/status.h"
#include "net/grpc_door.h"

namespace ringkv {

// A connection of its own, which inherits no backoff from an earlier one: when to try a router
// again is the client's own decision.
inline std::shared_ptr<grpc::Channel> MakeRouterChannel(const std::string& address) {
  return MakeChannel(address, {.connection = Connection::kOwn});
}

// What answers there knows none of a router's services: a node, for example.
inline Status NotARouter(const std::string& address) {
  return Status::InvalidArgument("what answers at " + address +
                                 " is no router, or one of another version; give the gRPC address "
                                 "of a router (7400 by default; kvctl: --router or RINGKV_ROUTER)");
}

}  // namespace ringkv
