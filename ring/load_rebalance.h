// Evens out what slots cost their nodes, in bytes or in requests: where balance by numbers leaves
// some nodes with the big slots, a few exchanges bring every node near its fair part. It proposes;
// an operator or a policy applies it, like any other change.
//
// A node's fair part of the cost is its share of the replicas (shares.h), by vnodes. Slots are
// exchanged two for one another, so that each node keeps its number of replicas and of primaries;
// one alone goes only as far as the rounding of shares allows. So a ring that the planner made
// keeps the planner's balance. Rows keep distinct nodes, and no row gets more replicas into one
// zone than it had.
//
// Guarantees: no node that is within the bound leaves it, and none gets further from it; so the
// most loaded never gets worse. Greedy, the most loaded first, by what is gained for what is moved:
// the moves are few, not the fewest (that is NP-hard: bin packing). It ends: each step makes a node
// fit, or gains a fixed part of a mean slot. The spread of pairs (balance.h) is left to later
// changes.
//
// Pure function; deterministic; thread-safe. Memory: about 4 bytes a replica.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ring/planner.h"
#include "ring/ring.h"

namespace ringkv {

// Who bears the cost of a slot.
enum class LoadOn {
  kAllReplicas,  // each of its nodes: bytes, writes
  kPrimaries,    // its primary alone: reads that go to the primary. Primary roles are exchanged
                 // first, which moves no data
};

struct LoadOptions {
  double bound = 0.1;  // how far from its fair part a node may be, of that part; 0.001 to 10
  LoadOn on = LoadOn::kAllReplicas;
};

struct NodeCost {
  NodeIndex node;
  double fair = 0;
  uint64_t before = 0;
  uint64_t after = 0;
};

// Why some node stays further off than the bound.
enum class LoadObstacle {
  kNone,        // none does
  kHeavySlot,   // one slot alone is more than its node's part
  kNoExchange,  // no exchange of two slots, among those that rows and counts allow, mends more
};

struct LoadPlan {
  Ring next;                    // epoch + 1; the ring as it was where nothing is to be changed
  std::vector<Move> moves;      // in the order of slots; another primary is no move
  std::vector<NodeCost> nodes;  // in the order of Ring::nodes()
  LoadObstacle obstacle = LoadObstacle::kNone;
  std::string why;  // the obstacle, with the node and slot; empty: the bound is reached

  bool reached() const { return obstacle == LoadObstacle::kNone; }
};

// `slot_costs`: of one replica of each slot. InvalidArgument: not one for each slot, a bound out of
// range, costs that add up to 2^63 or more.
Result<LoadPlan> RebalanceLoad(const Ring& ring, std::span<const uint64_t> slot_costs,
                               const LoadOptions& options);

}  // namespace ringkv
