#include "ring/shares.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace ringkv {

std::vector<Share> FairShares(std::span<const uint32_t> weights, uint32_t slots,
                              uint32_t replicas) {
  std::vector<Share> shares(weights.size());
  std::vector<bool> capped(weights.size(), false);
  uint64_t left = uint64_t{slots} * replicas;
  uint64_t weight_left = 0;
  for (uint32_t weight : weights) weight_left += weight;
  // Cutting one node raises the share of the others and may bring them to the cap as well; each
  // round cuts at least one, and at most `replicas` can be cut in all.
  for (bool changed = true; changed;) {
    changed = false;
    const uint64_t round_left = left;
    const uint64_t round_weight = weight_left;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (capped[i] || weights[i] == 0) continue;
      if (round_left * weights[i] < uint64_t{slots} * round_weight) continue;
      capped[i] = changed = true;
      shares[i].floor = slots;
      left -= slots;
      weight_left -= weights[i];
    }
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (capped[i] || weights[i] == 0) continue;
    const uint64_t product = left * weights[i];
    shares[i] = {static_cast<uint32_t>(product / weight_left), product % weight_left, weight_left};
  }
  return shares;
}

std::vector<uint32_t> RoundShares(std::span<const Share> shares, std::span<const uint32_t> current,
                                  uint64_t total, uint32_t preferred) {
  std::vector<uint32_t> counts(shares.size());
  std::vector<uint32_t> can_rise;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < shares.size(); ++i) {
    sum += counts[i] = shares[i].floor;
    if (shares[i].remainder > 0) can_rise.push_back(i);
  }
  RINGKV_CHECK(sum <= total && total - sum <= can_rise.size(), "shares must sum to the total");
  // Keeping a replica that is there costs nothing; a node at or below its floor would gain one.
  auto before = [&](uint32_t a, uint32_t b) {
    auto rank = [&](uint32_t i) {
      return std::tuple(current[i] <= shares[i].floor, i != preferred,
                        UINT64_MAX - shares[i].remainder, i);
    };
    return rank(a) < rank(b);
  };
  const auto rises = static_cast<std::ptrdiff_t>(total - sum);
  std::partial_sort(can_rise.begin(), can_rise.begin() + rises, can_rise.end(), before);
  for (auto it = can_rise.begin(); it != can_rise.begin() + rises; ++it) ++counts[*it];
  return counts;
}

}  // namespace ringkv
