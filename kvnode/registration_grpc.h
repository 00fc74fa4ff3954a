// Asks the routers of the configuration to register this node.
//
// Ask goes through the routers in turn, from the one that answered last, until one of them gives an
// answer that another could not better; each gets a deadline. Thread-safety: Ask from one thread,
// Cancel from any. No state on the wire: whether a question arrived is settled by its nonce.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

class RegistrationGrpc {
 public:
  // `routers`: host:port, at least one.
  RegistrationGrpc(std::vector<std::string> routers, Duration deadline);
  ~RegistrationGrpc();
  RegistrationGrpc(const RegistrationGrpc&) = delete;
  RegistrationGrpc& operator=(const RegistrationGrpc&) = delete;

  // Blocks up to the deadline for each router. Unavailable: none answered; the message, for people,
  // says why of each.
  Result<v1::RegisterReply> Ask(const v1::RegisterRequest& request);

  // Ends the Ask under way, and every later one, with kUnavailable.
  void Cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkv
