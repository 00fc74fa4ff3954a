// Fair shares: how many slot replicas each node should hold, exactly, and which of them are rounded
// up. Whole-number arithmetic only, so that every machine agrees. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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

// Divides slots × replicas in proportion to `weights` (0: takes part no more), no node more than
// `slots`, since it can hold a slot only once; what that cuts off goes to the others, again by
// weight. Needs at least `replicas` weights above 0, slots × replicas < 2^32 and weights < 2^13.
std::vector<Share> FairShares(std::span<const uint32_t> weights, uint32_t slots, uint32_t replicas);

// Rounds each share down or up such that they sum to `total` and the fewest replicas are gained
// over `current`. Among equals, rounds up the node `preferred` first (the one that the change is
// about; weights.size(): none), then by greater remainder, then the first.
std::vector<uint32_t> RoundShares(std::span<const Share> shares, std::span<const uint32_t> current,
                                  uint64_t total, uint32_t preferred);

}  // namespace ringkv
