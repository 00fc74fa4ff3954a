#include "ring/placement.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr uint32_t kUnchanged = UINT32_MAX;
constexpr uint32_t kNodesPerBucket = 4096;
constexpr uint32_t kSlotsPerSlice = uint32_t{1} << 20;

}  // namespace

Placement::Placement(SlotTable rows, uint32_t limit)
    : rows_(std::move(rows)),
      counts_(limit),
      primaries_(limit),
      held_(limit),
      is_touched_(limit, false),
      held_before_(limit, kUnchanged),
      pairs_(limit) {
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    for (NodeIndex node : Row(slot)) {
      if (node.value() != kNoNode) ++counts_[node.value()];
    }
  }
  ListSlots();
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    const uint32_t first = Row(slot)[0].value();
    if (first != kNoNode) ++primaries_[first];
  }
  CountPairs();
}

void Placement::ListSlots() {
  // Room for one more, so that the usual change need not move the list.
  for (uint32_t node = 0; node < held_.size(); ++node) held_[node].reserve(counts_[node] + 1);
  empty_.clear();
  empty_now_ = 0;
  // By way of buckets, each of nodes whose lists fit into the cache together: appending to a
  // million lists in the order of slots would miss it each time.
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> buckets(held_.size() / kNodesPerBucket +
                                                                  1);
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    const ReplicaRow row = Row(slot);
    uint32_t empty = 0;
    for (NodeIndex node : row) {
      if (node.value() == kNoNode) {
        ++empty;
      } else {
        buckets[node.value() / kNodesPerBucket].emplace_back(node.value(), slot);
      }
    }
    empty_now_ += empty;
    if (empty > 0) empty_.push_back(slot);
    if ((slot + 1) % kSlotsPerSlice != 0 && slot + 1 != slots()) continue;
    for (auto& bucket : buckets) {
      for (const auto& [node, held] : bucket) held_[node].push_back(held);
      bucket.clear();
    }
  }
}

void Placement::BeginFilling() { filling_ = empty_now_ == uint64_t{slots()} * width(); }

void Placement::EndFilling() {
  if (!filling_) return;
  filling_ = false;
  ListSlots();
  touched_.resize(slots());
  std::iota(touched_.begin(), touched_.end(), 0);
  for (uint32_t node = 0; node < limit(); ++node) {
    if (counts_[node] == 0) continue;
    held_before_[node] = 0;
    gainers_.push_back(node);
  }
}

void Placement::CountPairs() {
  if (!pairs_.counting()) return;
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    const ReplicaRow row = Row(slot);
    // Each pair would be met from both of its ends.
    for (uint32_t i = 1; i < row.size(); ++i) {
      for (uint32_t j = 0; j < i; ++j) {
        pairs_.Enter(ReplicaRow(std::array{row[j]}), row[i].value());
      }
    }
  }
}

void Placement::BeginChange(const Aim& aim) {
  aim_ = aim;
  if (aim.limit > counts_.size()) {
    counts_.resize(aim.limit);
    primaries_.resize(aim.limit);
    held_.resize(aim.limit);
    is_touched_.resize(aim.limit, false);
    held_before_.resize(aim.limit, kUnchanged);
  }
  // Whether pairs are counted must not depend on what was here before.
  if (PairCounts::Counts(aim.limit) != pairs_.counting() || aim.limit > pairs_.limit()) {
    pairs_ = PairCounts(aim.limit);
    CountPairs();
  }
  aim.targets->Reserve(std::max<size_t>(counts_.size(), pairs_.limit()));
  pairs_.SetExpected(aim.targets->all(), *aim.groups, aim.replicas, aim.per_zone);
  before_ = rows_;
  for (uint32_t node : aim.targets->changed()) Touch(node);
  if (aim.about != kNoNode) Touch(aim.about);
}

