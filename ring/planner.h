// Changes of a ring, as pure functions: (ring, change) → (next ring with epoch + 1, what to move).
// Nothing is applied here; a plan may be shown and dropped.
//
// After every change:
// - a slot's replicas are on distinct nodes;
// - each node holds its fair share of slot replicas, rounded down or up (shares.h: by vnodes, at
// most
//   every slot once), and of primaries, rounded down or up (its fair share of replicas / RF);
// - the moves are the fewest that lead there. With equal vnodes that means: AddNode moves exactly
//   the new node's share, only to it; RemoveNode exactly what the node held, only from it. With
//   unequal vnodes both rules can contradict each other by single replicas, as apportionment does
//   (Balinski and Young, "Fair Representation", 1982); balance then wins, and `least_moves` tells;
// - the other replicas of a node's slots are spread about evenly over all other nodes.
// Reordering a row (another primary) moves no data and is no Move.
//
// Deterministic: the same ring and change give the same answer on every machine. Thread-safe. On an
// error nothing is returned but the Status, one for each fault: InvalidArgument (bad id, address,
// vnodes, slots, RF), NotFound (no such node), Refused (already there; too few nodes).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ring/ring.h"

namespace ringkv {

// One replica of `slot` to be copied to `to`, then dropped by `from`. Indexes mean the same node in
// both rings; one that leaves is in the old ring only, one that joins in the next only.
struct Move {
  SlotId slot;
  std::optional<NodeIndex> from;  // none: the slot gains a replica (FormRing, RF raised)
  std::optional<NodeIndex> to;    // none: the slot loses a replica (RF lowered, nothing else)

  bool operator==(const Move&) const = default;
};

struct PlannedChange {
  Ring next;
  std::vector<Move> moves;   // in the order of slots
  uint64_t least_moves = 0;  // fewest that any placement with these counts could need; moves.size()
                             // unless distinctness forced detours
};

// The first ring, epoch 1. Members in any order: their order does not matter.
Result<PlannedChange> FormRing(std::vector<Member> members, uint32_t replicas, uint32_t slots);

Result<PlannedChange> AddNode(const Ring& ring, const Member& member);
Result<PlannedChange> RemoveNode(const Ring& ring, const NodeId& id);
Result<PlannedChange> SetVnodes(const Ring& ring, const NodeId& id, uint32_t vnodes);
Result<PlannedChange> SetReplicas(const Ring& ring, uint32_t replicas);

}  // namespace ringkv
