// RedisSocket: a connection to one Redis server that never blocks: commands are put into
// `outgoing`, replies are taken out of `replies`. Thread-compatible.
#pragma once

#include <string>

#include "base/status.h"
#include "bench/peers/resp.h"

namespace ringkv::bench {

class RedisSocket {
 public:
  // To an IPv4 address and port, on this machine. Unavailable: nobody listens there.
  static Result<RedisSocket> Connect(const std::string& address);
  RedisSocket(RedisSocket&& other) noexcept;
  RedisSocket& operator=(RedisSocket&&) = delete;
  ~RedisSocket();

  int fd() const { return fd_; }
  std::string& outgoing() { return outgoing_; }
  RespReader& replies() { return replies_; }

  // Sends as much as the system takes now; what is left stays. Unavailable: the connection broke.
  Status Flush();
  // Takes what has come in by now. Unavailable: the connection broke, or was closed.
  Status Receive();

 private:
  explicit RedisSocket(int fd) : fd_(fd) {}

  int fd_;
  std::string outgoing_;
  RespReader replies_;
};

}  // namespace ringkv::bench