Placement::Vacancy::Vacancy(const Placement& placement, const ReplicaRow& row, uint32_t leaving)
    : row_(row), per_zone_(placement.per_zone()) {
  admits_nobody_ = leaving != kNoNode && placement.EmptyPlaces(row) < placement.empty_places();
  if (placement.groups().zones() == 0) return;
  for (NodeIndex node : row) {
    if (node.value() == kNoNode || node.value() == leaving) continue;
    zones_[zones_size_++] = placement.groups().zone_of(node.value());
  }
}

uint32_t Placement::EmptyPlaces(const ReplicaRow& row) const {
  uint32_t empty = 0;
  for (NodeIndex node : row) empty += node.value() == kNoNode ? 1 : 0;
  return empty;
}

uint32_t Placement::InZone(const ReplicaRow& row, ZoneNumber zone, uint32_t besides) const {
  if (zone == kOwnDomain) return 0;
  uint32_t found = 0;
  for (NodeIndex node : row) {
    if (node.value() == kNoNode || node.value() == besides) continue;
    found += groups().zone_of(node.value()) == zone ? 1 : 0;
  }
  return found;
}

void Placement::Hop(uint32_t slot, uint32_t leaving, uint32_t entering) {
  RINGKV_CHECK(CanReplace(slot, leaving, entering), "no row may hold a node twice");
  Replace(slot, leaving, entering);
}

std::vector<uint32_t> Placement::Gainers() const {
  std::vector<uint32_t> gainers = gainers_;
  std::sort(gainers.begin(), gainers.end());
  return gainers;
}

void Placement::Evict(uint32_t slot, uint32_t leaving) { Replace(slot, leaving, kNoNode); }

void Placement::Replace(uint32_t slot, uint32_t leaving, uint32_t entering) {
  ReplicaRow row = Row(slot);
  uint32_t place = 0;
  while (place < row.size() && row[place].value() != leaving) ++place;
  RINGKV_CHECK(place < row.size(), "a node cannot leave a slot that it does not hold");
  pairs_.Leave(row, leaving);
  row.Set(place, NodeIndex(entering));
  pairs_.Enter(row, entering);
  rows_.SetRow(SlotId(slot), row);
  if (filling_) {
    --empty_now_;
    ++counts_[entering];
    if (place == 0) ++primaries_[entering];
    return;
  }
  if (touched_.empty() || touched_.back() != slot) touched_.push_back(slot);
  if (leaving == kNoNode) {
    --empty_now_;
  } else {
    Touch(leaving);
    --counts_[leaving];
    if (place == 0) --primaries_[leaving];
  }
  if (entering == kNoNode) {
    ++empty_now_;
    empty_.push_back(slot);
    return;
  }
  Touch(entering);
  ++counts_[entering];
  if (place == 0) ++primaries_[entering];
  if (held_before_[entering] == kUnchanged) {
    held_before_[entering] = static_cast<uint32_t>(held_[entering].size());
    gainers_.push_back(entering);
  }
  held_[entering].push_back(slot);
}

void Placement::Reround(uint32_t up, uint32_t down) {
  aim_.targets->Reround(up, down);
  Touch(up);
  Touch(down);
}

std::span<const uint32_t> Placement::TouchedNodes() {
  std::sort(touched_nodes_.begin(), touched_nodes_.end());
  return touched_nodes_;
}

void Placement::PackRow(uint32_t slot) {
  const ReplicaRow row = Row(slot);
  ReplicaRow packed = row;
  uint32_t next = 0;
  for (NodeIndex node : row) {
    if (node.value() != kNoNode) packed.Set(next++, node);
  }
  while (next < row.size()) packed.Set(next++, NodeIndex(kNoNode));
  if (packed == row) return;
  rows_.SetRow(SlotId(slot), packed);
  if (row[0] == packed[0]) return;
  Touch(packed[0].value());
  ++primaries_[packed[0].value()];  // was empty
}

void Placement::MakeFirst(uint32_t slot, uint32_t place) {
  if (place == 0) return;
  ReplicaRow row = Row(slot);
  Touch(row[0].value());
  --primaries_[row[0].value()];
  row.Swap(0, place);
  Touch(row[0].value());
  ++primaries_[row[0].value()];
  rows_.SetRow(SlotId(slot), row);
}

