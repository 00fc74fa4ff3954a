// What the handlers of client calls share. Plain references; everything outlives the gRPC server.
#pragma once

#include "base/clock.h"
#include "router/client_request.h"
#include "router/request_metrics.h"
#include "router/serving_gate.h"
#include "router/shard_loops.h"

namespace ringkv {

struct KvContext {
  ShardLoops& loops;
  ServingGate& gate;
  const Clock& clock;
  RequestMetrics& metrics;
  Duration default_timeout = kDefaultCallTimeout;
  size_t max_unanswered = 4096;  // operations of one stream; beyond it is not read any more
  // Of answers that clients have not taken yet, of one stream and of all; beyond it what was read
  // is dropped, and the answer is OVERLOADED.
  size_t max_untaken_bytes = 64u << 20;
  size_t max_untaken_bytes_of_all = 256u << 20;

  size_t LoopOfSlot(SlotId slot) const {
    const SlotLayout& layout = gate.layout();
    return loops.LoopOf(GroupOf(slot, layout.slots, layout.groups));
  }
};

}  // namespace ringkv
