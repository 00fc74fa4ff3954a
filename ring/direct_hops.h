// The first stage of a rebalancing: nodes that have too much give slots straight to nodes that have
// too little, chosen so that the spread is evened. Nearly all of a change is done by that.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include <cstddef>

#include "ring/placement.h"

namespace ringkv {

// Returns how many replicas are still to change hands, for want of a giver's slot that a taker may
// enter.
size_t HopDirectly(Placement& placement);

}  // namespace ringkv
