// Brings a placement to its targets with the fewest copies. Rows with
// too much in one zone are repaired first. Then two stages: quick choices, each a
// direct hop from a node that has too much to one that has too little, chosen for the spread; then,
// where distinctness has left no direct hop, shortest augmenting paths. The whole is a min-cost
// flow (nodes that give → slots → nodes that take, cost 1 where a slot reaches a node that did not
// hold it), solved by successive shortest paths (Ahuja, Magnanti, Orlin, "Network Flows", 1993,
// section 9.7); direct hops are shortest paths while there are any, so that the result is an
// optimum.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include "ring/placement.h"

namespace ringkv {

// Afterwards every surplus is 0; which shares are rounded up may have changed. Needs targets of at
// most one per slot that sum to what the rows can hold: then a solution exists (Gale and Ryser).
// `repair_zones`: rows may have more replicas in one zone than the aim allows.
void Rebalance(Placement& placement, bool repair_zones);

}  // namespace ringkv
