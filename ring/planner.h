// Changes of a ring, as pure functions: (ring, change) → (next ring with epoch + 1, what to move).
// Nothing is applied here; a plan may be shown and dropped.
//
// After every change:
// - a slot's replicas are on distinct nodes, and in distinct zones where there are as many zones
//   (with fewer, none has more of a slot than it must: node_groups.h). A node without a zone is a
//   failure domain of its own;
// - each node holds its fair share of slot replicas, rounded down or up (shares.h: by vnodes, as
// far
//   as distinct nodes and zones allow), and of primaries, rounded down or up (its fair share of
//   replicas / RF);
// - the moves are the fewest that lead there. With equal vnodes that means: AddNode moves exactly
//   the new node's share, only to it; RemoveNode exactly what the node held, only from it. With
//   unequal vnodes both rules can contradict each other by single replicas, as apportionment does
//   (Balinski and Young, "Fair Representation", 1982); balance then wins;
// - the other replicas of a node's slots are spread about evenly over all other nodes.
// Reordering a row (another primary) moves no data and is no Move.
//
// Deterministic: the same ring and change give the same answer on every machine, whether planned by
// a function or by a Planner with a history. The functions are thread-safe; a Planner is
// thread-compatible. On an error nothing is returned but the Status, one for each fault:
// InvalidArgument (bad id, address, vnodes, slots, RF), NotFound (no such node), Refused (already
// there; too few nodes).
#pragma once

#include <cstdint>
#include <memory>
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

// Why a plan copies more than the counts alone would ask for.
enum class Detour {
  kNone,           // it does not
  kDistinctNodes,  // a node that lacks slots holds already what others could give it
  kZones,          // what others could give would put two replicas of a slot into one zone
};

struct PlannedChange {
  Ring next;
  std::vector<Move> moves;        // in the order of slots; none for FormRing, where nothing is yet
  uint64_t least_moves = 0;       // fewest that any placement with these counts could need
  Detour detour = Detour::kNone;  // why moves.size() is above least_moves
};

// The first ring, epoch 1. Members in any order: their order does not matter.
Result<PlannedChange> FormRing(std::vector<Member> members, uint32_t replicas, uint32_t slots);

// O(slots × RF), whatever changes: a Planner is made and dropped.
Result<PlannedChange> AddNode(const Ring& ring, const Member& member);
Result<PlannedChange> RemoveNode(const Ring& ring, const NodeId& id);
Result<PlannedChange> SetVnodes(const Ring& ring, const NodeId& id, uint32_t vnodes);
Result<PlannedChange> SetReplicas(const Ring& ring, uint32_t replicas);

// Plans one change after another, and keeps its worktable in between, so that a change costs what
// it touches: a few milliseconds with a million nodes. The first one, and one where a share passes
// a whole number, looks at every node besides.
class Planner {
 public:
  // O(slots × RF).
  explicit Planner(Ring ring);
  Planner(Planner&&) noexcept;
  Planner& operator=(Planner&&) noexcept;
  ~Planner();

  const Ring& ring() const;

  // As the functions of the same names. After success ring() is the next ring; after an error
  // nothing has changed.
  Result<PlannedChange> AddNode(const Member& member);
  Result<PlannedChange> RemoveNode(const NodeId& id);
  Result<PlannedChange> SetVnodes(const NodeId& id, uint32_t vnodes);
  // O(slots × RF).
  Result<PlannedChange> SetReplicas(uint32_t replicas);

  // Memory of the worktable, beside the rings' own.
  size_t state_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringkv
