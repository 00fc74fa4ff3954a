#include "ring/shares.h"

#include <algorithm>
#include <utility>

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

}  // namespace ringkv
