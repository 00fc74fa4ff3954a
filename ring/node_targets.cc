#include "ring/node_targets.h"

#include <algorithm>
#include <queue>

#include "base/check.h"

namespace ringkv {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint32_t kNoGroup = NodeGroups::kNoGroup;

uint32_t NodeOf(uint64_t key) { return static_cast<uint32_t>(key); }

}  // namespace

void NodeTargets::Update(const NodeGroups& groups, std::span<const Share> shares,
                         const Limits& limits, std::span<const uint32_t> counts, uint32_t about) {
  groups_ = &groups;
  shares_ = shares;
  counts_ = counts;
  limits_ = limits;
  about_ = about;
  changed_.clear();
  Reserve(std::max<size_t>(groups.limit(), counts.size()));
  group_of_.resize(targets_.size(), kNoGroup);
  zone_sums_.resize(groups.zones(), 0);
  fractions_.clear();
  for (const Share& share : shares) {
    fractions_.push_back(static_cast<int64_t>((Wide{share.remainder} << 32) / share.divisor));
  }
  if (about < group_of_.size()) Leave(about);
  Rebuild(TakeBounds(about));
  if (groups.Has(about)) Enter(about);

  const uint64_t total = uint64_t{limits.slots} * limits.replicas;
  EmptyZones();
  if (sum_ > total) Lower(sum_ - total);
  if (sum_ < total) Raise(total - sum_);
}

NodeTargets::Direction NodeTargets::rounding(uint32_t node) const {
  const uint32_t number = node < group_of_.size() ? group_of_[node] : kNoGroup;
  if (number == kNoGroup || by_group_[number].whole) return Direction::kWhole;
  return targets_[node] > by_group_[number].floor ? Direction::kUp : Direction::kDown;
}

void NodeTargets::Reround(uint32_t up, uint32_t down) {
  RINGKV_CHECK(rounding(up) == Direction::kDown && rounding(down) == Direction::kUp,
               "only what is rounded can be rounded the other way");
  Step(up, 1);
  Step(down, -1);
}

size_t NodeTargets::bytes() const {
  constexpr size_t kSetNode = 48;  // three pointers, colour, key, and what malloc adds
  size_t bytes = (targets_.capacity() + group_of_.capacity()) * sizeof(uint32_t);
  for (const Group& group : by_group_) bytes += (group.down.size() + group.up.size()) * kSetNode;
  return bytes;
}

uint32_t NodeTargets::Clamped(uint32_t node, const Group& group) const {
  const uint32_t held = node < counts_.size() ? counts_[node] : 0;
  return std::clamp(held, group.floor, group.floor + (group.whole ? 0 : 1));
}

std::vector<bool> NodeTargets::TakeBounds(uint32_t about) {
  const std::span<const NodeGroup> all = groups_->groups();
  by_group_.resize(all.size());
  std::vector<bool> stale(all.size(), false);
  for (uint32_t g = 0; g < all.size(); ++g) {
    if (all[g].nodes == 0) continue;
    const Share& share = shares_[g];
    Group& group = by_group_[g];
    const bool whole = share.remainder == 0;
    if (group.floor == share.floor && group.whole == whole) continue;
    group.floor = share.floor;
    group.whole = whole;
    const bool only_about = groups_->Has(about) && groups_->group_of(about) == g;
    stale[g] = all[g].nodes > (only_about ? 1u : 0u);
  }
  return stale;
}

// All nodes of the stale groups, as if they were new.
void NodeTargets::Rebuild(const std::vector<bool>& stale) {
  if (std::find(stale.begin(), stale.end(), true) == stale.end()) return;
  std::vector<std::vector<uint64_t>> down(stale.size()), up(stale.size());
  for (uint32_t node = 0; node < groups_->limit(); ++node) {
    const uint32_t number = groups_->group_of(node);
    if (number == kNoGroup || !stale[number] || node == about_) continue;
    const Group& group = by_group_[number];
    if (group_of_[node] != kNoGroup) AddToSums(node, -int64_t{targets_[node]});
    group_of_[node] = number;
    targets_[node] = Clamped(node, group);
    AddToSums(node, targets_[node]);
    changed_.push_back(node);
    if (group.whole) continue;
    if (targets_[node] > group.floor) {
      up[number].push_back(UpKey(node));
    } else {
      down[number].push_back(DownKey(node));
    }
  }
  for (size_t g = 0; g < stale.size(); ++g) {
    if (!stale[g]) continue;
    std::sort(down[g].begin(), down[g].end());
    std::sort(up[g].begin(), up[g].end());
    by_group_[g].down = std::set<uint64_t>(down[g].begin(), down[g].end());
    by_group_[g].up = std::set<uint64_t>(up[g].begin(), up[g].end());
  }
}

void NodeTargets::AddToSums(uint32_t node, int64_t by) {
  sum_ += static_cast<uint64_t>(by);
  const ZoneNumber zone = groups_->groups()[group_of_[node]].zone;
  if (zone != kOwnDomain) zone_sums_[zone] += static_cast<uint64_t>(by);
}

