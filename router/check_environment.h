// What a comparison of replicas (replica_check.h) needs of the world. The router's is in
// replica_checker.cc; the simulator and tests bring their own.
//
// Everything is called on the comparison's thread, and so is what is handed in, later: never before
// the call returns.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "ringkv/v1/inspect.pb.h"
#include "router/shard.h"

namespace ringkv {

class CheckEnvironment {
 public:
  virtual ~CheckEnvironment() = default;
  virtual MonoTime Now() const = 0;
  virtual void After(Duration pause, std::function<void()> action) = 0;
  virtual std::string NameOf(Peer peer) const = 0;

  // ---- the slot's owner ----
  virtual void Describe(SlotId slot, std::function<void(SlotReport)> done) = 0;
  virtual void LookAt(LookCall call) = 0;

  // ---- a node; who is meant is filled in here. kOverloaded: not now. ----
  virtual void AskDigests(Peer peer, v1::DigestRangesRequest request,
                          std::function<void(Result<v1::DigestRangesReply>)> done) = 0;
  virtual void AskRecords(Peer peer, v1::ListRecordsRequest request,
                          std::function<void(Result<v1::ListRecordsReply>)> done) = 0;
};

}  // namespace ringkv
