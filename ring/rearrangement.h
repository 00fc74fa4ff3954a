// The second stage of a rebalancing: what direct hops leave is settled by passing on what the
// change has copied anyway.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include "ring/placement.h"

namespace ringkv {

// Each replica that changes hands costs one copy, the least there can be. False: something is left.
bool Rearrange(Placement& placement);

}  // namespace ringkv
