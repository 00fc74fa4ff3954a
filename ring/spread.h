// Second thoughts on a finished placement: trades between its copies that leave every count, and
// the number of copies, as they are, and meet the goal that a node shares its slots with all others
// alike. Local search by fixed strides: deterministic, and bounded.
//
// Pure but for the placement handed in.
#pragma once

#include "ring/placement.h"

namespace ringkv {

// Considers only copies that the plan makes anyway. Does nothing where no two nodes meet too often.
void EvenSpread(Placement& placement, uint32_t replicas);

}  // namespace ringkv
