#include "router/cluster_txns.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "ring/planner.h"

namespace ringkv {
namespace {

Status CheckRequest(const FormationRequest& request) {
  if (request.nodes.empty()) {
    return Status::InvalidArgument(
        "no cluster has been formed yet and `nodes` names none to form it of");
  }
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(request.replicas).Annotate("`replicas`"));
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(request.slots).Annotate("`slots`"));
  if (request.nodes.size() < request.replicas) {
    return Status::InvalidArgument(
        "`nodes` names " + std::to_string(request.nodes.size()) +
        " nodes, fewer than `replicas`: " + std::to_string(request.replicas));
  }
  for (const NodeEntry& node : request.nodes) {
    RINGKV_RETURN_IF_ERROR(NodeId::Parse(node.id.value()).status().Annotate("`nodes`"));
    RINGKV_RETURN_IF_ERROR(CheckAddress(node.address).Annotate("`nodes`: " + node.id.value()));
  }
  return CheckDistinct(request.nodes).Annotate("`nodes`");
}

v1::NodeRecord NewMember(const NodeEntry& entry) {
  v1::NodeRecord node;
  node.set_id(entry.id.value());
  node.set_address(entry.address);
  node.set_zone(entry.zone);
  node.set_vnodes(entry.vnodes);
  node.set_state(v1::NODE_STATE_MEMBER);
  return node;
}

v1::SlotPlacement FirstRow(const Ring& ring, SlotId slot) {
  v1::SlotPlacement row;
  row.set_slot(slot.value());
  row.set_epoch(1);
  row.set_last_inc(1);
  for (NodeIndex index : ring.Replicas(slot)) {
    v1::ReplicaRef* replica = row.add_replicas();
    replica->set_node(ring.member(index).id.value());
    replica->set_inc(1);
  }
  return row;
}

}  // namespace

Result<MetadataTxn> FormCluster(const FormationRequest& request) {
  RINGKV_RETURN_IF_ERROR(CheckRequest(request));
  std::vector<Member> members;
  for (const NodeEntry& node : request.nodes) {
    members.push_back({node.id, node.address, node.zone, node.vnodes});
  }
  Result<PlannedChange> planned = FormRing(std::move(members), request.replicas, request.slots);
  if (!planned.ok()) return planned.status().Annotate("cannot form a ring");

  MetadataTxn txn;
  txn.expect.emplace_back(kClusterName, std::nullopt);

  v1::ClusterIdentity identity;
  identity.set_uuid(request.uuid);
  identity.set_format_version(kMetadataFormatVersion);
  identity.set_slots(request.slots);
  identity.set_groups(std::min(kMaxGroups, request.slots));
  identity.set_formed_at_ms(request.now_ms);
  txn.puts.emplace_back(kClusterName, identity.SerializeAsString());

  v1::PlacementSettings placement;
  placement.set_replicas(request.replicas);
  placement.set_epoch(planned->next.epoch().value());
  txn.puts.emplace_back(kPlacementName, placement.SerializeAsString());
  txn.puts.emplace_back(kNextTermName, "1");

  for (uint32_t i = 0; i < identity.groups(); ++i) {
    v1::GroupOwnership group;
    group.set_group(i);
    txn.puts.emplace_back(GroupName(GroupId(i)), group.SerializeAsString());
  }
  for (uint32_t i = 0; i < request.slots; ++i) {
    txn.puts.emplace_back(SlotName(SlotId(i)),
                          FirstRow(planned->next, SlotId(i)).SerializeAsString());
  }
  for (const NodeEntry& node : request.nodes) {
    txn.puts.emplace_back(NodeName(node.id.value()), NewMember(node).SerializeAsString());
  }
  return txn;
}

Result<MetadataTxn> TakeOwnership(const ClusterState& state, const std::string& router,
                                  Random& random) {
  const uint64_t next = uint64_t{state.next_term()} + state.groups().size();
  if (next > std::numeric_limits<uint32_t>::max()) {
    return Status::Refused("all 2^32 terms of this cluster are used up");
  }
  MetadataTxn txn;
  state.Expect(kNextTermName, &txn);
  txn.puts.emplace_back(kNextTermName, std::to_string(next));
  uint32_t term = state.next_term();
  for (const v1::GroupOwnership& old : state.groups()) {
    const std::string name = GroupName(GroupId(old.group()));
    state.Expect(name, &txn);
    v1::GroupOwnership group = old;
    group.set_term(term);
    if (old.term() == 0) group.set_first_term(term);
    do {
      group.set_owner(random.Next());
    } while (group.owner() == 0);
    group.set_router(router);
    txn.puts.emplace_back(name, group.SerializeAsString());
    ++term;
  }
  return txn;
}

}  // namespace ringkv
