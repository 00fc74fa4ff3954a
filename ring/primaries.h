// Chooses each slot's primary among its replicas. Moves no data.
//
// Each node is primary of its fair share of slots / RF, rounded down or up. That is always
// possible: giving each replica 1/RF of its slot is a fractional solution, and a flow with whole
// bounds that has a fractional solution has a whole one. A primary that stays in its row keeps its
// role unless the balance needs it. Costs what the change touched, and a look at every node the
// first time or where a group's share of primaries has passed a whole number.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include <span>
#include <vector>

#include "ring/placement.h"
#include "ring/shares.h"

namespace ringkv {

// What is remembered from change to change, so that one costs what it touches.
struct PrimarySearch {
  struct Seen {
    uint32_t search = 0;  // in which it was seen; 0: none
    uint32_t other = 0;   // the node before it on the way
    uint32_t slot = 0;    // the slot between them
  };
  struct Bounds {
    uint32_t low = 0, high = 0;
    bool operator==(const Bounds&) const = default;
  };

  std::vector<Bounds> bounds;  // of primaries, by group, that all nodes keep that no change touched
  uint32_t searches = 0;
  std::vector<Seen> seen;  // by node
  std::vector<uint32_t> queue;
};

// In the change that `placement` is in the midst of. Needs nodes that hold their share (`shares` by
// group, of `replicas` a slot), rounded, and rows of which the first `replicas` places are not
// empty.
void AssignPrimaries(Placement& placement, std::span<const Share> shares, uint32_t replicas,
                     PrimarySearch* search);

}  // namespace ringkv
