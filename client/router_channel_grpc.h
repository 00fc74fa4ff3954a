// The channel to one router, as the client makes it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace ringkv {

// A fresh connection, which inherits no backoff from an earlier one: when to try a router again is
// the client's own decision.
std::shared_ptr<grpc::Channel> MakeRouterChannel(const std::string& address);

}  // namespace ringkv