uint32_t Placement::MostInOneZone(const NodeGroups& groups) const {
  uint32_t most = 1;
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    const ReplicaRow row = Row(slot);
    for (uint32_t i = 0; i < row.size(); ++i) {
      if (row[i].value() == kNoNode) continue;
      const ZoneNumber zone = groups.zone_of(row[i].value());
      if (zone == kOwnDomain) continue;
      uint32_t same = 1;
      for (uint32_t j = 0; j < i; ++j) {
        if (row[j].value() != kNoNode && groups.zone_of(row[j].value()) == zone) ++same;
      }
      most = std::max(most, same);
    }
  }
  return most;
}

std::span<const uint32_t> Placement::TouchedSlots() {
  if (!std::is_sorted(touched_.begin(), touched_.end())) {
    std::sort(touched_.begin(), touched_.end());
  }
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  return touched_;
}

std::vector<Placement::Replacement> Placement::EndChange() {
  std::vector<Replacement> replacements;
  std::vector<uint32_t> left, entered;
  for (uint32_t slot : TouchedSlots()) {
    const ReplicaRow before = RowBefore(slot), after = Row(slot);
    left.clear();
    entered.clear();
    for (NodeIndex node : before) {
      if (node.value() != kNoNode && !after.Contains(node)) left.push_back(node.value());
    }
    for (NodeIndex node : after) {
      if (node.value() != kNoNode && !before.Contains(node)) entered.push_back(node.value());
    }
    for (size_t i = 0; i < std::max(left.size(), entered.size()); ++i) {
      replacements.push_back(
          {slot, i < left.size() ? left[i] : kNoNode, i < entered.size() ? entered[i] : kNoNode});
    }
  }
  SettleLists(replacements);
  std::erase_if(empty_, [this](uint32_t slot) { return !Holds(slot, kNoNode); });
  std::sort(empty_.begin(), empty_.end());
  empty_.erase(std::unique(empty_.begin(), empty_.end()), empty_.end());
  touched_.clear();
  for (uint32_t node : touched_nodes_) is_touched_[node] = false;
  touched_nodes_.clear();
  before_ = SlotTable();
  return replacements;
}

void Placement::SettleLists(std::span<const Replacement> replacements) {
  struct Slots {
    std::vector<uint32_t> lost, gained;  // by number, as the replacements are
  };
  std::unordered_map<uint32_t, Slots> by_node;
  for (const Replacement& replacement : replacements) {
    if (replacement.left != kNoNode) by_node[replacement.left].lost.push_back(replacement.slot);
    if (replacement.entered == kNoNode) continue;
    by_node[replacement.entered].gained.push_back(replacement.slot);
  }
  for (uint32_t node : gainers_) {
    held_[node].resize(held_before_[node]);
    held_before_[node] = kUnchanged;
  }
  gainers_.clear();
  for (const auto& [node, slots] : by_node) Settle(node, slots.lost, slots.gained);
}

void Placement::Settle(uint32_t node, std::span<const uint32_t> lost,
                       std::span<const uint32_t> gained) {
  std::vector<uint32_t>& held = held_[node];
  auto next = lost.begin();
  std::erase_if(held, [&](uint32_t slot) {
    if (next == lost.end() || *next != slot) return false;
    return ++next, true;
  });
  const auto middle = static_cast<std::ptrdiff_t>(held.size());
  held.insert(held.end(), gained.begin(), gained.end());
  std::inplace_merge(held.begin(), held.begin() + middle, held.end());
  if (held.empty()) std::vector<uint32_t>().swap(held);
}

size_t Placement::bytes() const {
  size_t bytes = pairs_.bytes() + held_.size() * sizeof(std::vector<uint32_t>) +
                 (counts_.size() + primaries_.size()) * sizeof(uint32_t) + rows_.directory_bytes();
  for (const std::vector<uint32_t>& list : held_) bytes += list.capacity() * sizeof(uint32_t);
  return bytes;
}

}  // namespace ringkv
