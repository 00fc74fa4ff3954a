// Fair shares: how many slot replicas each node should hold, exactly, and which of them are rounded
// up. Whole-number arithmetic only, so that every machine agrees. Pure functions; thread-safe.
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

// Rounds each node's share down or up into `targets` (by node; 0 for who is not there) such that
// they sum to slots × replicas, no zone gets more than slots × per_zone, and the fewest replicas
// are gained over `current` (by node): what stays within its share stays. Among equals it rounds up
// the node `preferred` first (the one that the change is about; UINT32_MAX: none), then where the
// share's remainder exceeds the node's phase most. So of a million equal nodes some are rounded up
// and some down, the same ones as long as the shares hardly change, and one by one as they do.
void RoundShares(const NodeGroups& groups, std::span<const Share> shares,
                 std::span<const uint32_t> current, uint32_t slots, uint32_t replicas,
                 uint32_t per_zone, uint32_t preferred, std::vector<uint32_t>* targets);

}  // namespace ringkv
