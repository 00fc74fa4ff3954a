#include "ring/shares.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "base/check.h"

namespace ringkv {
namespace {

// More than 64 bits where slots, replicas and all weights are at their greatest.
__extension__ using Wide = unsigned __int128;

// Divides `total` among some of the groups by weight, no node more than `slots`. Cutting one group
// raises the share of the others and may bring them to the limit as well, never the other way
// round; so what is cut stays cut.
class Division {
 public:
  Division(std::span<const NodeGroup> all, std::vector<uint32_t> members, uint64_t total,
           uint32_t slots)
      : all_(all), members_(std::move(members)), left_(total), slots_(slots) {
    for (uint32_t g : members_) weight_left_ += WeightOf(g);
    cut_.resize(members_.size(), false);
    CutNodes();
  }

  // Takes a zone out, which gets its limit. False: its nodes would not get that much.
  bool CutZone(std::span<const uint32_t> positions, uint64_t limit) {
    uint64_t weight = 0, at_limit = 0;
    for (uint32_t p : positions) {
      if (cut_[p]) {
        at_limit += uint64_t{slots_} * all_[members_[p]].nodes;
      } else {
        weight += WeightOf(members_[p]);
      }
    }
    if (weight_left_ == 0 && at_limit < limit) return false;
    if (Wide{left_} * weight + Wide{at_limit} * weight_left_ < Wide{limit} * weight_left_) {
      return false;
    }
    left_ += at_limit;
    left_ -= limit;
    weight_left_ -= weight;
    for (uint32_t p : positions) cut_[p] = true;
    CutNodes();
    return true;
  }

  // Of one node at position `p` of the members.
  Share ShareAt(uint32_t p) const {
    if (cut_[p]) return {slots_, 0, 1};
    const Wide product = Wide{left_} * all_[members_[p]].weight;
    return {static_cast<uint32_t>(product / weight_left_),
            static_cast<uint64_t>(product % weight_left_), weight_left_};
  }

 private:
  uint64_t WeightOf(uint32_t g) const { return uint64_t{all_[g].weight} * all_[g].nodes; }

  void CutNodes() {
    for (bool again = true; again;) {
      again = false;
      const uint64_t left = left_, weight_left = weight_left_;
      for (size_t p = 0; p < members_.size(); ++p) {
        const NodeGroup& group = all_[members_[p]];
        if (cut_[p] || group.nodes == 0) continue;
        if (Wide{left} * group.weight < Wide{slots_} * weight_left) continue;
        cut_[p] = again = true;
        left_ -= uint64_t{slots_} * group.nodes;
        weight_left_ -= WeightOf(members_[p]);
      }
    }
  }

  const std::span<const NodeGroup> all_;
  const std::vector<uint32_t> members_;
  uint64_t left_;
  uint64_t weight_left_ = 0;
  const uint32_t slots_;
  std::vector<bool> cut_;  // by position in members_
};

class Rounding {
 public:
  Rounding(const NodeGroups& groups, std::span<const Share> shares, uint64_t zone_limit,
           uint32_t preferred, std::vector<uint32_t>* targets)
      : groups_(groups),
        shares_(shares),
        zone_limit_(zone_limit),
        preferred_(preferred),
        targets_(*targets),
        zone_sums_(groups.zones(), 0) {
    for (const Share& share : shares) {
      fractions_.push_back(static_cast<int64_t>((Wide{share.remainder} << 32) / share.divisor));
    }
  }

  // What a node has, as far as its share allows. Returns the sum.
  uint64_t KeepWhatIsThere(std::span<const uint32_t> current) {
    struct Bounds {
      uint32_t low, high;
    };
    std::vector<Bounds> bounds;
    for (const Share& share : shares_) bounds.push_back({share.floor, share.ceiling()});
    const uint32_t limit = groups_.limit();
    uint64_t sum = 0;
    for (uint32_t node = 0; node < limit; ++node) {
      const uint32_t group = groups_.group_of(node);
      if (group == NodeGroups::kNoGroup) continue;
      const uint32_t held = node < current.size() ? current[node] : 0;
      const uint32_t target = std::clamp(held, bounds[group].low, bounds[group].high);
      targets_[node] = target;
      sum += target;
      const ZoneNumber zone = groups_.zone_of(node);
      if (zone != kOwnDomain) zone_sums_[zone] += target;
    }
    return sum;
  }

  // Lowers nodes of zones that got too much. Returns by how much.
  uint64_t EmptyZones() {
    uint64_t lowered = 0;
    for (ZoneNumber zone = 0; zone < zone_sums_.size(); ++zone) {
      if (zone_sums_[zone] <= zone_limit_) continue;
      const uint64_t excess = zone_sums_[zone] - zone_limit_;
      lowered += excess;
      const uint64_t done =
          Step(-1, excess, [&](uint32_t n) { return groups_.zone_of(n) == zone; });
      RINGKV_CHECK(done == excess, "a zone's shares must fit into it");
    }
    return lowered;
  }

