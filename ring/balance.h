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

// For each node, on how many of its slots it meets each other node; of these counts the greatest
// against their mean, each weighed by the other's own replicas. The worst over all nodes: 1 is
// perfect, and where the mean is small whole numbers alone keep it above 1. Nodes of one zone are
// no others where they may not meet. 1 where RF is 1 or there are fewer than three nodes. Needs
// nodes² × 4 bytes.
struct RingSpread {
  double max_over_mean = 1;
  double max_over_ceiling = 1;  // against the mean rounded up: 1 is as even as can be
  uint32_t max_pair = 0;        // slots that the most entangled two nodes have in common
  uint32_t min_pair = 0;        // and the least
};

RingSpread MeasureSpread(const Ring& ring);

}  // namespace ringkv
