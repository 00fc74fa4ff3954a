// ConnectionDriver: keeps gRPC at work on connections in the making. Without a call in flight
// nobody polls the sockets of a channel, and a client that wants to know that it is connected
// before it sends anything has none. One thread; Drive from any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <thread>

#include "base/clock.h"

namespace ringkv {

class ConnectionDriver {
 public:
  ConnectionDriver();
  ~ConnectionDriver();  // waits for what is being driven: up to its longest time
  ConnectionDriver(const ConnectionDriver&) = delete;
  ConnectionDriver& operator=(const ConnectionDriver&) = delete;

  // Works on the channel until it leaves the state `from`, at most for `time`.
  void Drive(grpc::Channel& channel, grpc_connectivity_state from, Duration time);

 private:
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace ringkv
