// Fair shares: how many slot replicas each node should hold, exactly (rounded in node_targets.h).
// Whole-number arithmetic only, so that every machine agrees. Pure functions; thread-safe.
//
// What limits a node: it holds a slot once at most, and its zone holds at most `per_zone` replicas
// of a slot (node_groups.h). A node or zone whose weight asks for more gets just that, and the rest
// is divided among the others by weight. These are the max-min fair shares by weight under nested
// limits; a whole solution that rounds each share up or down always exists.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/node_groups.h"

namespace ringkv {

// floor + remainder / divisor replicas; remainder < divisor.
struct Share {
  uint32_t floor = 0;
  uint64_t remainder = 0;
  uint64_t divisor = 1;

  uint32_t ceiling() const { return floor + (remainder > 0 ? 1 : 0); }
  double value() const {
    return floor + static_cast<double>(remainder) / static_cast<double>(divisor);
  }
};

// The share of one node of each group, in the order of groups.groups(). Needs at least `replicas`
// nodes and per_zone == ReplicasPerZone(groups, replicas).
std::vector<Share> FairShares(const NodeGroups& groups, uint32_t slots, uint32_t replicas,
                              uint32_t per_zone);

}  // namespace ringkv
