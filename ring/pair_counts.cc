#include "ring/pair_counts.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace ringkv {

PairCounts::PairCounts(uint32_t limit)
    : nodes_(Counts(limit) ? std::bit_ceil(std::max(limit, 16u)) : limit) {
  if (counting()) counts_.resize(size_t{nodes_} * nodes_);
}

size_t PairCounts::bytes() const {
  return counts_.size() * sizeof(counts_[0]) + meetable_.size() * sizeof(meetable_[0]) +
         lightness_.size() * sizeof(lightness_[0]);
}

void PairCounts::SetExpected(std::span<const uint32_t> expected, const NodeGroups& groups,
                             uint32_t per_zone) {
  if (!counting()) return;
  expected_ = expected.first(nodes_);
  total_ = std::accumulate(expected_.begin(), expected_.end(), uint64_t{0});
  const auto holders = static_cast<uint64_t>(
      std::count_if(expected_.begin(), expected_.end(), [](uint32_t e) { return e > 0; }));
  std::vector<uint64_t> zone_sums(groups.zones(), 0);
  lightness_.resize(nodes_);
  meetable_.resize(nodes_);
  for (uint32_t i = 0; i < nodes_; ++i) {
    const uint64_t ratio =
        256 * total_ / std::max<uint64_t>(holders * std::max(expected_[i], 1u), 1);
    lightness_[i] = static_cast<int64_t>(std::clamp<uint64_t>(ratio, 1, 65535));
    if (i < groups.limit() && groups.zone_of(i) != kOwnDomain) {
      zone_sums[groups.zone_of(i)] += expected_[i];
    }
  }
  for (uint32_t i = 0; i < nodes_; ++i) {
    const bool zoned = per_zone == 1 && i < groups.limit() && groups.zone_of(i) != kOwnDomain;
    meetable_[i] = total_ - (zoned ? zone_sums[groups.zone_of(i)] : expected_[i]);
  }
}

void PairCounts::Change(const ReplicaRow& row, uint32_t node, uint32_t by) {
  if (node >= nodes_) return;
  for (NodeIndex n : row) {
    const uint32_t other = n.value();
    if (other >= nodes_ || other == node) continue;
    counts_[size_t{node} * nodes_ + other] += by;
    counts_[size_t{other} * nodes_ + node] += by;
  }
}

int64_t PairCounts::CountedCost(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const {
  int64_t cost = 0;
  for (NodeIndex n : row) {
    const uint32_t other = n.value();
    if (other >= nodes_ || other == leaving || other == entering) continue;
    int64_t change = 0;
    if (entering < nodes_) change += (2 * int64_t{at(entering, other)} + 1) * lightness_[entering];
    if (leaving < nodes_) change -= (2 * int64_t{at(leaving, other)} - 1) * lightness_[leaving];
    cost += change * lightness_[other];
  }
  return cost;
}

bool PairCounts::Crowded(const ReplicaRow& row, uint32_t node, uint32_t replicas) const {
  if (!counting() || node >= nodes_) return false;
  // The node's (replicas - 1) × expected meetings are divided among those that it can meet by what
  // they hold: fair / rest each.
  const uint64_t rest = std::max<uint64_t>(meetable_[node], 1);
  const uint64_t meetings = uint64_t{replicas - 1} * expected_[node];
  for (NodeIndex n : row) {
    const uint32_t other = n.value();
    if (other >= nodes_ || other == node) continue;
    const uint64_t fair = meetings * expected_[other];
    const uint64_t met = uint64_t{at(node, other)} * rest;
    if (10 * met > 11 * fair && met >= fair + rest) return true;
  }
  return false;
}

}  // namespace ringkv
