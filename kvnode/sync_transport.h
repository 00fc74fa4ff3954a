// Carries the questions of a sync from this node to others (docs/protocol.md, "Sync"). The real one
// is SyncClientGrpc. Thread-safe.
#pragma once

#include <functional>

#include "base/ids.h"
#include "kvnode/replica.h"

namespace ringkv {

class SyncTransport {
 public:
  // `boot`: of the process that answered; 0: the question was lost, the code says NOT_READY.
  using Answered = std::function<void(Boot boot, v1::ReplicaOpReply answer)>;

  virtual ~SyncTransport() = default;
  // Does not block. `answered` runs once, on any thread, perhaps before Ask returns; not at all
  // after the transport was stopped.
  virtual void Ask(SyncQuestion question, Answered answered) = 0;
};

}  // namespace ringkv
