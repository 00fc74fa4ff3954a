// The channel to one router, as the client makes it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "net/grpc_door.h"

namespace ringkv {

// A connection of its own, which inherits no backoff from an earlier one: when to try a router
// again is the client's own decision.
inline std::shared_ptr<grpc::Channel> MakeRouterChannel(const std::string& address) {
  return MakeChannel(address, {.connection = Connection::kOwn});
}

}  // namespace ringkv
