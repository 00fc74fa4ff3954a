#include "ring/pair_counts.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace ringkv {
namespace {

constexpr double kRarest = 32;  // times what would be without zones

// Whether zones or unequal nodes make some pairs meet more seldom than their holdings tell.
bool NeedsFairMeetings(const NodeGroups& groups) {
  std::vector<bool> zones(groups.zones(), false);
  uint32_t nodes = 0, kinds = 0;
  for (const NodeGroup& group : groups.groups()) {
    if (group.nodes == 0) continue;
    ++kinds;
    nodes += group.nodes;
    if (group.zone != kOwnDomain) zones[group.zone] = true;
  }
  const auto in_use = std::count(zones.begin(), zones.end(), true);
  if (in_use > PairCounts::kMaxZones) return false;
  return in_use > 0 || (kinds > 1 && nodes <= FairMeetings::kMostAlone);
}

}  // namespace

PairCounts::PairCounts(uint32_t limit)
    : nodes_(Counts(limit) ? std::bit_ceil(std::max(limit, 16u)) : limit) {
  if (counting()) counts_.resize(size_t{nodes_} * nodes_);
}

size_t PairCounts::bytes() const {
  return counts_.size() * sizeof(counts_[0]) + lightness_.size() * sizeof(lightness_[0]);
}

void PairCounts::SetExpected(std::span<const uint32_t> expected, const NodeGroups& groups,
                             uint32_t replicas, uint32_t per_zone) {
  if (!counting()) return;
  expected_ = expected.first(nodes_);
  total_ = std::accumulate(expected_.begin(), expected_.end(), uint64_t{0});
  const auto holders = static_cast<uint64_t>(
      std::count_if(expected_.begin(), expected_.end(), [](uint32_t e) { return e > 0; }));
  lightness_.resize(nodes_);
  for (uint32_t i = 0; i < nodes_; ++i) {
    const uint64_t ratio =
        256 * total_ / std::max<uint64_t>(holders * std::max(expected_[i], 1u), 1);
    lightness_[i] = static_cast<int64_t>(std::clamp<uint64_t>(ratio, 1, 65535));
  }
  by_domain_ = replicas > 1 && NeedsFairMeetings(groups);
  if (!by_domain_) return;
  fair_ = FairMeetings(expected_, groups, replicas, per_zone);
  SetRarities(replicas);
}

void PairCounts::SetRarities(uint32_t replicas) {
  const uint32_t domains = fair_.domains();
  const auto total = static_cast<double>(total_);
  const double plain = (replicas - 1) / total;  // as rates are where there are no zones
  rarities_.resize(size_t{domains} * domains);
  for (uint32_t a = 0; a < domains; ++a) {
    for (uint32_t b = 0; b < domains; ++b) {
      const double rarity = 16 * plain / std::max(fair_.rate(a, b), plain / kRarest);
      rarities_[size_t{a} * domains + b] = std::max<int64_t>(static_cast<int64_t>(rarity), 1);
    }
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

int64_t PairCounts::CostByDomain(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const {
  const auto domain_of = [this](uint32_t node) {
    return node < nodes_ ? fair_.domain_of(node) : FairMeetings::kNoDomain;
  };
  const uint32_t enters = domain_of(entering), leaves = domain_of(leaving);
  int64_t cost = 0;
  for (NodeIndex n : row) {
    const uint32_t other = n.value();
    if (other == leaving || other == entering) continue;
    const uint32_t domain = domain_of(other);
    if (domain == FairMeetings::kNoDomain) continue;
    const int64_t* rarities = &rarities_[size_t{domain} * fair_.domains()];
    int64_t change = 0;
    if (enters != FairMeetings::kNoDomain) {
      change += (2 * int64_t{at(entering, other)} + 1) * lightness_[entering] * rarities[enters];
    }
    if (leaves != FairMeetings::kNoDomain) {
      change -= (2 * int64_t{at(leaving, other)} - 1) * lightness_[leaving] * rarities[leaves];
    }
    cost += change * lightness_[other];
  }
  return cost;
}

bool PairCounts::Crowded(const ReplicaRow& row, uint32_t node, uint32_t replicas) const {
  if (!counting() || node >= nodes_) return false;
  if (by_domain_) return CrowdedByDomain(row, node);
  // The node's (replicas - 1) × expected meetings are divided among all others by what they hold:
  // fair / rest each.
  const uint64_t rest = std::max<uint64_t>(total_ - expected_[node], 1);
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

bool PairCounts::CrowdedByDomain(const ReplicaRow& row, uint32_t node) const {
  if (fair_.domain_of(node) == FairMeetings::kNoDomain) return false;
  for (NodeIndex n : row) {
    const uint32_t other = n.value();
    if (other >= nodes_ || other == node) continue;
    if (fair_.domain_of(other) == FairMeetings::kNoDomain) continue;
    const double fair = fair_.Between(node, other, expected_[node], expected_[other]);
    const double met = at(node, other);
    if (met > 1.1 * fair && met >= fair + 1) return true;
  }
  return false;
}

}  // namespace ringkv
