#include "ring/ring.h"

#include <algorithm>

namespace ringkv {
namespace {

// The members that are no gaps, by id; InvalidArgument where one is bad or two have one id.
Result<std::vector<NodeIndex>> SortedNodes(const std::vector<Member>& members) {
  std::vector<NodeIndex> nodes;
  for (uint32_t i = 0; i < members.size(); ++i) {
    if (members[i].id.empty()) continue;
    RINGKV_RETURN_IF_ERROR(CheckMember(members[i]));
    nodes.push_back(NodeIndex(i));
  }
  auto id = [&](NodeIndex n) -> const NodeId& { return members[n.value()].id; };
  std::sort(nodes.begin(), nodes.end(), [&](NodeIndex a, NodeIndex b) { return id(a) < id(b); });
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (id(nodes[i - 1]) == id(nodes[i])) {
      return Status::InvalidArgument("node '" + id(nodes[i]).value() + "' is there twice");
    }
  }
  return nodes;
}

Status CheckRow(const Ring::Parts& parts, uint32_t slot) {
  const NodeIndex* row = parts.rows.data() + size_t{slot} * parts.replicas;
  auto bad = [&](const std::string& why) {
    return Status::InvalidArgument("slot " + std::to_string(slot) + " " + why);
  };
  for (uint32_t i = 0; i < parts.replicas; ++i) {
    const uint32_t node = row[i].value();
    if (node >= parts.members.size() || parts.members[node].id.empty()) {
      return bad("names a node that is no member: " + std::to_string(node));
    }
    for (uint32_t j = 0; j < i; ++j) {
      if (row[j] == row[i]) return bad("is twice on node '" + parts.members[node].id.value() + "'");
    }
  }
  return Status::Ok();
}

}  // namespace

Status CheckVnodes(const NodeId& id, uint32_t vnodes) {
  if (vnodes >= 1 && vnodes <= kMaxVnodes) return Status::Ok();
  return Status::InvalidArgument("node '" + id.value() + "' has " + std::to_string(vnodes) +
                                 " vnodes; vnodes are 1 to " + std::to_string(kMaxVnodes));
}

Status CheckMember(const Member& member) {
  if (member.id.empty()) return Status::InvalidArgument("a member has no id");
  const std::string context = "node '" + member.id.value() + "'";
  RINGKV_RETURN_IF_ERROR(CheckAddress(member.address).Annotate(context));
  if (member.zone.size() > kMaxZoneBytes) {
    return Status::InvalidArgument(context + ": its zone has " +
                                   std::to_string(member.zone.size()) +
                                   " bytes; a zone has at most " + std::to_string(kMaxZoneBytes));
  }
  return CheckVnodes(member.id, member.vnodes);
}

Status CheckSlotCount(uint64_t slots) {
  if (IsSlotCount(slots)) return Status::Ok();
  return Status::InvalidArgument("there cannot be " + std::to_string(slots) +
                                 " slots; slots are a power of two from " +
                                 std::to_string(kMinSlots) + " to " + std::to_string(kMaxSlots));
}

Status CheckReplicaCount(uint64_t replicas) {
  if (replicas >= 1 && replicas <= kMaxReplicas) return Status::Ok();
  return Status::InvalidArgument("there cannot be " + std::to_string(replicas) +
                                 " replicas; replicas are 1 to " + std::to_string(kMaxReplicas));
}

Result<Ring> Ring::Make(Parts parts) {
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(parts.slots));
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(parts.replicas));
  while (!parts.members.empty() && parts.members.back().id.empty()) parts.members.pop_back();
  Result<std::vector<NodeIndex>> nodes = SortedNodes(parts.members);
  if (!nodes.ok()) return nodes.status();
  if (parts.rows.size() != size_t{parts.slots} * parts.replicas) {
    return Status::InvalidArgument("a ring of " + std::to_string(parts.slots) + " slots x " +
                                   std::to_string(parts.replicas) + " replicas cannot have " +
                                   std::to_string(parts.rows.size()) + " entries");
  }
  for (uint32_t slot = 0; slot < parts.slots; ++slot) {
    RINGKV_RETURN_IF_ERROR(CheckRow(parts, slot));
  }
  Ring ring;
  ring.epoch_ = parts.epoch;
  ring.slots_ = parts.slots;
  ring.replicas_ = parts.replicas;
  ring.members_ = std::move(parts.members);
  ring.nodes_ = std::move(nodes).value();
  ring.rows_ = std::move(parts.rows);
  return ring;
}

std::optional<NodeIndex> Ring::Find(const NodeId& id) const {
  auto it = std::lower_bound(nodes_.begin(), nodes_.end(), id,
                             [this](NodeIndex n, const NodeId& i) { return member(n).id < i; });
  if (it == nodes_.end() || member(*it).id != id) return std::nullopt;
  return *it;
}

Ring::Parts Ring::ToParts() const { return {epoch_, slots_, replicas_, members_, rows_}; }

}  // namespace ringkv