void NodeTargets::Leave(uint32_t node) {
  const uint32_t number = group_of_[node];
  if (number == kNoGroup) return;
  Group& group = by_group_[number];
  if (!group.whole && targets_[node] > group.floor) {
    group.up.erase(UpKey(node));
  } else if (!group.whole) {
    group.down.erase(DownKey(node));
  }
  AddToSums(node, -int64_t{targets_[node]});
  group_of_[node] = kNoGroup;
  targets_[node] = 0;
  changed_.push_back(node);
}

void NodeTargets::Enter(uint32_t node) {
  const uint32_t number = groups_->group_of(node);
  Group& group = by_group_[number];
  group_of_[node] = number;
  targets_[node] = Clamped(node, group);
  AddToSums(node, targets_[node]);
  changed_.push_back(node);
  if (group.whole) return;
  if (targets_[node] > group.floor) {
    group.up.insert(UpKey(node));
  } else {
    group.down.insert(DownKey(node));
  }
}

void NodeTargets::Step(uint32_t node, int by) {
  Group& group = by_group_[group_of_[node]];
  if (by > 0) {
    group.down.erase(DownKey(node));
    group.up.insert(UpKey(node));
    ++targets_[node];
  } else {
    group.up.erase(UpKey(node));
    group.down.insert(DownKey(node));
    --targets_[node];
  }
  AddToSums(node, by);
  changed_.push_back(node);
}

int64_t NodeTargets::Reluctance(uint32_t group, uint64_t key, int by) const {
  const auto order = static_cast<uint32_t>(key >> 32);
  const int64_t phase = by > 0 ? order : static_cast<uint32_t>(~order);
  return -by * (fractions_[group] - phase);
}

// Up to `count` nodes of eligible groups that could be rounded the other way, up (1) or down (-1):
// those that lean to it most, in that order. By merging the groups' orders.
template <class Eligible>
std::vector<uint32_t> NodeTargets::MostWilling(int by, uint64_t count, Eligible eligible) const {
  struct Cursor {
    int64_t reluctance;
    uint32_t node;
    uint32_t group;
    std::set<uint64_t>::const_iterator at;
    bool operator>(const Cursor& other) const {
      return reluctance != other.reluctance ? reluctance > other.reluctance : node > other.node;
    }
  };
  const auto keys = [&](uint32_t g) -> const std::set<uint64_t>& {
    return by > 0 ? by_group_[g].down : by_group_[g].up;
  };
  std::priority_queue<Cursor, std::vector<Cursor>, std::greater<>> cursors;
  const auto push = [&](uint32_t g, std::set<uint64_t>::const_iterator at) {
    if (at != keys(g).end()) cursors.push({Reluctance(g, *at, by), NodeOf(*at), g, at});
  };
  for (uint32_t g = 0; g < by_group_.size(); ++g) {
    if (!keys(g).empty() && eligible(groups_->groups()[g].zone)) push(g, keys(g).begin());
  }
  const bool about_too = groups_->Has(about_) &&
                         rounding(about_) == (by > 0 ? Direction::kDown : Direction::kUp) &&
                         eligible(groups_->zone_of(about_));
  std::vector<uint32_t> nodes;
  if (about_too && by > 0) nodes.push_back(about_);
  while (nodes.size() < count && !cursors.empty()) {
    const Cursor cursor = cursors.top();
    cursors.pop();
    if (cursor.node != about_) nodes.push_back(cursor.node);
    push(cursor.group, std::next(cursor.at));
  }
  if (about_too && by < 0 && nodes.size() < count) nodes.push_back(about_);
  return nodes;
}

// Lowers nodes of zones that got too much.
void NodeTargets::EmptyZones() {
  const uint64_t limit = uint64_t{limits_.slots} * limits_.per_zone;
  for (ZoneNumber zone = 0; zone < zone_sums_.size(); ++zone) {
    if (zone_sums_[zone] <= limit) continue;
    const uint64_t excess = zone_sums_[zone] - limit;
    const std::vector<uint32_t> nodes =
        MostWilling(-1, excess, [zone](ZoneNumber z) { return z == zone; });
    RINGKV_CHECK(nodes.size() == excess, "a zone's shares must fit into it");
    for (uint32_t node : nodes) Step(node, -1);
  }
}

void NodeTargets::Lower(uint64_t count) {
  const std::vector<uint32_t> nodes = MostWilling(-1, count, [](ZoneNumber) { return true; });
  RINGKV_CHECK(nodes.size() == count, "shares must sum to the total");
  for (uint32_t node : nodes) Step(node, -1);
}

void NodeTargets::Raise(uint64_t count) {
  const uint64_t limit = uint64_t{limits_.slots} * limits_.per_zone;
  const auto has_room = [&](ZoneNumber zone) {
    return zone == kOwnDomain || zone_sums_[zone] < limit;
  };
  while (count > 0) {
    uint64_t done = 0;
    for (uint32_t node : MostWilling(1, count, has_room)) {
      if (!has_room(groups_->zone_of(node))) continue;
      Step(node, 1);
      ++done;
    }
    RINGKV_CHECK(done > 0, "shares must sum to the total");
    count -= done;
  }
}

}  // namespace ringkv
