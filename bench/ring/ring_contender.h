// This project's ring as a contender, with what only it has: a planner with a state of its own,
// replicas in zones, and changes that are published to readers (published_changes.h).
#pragma once

#include <optional>

#include "bench/ring/contender.h"
#include "ring/planner.h"

namespace ringkv::bench {

// Slots for a ring of so many nodes: 4 096, or up to 64 a node rounded up to a power of two.
uint32_t SlotsFor(uint32_t nodes);

// Zones of a ring of so many nodes.
uint32_t ZonesFor(uint32_t nodes);

// The `number`th node of a cluster whose nodes take turns in the zones.
Member MemberNumber(uint32_t number, uint32_t zones);

struct RingDetails {
  uint32_t slots = 0;
  uint32_t replicas = 0;
  uint32_t zones = 0;
  size_t table_bytes = 0;      // what look-ups read
  size_t directory_bytes = 0;  // of the table's pages
  size_t member_bytes = 0;     // names, addresses, zones: all else that a Ring holds
  size_t planner_bytes = 0;    // the planner's state, as it reckons itself
  size_t planner_allocated_bytes = 0;
  Samples planner_build_s;
};

// A ring that changes: nodes join with new names, and any node of it may leave. Thread-compatible.
class ChangingRing {
 public:
  // `ring`: of MemberNumber(0…) with so many zones.
  ChangingRing(Ring ring, uint32_t zones);

  const Ring& ring() const { return planner_.ring(); }
  size_t planner_bytes() const { return planner_.state_bytes(); }

  PlannedChange Add();
  PlannedChange RemoveAny();

 private:
  Planner planner_;
  const uint32_t zones_;
  uint32_t next_number_;
};

struct RingContender {
  Contender contender;
  RingDetails details;
  std::unique_ptr<ChangingRing> changing;
};

// Key "ring". Needs at least as many nodes as replicas; replicas: 1 or 3.
RingContender BuildRing(uint32_t nodes, uint32_t replicas, const StructureBudget& budget);

// For each replica (primary) that a new node has got, how many have another node than before: 1
// is the least. `joined`: in `after` only.
struct MovesPerGain {
  double primaries = 0;
  double replicas = 0;
};
MovesPerGain CountMoves(const Ring& before, const Ring& after, NodeIndex joined);

}  // namespace ringkv::bench
