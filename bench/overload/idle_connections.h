// IdleConnections: TCP connections to a gRPC server, each with an HTTP/2 session and one stream
// that was begun and says nothing. Sockets without gRPC: thousands of channels would cost this
// process more than they cost the server. A thread of its own answers the server's pings, as
// clients do. One thread calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace ringkv::bench {

class IdleConnections {
 public:
  // To an IPv4 address and port, each with a stream of `method` ("/package.Service/Method").
  IdleConnections(std::string address, std::string method);
  ~IdleConnections();  // closes them
  IdleConnections(const IdleConnections&) = delete;
  IdleConnections& operator=(const IdleConnections&) = delete;

  // Opens so many and waits until the server has answered on each. Once. Unavailable: it does not
  // take them, or not in time; InvalidArgument: the address is none.
  Status Open(size_t count, Duration patience);

  // With a stream that the server knows of, and has not ended.
  size_t open() const { return ready_.load() - ended_.load(); }

 private:
  struct Connection {
    int fd = -1;
    std::string incoming;
    bool ready = false;
    bool ended = false;
  };

  Status Connect();
  void Serve(const std::stop_token& stop);
  void Receive(Connection& connection);
  void Answer(Connection& connection, const struct Frame& frame);
  void End(Connection& connection);

  const std::string address_;
  const std::string opening_;
  int epoll_ = -1;
  std::vector<Connection> connections_;  // the thread's, once it runs
  std::atomic<size_t> ready_{0};
  std::atomic<size_t> ended_{0};
  std::jthread thread_;
};

// As many open files as the system lets this process and those that it starts have. Returns how
// many.
uint64_t RaiseOpenFiles();

}  // namespace ringkv::bench
