// EchoServer: a server of Kv.Batch that answers each batch at once with as many results as it
// holds: what gRPC and the messages cost by themselves. A process of its own.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/status.h"

namespace ringkv::bench {

class EchoServer {
 public:
  // Forks, so: before the process has any thread. The child ends with the object.
  static Result<EchoServer> Fork();
  ~EchoServer();
  EchoServer(EchoServer&& other) noexcept;
  EchoServer& operator=(EchoServer&&) = delete;

  // Soon, and until it is told otherwise. 100 bytes at first.
  void AnswerGetsWith(size_t value_bytes);

  pid_t pid() const { return pid_; }
  const std::string& address() const { return address_; }

 private:
  EchoServer(pid_t pid, int lifeline, std::string address)
      : pid_(pid), lifeline_(lifeline), address_(std::move(address)) {}

  pid_t pid_;
  int lifeline_;  // the child ends when it is closed
  std::string address_;
};

}  // namespace ringkv::bench
