#include "ring/node_groups.h"

#include <algorithm>

#include "ring/hash.h"

namespace ringkv {

NodeGroups::NodeGroups(const MemberTable& members) {
  for (uint32_t node = 0; node < members.limit(); ++node) {
    const Member& member = members[NodeIndex(node)];
    if (!member.id.empty()) Add(node, member);
  }
}

void NodeGroups::Add(uint32_t node, const Member& member) {
  ZoneNumber zone = kOwnDomain;
  if (!member.zone.empty()) {
    zone = zone_names_.try_emplace(member.zone, static_cast<ZoneNumber>(zone_names_.size()))
               .first->second;
  }
  const auto next = static_cast<uint32_t>(groups_.size());
  const auto [place, is_new] = group_numbers_.try_emplace({zone, member.vnodes}, next);
  if (is_new) groups_.push_back({zone, member.vnodes, 0});
  ++groups_[place->second].nodes;
  if (node >= limit()) {
    group_of_.resize(node + 1, kNoGroup);
    zone_of_.resize(node + 1, kOwnDomain);
    phase_of_.resize(node + 1, 0);
  }
  group_of_[node] = place->second;
  zone_of_[node] = zone;
  phase_of_[node] = static_cast<uint32_t>(TokenOf(member.id.value()).value() >> 32);
}

void NodeGroups::Remove(uint32_t node) {
  --groups_[group_of_[node]].nodes;
  group_of_[node] = kNoGroup;
}

bool NodeGroups::zoned() const {
  return std::any_of(groups_.begin(), groups_.end(), [](const NodeGroup& group) {
    return group.zone != kOwnDomain && group.nodes > 0;
  });
}

uint32_t ReplicasPerZone(const NodeGroups& groups, uint32_t replicas) {
  std::vector<uint32_t> nodes(groups.zones(), 0);
  uint64_t own_domains = 0;
  for (const NodeGroup& group : groups.groups()) {
    if (group.zone == kOwnDomain) {
      own_domains += group.nodes;
    } else {
      nodes[group.zone] += group.nodes;
    }
  }
  uint32_t each = 1;
  for (; each < replicas; ++each) {
    uint64_t room = own_domains;
    for (uint32_t count : nodes) room += std::min(count, each);
    if (room >= replicas) break;
  }
  return each;
}

}  // namespace ringkv
