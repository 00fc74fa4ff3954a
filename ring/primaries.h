// Chooses each slot's primary among its replicas. Moves no data.
//
// Each node is primary of its fair share of slots / RF, rounded down or up. That is always
// possible: giving each replica 1/RF of its slot is a fractional solution, and a flow with whole
// bounds that has a fractional solution has a whole one. A primary that stays in its row keeps its
// role unless the balance needs it.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include <span>

#include "ring/placement.h"
#include "ring/shares.h"

namespace ringkv {

// Needs rows without empty places among their first `replicas`, and nodes that hold their share
// (of replicas), rounded.
void AssignPrimaries(Placement& placement, std::span<const Share> shares, uint32_t replicas);

}  // namespace ringkv
