#include "ring/pair_counts.h"

#include <algorithm>
#include <numeric>

namespace ringkv {

PairCounts::PairCounts(std::span<const uint32_t> expected)
    : nodes_(static_cast<uint32_t>(expected.size())),
      expected_(expected.begin(), expected.end()),
      lightness_(expected.size()) {
  total_ = std::accumulate(expected.begin(), expected.end(), uint64_t{0});
  for (uint32_t i = 0; i < nodes_; ++i) {
    const uint64_t ratio = 256 * total_ / (uint64_t{nodes_} * std::max(expected[i], 1u));
    lightness_[i] = static_cast<int64_t>(std::clamp<uint64_t>(ratio, 1, 65535));
  }
  if (nodes_ <= kMaxNodes) counts_.resize(size_t{nodes_} * nodes_);
}

void PairCounts::Change(std::span<const uint32_t> row, uint32_t node, uint32_t by) {
  if (!counting() || node >= nodes_) return;
  for (uint32_t other : row) {
    if (other >= nodes_ || other == node) continue;
    counts_[size_t{node} * nodes_ + other] += by;
    counts_[size_t{other} * nodes_ + node] += by;
  }
}

int64_t PairCounts::ReplaceCost(std::span<const uint32_t> row, uint32_t leaving,
                                uint32_t entering) const {
  if (!counting()) return 0;
  int64_t cost = 0;
  for (uint32_t other : row) {
    if (other >= nodes_ || other == leaving || other == entering) continue;
    int64_t change = 0;
    if (entering < nodes_) change += (2 * int64_t{at(entering, other)} + 1) * lightness_[entering];
    if (leaving < nodes_) change -= (2 * int64_t{at(leaving, other)} - 1) * lightness_[leaving];
    cost += change * lightness_[other];
  }
  return cost;
}

bool PairCounts::Crowded(std::span<const uint32_t> row, uint32_t node, uint32_t replicas) const {
  if (!counting() || node >= nodes_) return false;
  // The node's (replicas - 1) × expected meetings are divided among the others by what they hold:
  // fair / rest each.
  const uint64_t rest = std::max<uint64_t>(total_ - expected_[node], 1);
  const uint64_t meetings = uint64_t{replicas - 1} * expected_[node];
  for (uint32_t other : row) {
    if (other >= nodes_ || other == node) continue;
    const uint64_t fair = meetings * expected_[other];
    const uint64_t met = uint64_t{at(node, other)} * rest;
    if (10 * met > 11 * fair && met >= fair + rest) return true;
  }
  return false;
}

}  // namespace ringkv
