// How even a ring is: what each node holds against its fair share, and how the load of a dead node
// would spread. For `admin ring`, plans, metrics and tests. O(slots × RF²), and nodes² for the
// spread; not for the data path. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/ring.h"

namespace ringkv {

struct NodeLoad {
  NodeIndex node;
  uint32_t replicas = 0;     // slot replicas held
  uint32_t primaries = 0;    // of them, first in their row
  double share = 0;          // replicas / all replicas of the ring, 0 to 1
  double fair_replicas = 0;  // what exact fairness would give it (shares.h), in replicas
};

struct RingBalance {
  std::vector<NodeLoad> nodes;         // in the order of Ring::nodes()
  double max_over_mean = 1;            // of replicas / fair_replicas; 1 is perfect
  double stddev = 0;                   // of replicas - fair_replicas, in replicas
  double primaries_max_over_mean = 1;  // of primaries / (fair_replicas / RF)
};

RingBalance MeasureBalance(const Ring& ring);

// How evenly a dead node's slots would fall to the others: on how many slots any two nodes meet,
// against the number that is fair for them (fair_meetings.h: what chance would give, with these
// holdings and zones; without zones and with equal nodes the mean over all others). Pairs that
// zones keep apart are left out.
//
// The planner keeps every pair within 1.25 × fair, in whole slots (rounded up): in a ring that is
// formed of equal nodes, always, and after any changes of equal nodes without zones or in zones of
// about one size; given 64 slots a node. With other zones, and with unequal nodes, the fewest moves
// can force more: a node stays on its slots when a zone comes or grows, and whom it could meet only
// by moving, it does not meet. docs/decisions/0008 has the bounds that hold then.
struct RingSpread {
  double max_over_mean = 1;   // the worst count / fair; large where little is fair, see below
  double max_over_bound = 0;  // the worst count / (1.25 × fair, rounded up)
  uint32_t max_pair = 0;      // slots that the most entangled two nodes have in common
  uint32_t min_pair = 0;      // and the least
};

// All 1 or 0 where RF is 1 or there are fewer than three nodes. O(nodes²) memory.
RingSpread MeasureSpread(const Ring& ring);

}  // namespace ringkv