  void Lower(uint64_t count) {
    const uint64_t done = Step(-1, count, [](uint32_t) { return true; });
    RINGKV_CHECK(done == count, "shares must sum to the total");
  }

  void Raise(uint64_t count) {
    while (count > 0) {
      const uint64_t done = Step(1, count, [&](uint32_t node) {
        const ZoneNumber zone = groups_.zone_of(node);
        return zone == kOwnDomain || zone_sums_[zone] < zone_limit_;
      });
      RINGKV_CHECK(done > 0, "shares must sum to the total");
      count -= done;
    }
  }

 private:
  // Rounds up to `count` eligible nodes the other way, up (1) or down (-1): those that lean to it
  // most. Returns how many; fewer where zones filled up meanwhile.
  template <class Eligible>
  uint64_t Step(int by, uint64_t count, Eligible eligible) {
    if (count == 0) return 0;
    // The least willing of the chosen on top; a node that ties with it stays out.
    using Choice = std::pair<int64_t, uint32_t>;  // reluctance, node
    std::priority_queue<Choice> chosen;
    for (uint32_t node = 0; node < groups_.limit(); ++node) {
      const uint32_t group = groups_.group_of(node);
      if (group == NodeGroups::kNoGroup) continue;
      const Share& share = shares_[group];
      if (share.remainder == 0) continue;
      if (targets_[node] != (by > 0 ? share.floor : share.floor + 1)) continue;
      if (!eligible(node)) continue;
      int64_t reluctance = -by * (fractions_[group] - int64_t{groups_.phase_of(node)});
      if (node == preferred_) reluctance = by > 0 ? INT64_MIN : INT64_MAX;
      if (chosen.size() == count && Choice(reluctance, node) >= chosen.top()) continue;
      if (chosen.size() == count) chosen.pop();
      chosen.emplace(reluctance, node);
    }
    std::vector<uint32_t> nodes;
    for (; !chosen.empty(); chosen.pop()) nodes.push_back(chosen.top().second);
    std::reverse(nodes.begin(), nodes.end());
    uint64_t done = 0;
    for (uint32_t node : nodes) {
      if (by > 0 && !eligible(node)) continue;
      targets_[node] += static_cast<uint32_t>(by);
      const ZoneNumber zone = groups_.zone_of(node);
      if (zone != kOwnDomain) zone_sums_[zone] += static_cast<uint64_t>(int64_t{by});
      ++done;
    }
    return done;
  }

  const NodeGroups& groups_;
  const std::span<const Share> shares_;
  const uint64_t zone_limit_;
  const uint32_t preferred_;
  std::vector<uint32_t>& targets_;
  std::vector<uint64_t> zone_sums_;
  std::vector<int64_t> fractions_;  // of each share's remainder, in 2^-32
};

}  // namespace

std::vector<Share> FairShares(const NodeGroups& groups, uint32_t slots, uint32_t replicas,
                              uint32_t per_zone) {
  const std::span<const NodeGroup> all = groups.groups();
  std::vector<uint32_t> everybody(all.size());
  std::vector<std::vector<uint32_t>> zones(groups.zones());
  for (uint32_t g = 0; g < all.size(); ++g) {
    everybody[g] = g;
    if (all[g].zone != kOwnDomain && all[g].nodes > 0) zones[all[g].zone].push_back(g);
  }
  std::erase_if(zones, [](const auto& zone) { return zone.empty(); });
  const uint64_t zone_limit = uint64_t{slots} * per_zone;
  Division world(all, everybody, uint64_t{slots} * replicas, slots);
  std::vector<std::vector<uint32_t>> cut;
  for (bool again = true; again;) {
    again = false;
    std::erase_if(zones, [&](const std::vector<uint32_t>& zone) {
      if (!world.CutZone(zone, zone_limit)) return false;
      cut.push_back(zone);
      return again = true;
    });
  }
  std::vector<Share> shares(all.size());
  for (uint32_t g = 0; g < all.size(); ++g) {
    if (all[g].nodes > 0) shares[g] = world.ShareAt(g);
  }
  for (const std::vector<uint32_t>& zone : cut) {
    const Division inner(all, zone, zone_limit, slots);
    for (uint32_t p = 0; p < zone.size(); ++p) shares[zone[p]] = inner.ShareAt(p);
  }
  return shares;
}

void RoundShares(const NodeGroups& groups, std::span<const Share> shares,
                 std::span<const uint32_t> current, uint32_t slots, uint32_t replicas,
                 uint32_t per_zone, uint32_t preferred, std::vector<uint32_t>* targets) {
  targets->assign(std::max<size_t>(groups.limit(), current.size()), 0);
  const uint64_t total = uint64_t{slots} * replicas;
  Rounding rounding(groups, shares, uint64_t{slots} * per_zone, preferred, targets);
  uint64_t sum = rounding.KeepWhatIsThere(current);
  sum -= rounding.EmptyZones();
  if (sum > total) rounding.Lower(sum - total);
  if (sum < total) rounding.Raise(total - sum);
}

}  // namespace ringkv
