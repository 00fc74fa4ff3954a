#include "router/cluster_txns.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/limits.h"
#include "ring/hash.h"
#include "ring/planner.h"

namespace ringkv {
namespace {

Status CheckRequest(const FormationRequest& request) {
  if (request.nodes.empty()) {
    return Status::InvalidArgument(
        "no cluster has been formed yet and `nodes` names none to form it of: set `nodes` to the "
        "first nodes, such as n1=127.0.0.1:7500; or is `data-dir` not the one that it should be?");
  }
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(request.replicas).Annotate("`replicas`"));
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(request.slots).Annotate("`slots`"));
  if (request.groups.has_value() && !IsGroupCount(*request.groups, request.slots)) {
    return Status::InvalidArgument("groups must be a power of two from 1 to the " +
                                   std::to_string(request.slots) + " slots, not " +
                                   std::to_string(*request.groups));
  }
  if (request.nodes.size() < request.replicas) {
    return Status::InvalidArgument("`nodes` names " + std::to_string(request.nodes.size()) +
                                   ", fewer than `replicas`: " + std::to_string(request.replicas) +
                                   "; name at least as many, or set `replicas` to " +
                                   std::to_string(request.nodes.size()));
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
  identity.set_groups(request.groups.value_or(std::min(kMaxGroups, request.slots)));
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

namespace {

v1::GroupOwnership NextOwnership(const v1::GroupOwnership& old, uint32_t term,
                                 const std::string& router, Random& random) {
  v1::GroupOwnership group = old;
  group.set_term(term);
  if (old.term() == 0) group.set_first_term(term);
  do {
    group.set_owner(random.Next());
  } while (group.owner() == 0);
  group.set_router(router);
  return group;
}

// Takes `count` terms from `first` on, which the result names.
Result<uint32_t> TakeTerms(const ClusterState& state, size_t count, MetadataTxn* txn) {
  const uint64_t next = uint64_t{state.next_term()} + count;
  if (next > std::numeric_limits<uint32_t>::max()) {
    return Status::Refused("all 2^32 terms of this cluster are used up");
  }
  state.Expect(kNextTermName, txn);
  txn->puts.emplace_back(kNextTermName, std::to_string(next));
  return state.next_term();
}

bool Same(const v1::ReplicaRef& a, const v1::ReplicaRef& b) {
  return a.node() == b.node() && a.inc() == b.inc();
}

// Its node is told until it knows.
void DropLearner(v1::SlotPlacement* row) {
  if (row->has_learner()) *row->add_retiring() = row->learner();
  row->clear_learner();
  row->clear_replaced();
}

// The row after `loss`. Refused: the loss is of another row.
Result<v1::SlotPlacement> WithoutLost(v1::SlotPlacement row, const AcceptedLoss& loss) {
  int found = 0;
  for (v1::ReplicaRef& replica : *row.mutable_replicas()) {
    auto is = [&](const v1::ReplicaRef& other) { return Same(replica, other); };
    const bool kept = std::any_of(loss.kept.begin(), loss.kept.end(), is);
    const bool lost = std::any_of(loss.given_up.begin(), loss.given_up.end(), is);
    if (kept != lost) ++found;
    if (!lost) continue;
    // It may come back with its node, long after: that is told to drop it.
    *row.add_retiring() = replica;
    row.set_last_inc(row.last_inc() + 1);
    replica.set_inc(row.last_inc());
  }
  const size_t named = loss.kept.size() + loss.given_up.size();
  if (static_cast<size_t>(found) != named || found != row.replicas_size()) {
    return Status::Refused("the replicas of slot " + std::to_string(row.slot()) +
                           " have changed meanwhile");
  }
  return row;
}

}  // namespace

Result<MetadataTxn> TakeOwnership(const ClusterState& state, const std::string& router,
                                  Random& random) {
  MetadataTxn txn;
  Result<uint32_t> first = TakeTerms(state, state.groups().size(), &txn);
  if (!first.ok()) return first.status();
  uint32_t term = *first;
  for (const v1::GroupOwnership& old : state.groups()) {
    const std::string name = GroupName(GroupId(old.group()));
    state.Expect(name, &txn);
    txn.puts.emplace_back(name, NextOwnership(old, term++, router, random).SerializeAsString());
  }
  return txn;
}

Result<MetadataTxn> RetakeOwnership(const ClusterState& state, const std::string& router,
                                    const std::vector<GroupId>& groups,
                                    const std::vector<SlotId>& united,
                                    const std::vector<AcceptedLoss>& losses, Random& random) {
  MetadataTxn txn;
  Result<uint32_t> first = TakeTerms(state, groups.size(), &txn);
  if (!first.ok()) return first.status();
  uint32_t term = *first;
  for (GroupId id : groups) {
    const v1::GroupOwnership& old = state.groups()[id.value()];
    if (old.router() != router) {
      return Status::Refused("group " + std::to_string(id.value()) + " belongs to router " +
                             old.router());
    }
    state.Expect(GroupName(id), &txn);
    txn.puts.emplace_back(GroupName(id),
                          NextOwnership(old, term++, router, random).SerializeAsString());
  }
  std::map<SlotId, v1::SlotPlacement> rows;
  auto row_of = [&](SlotId slot) -> v1::SlotPlacement& {
    return rows.try_emplace(slot, state.slots()[slot.value()]).first->second;
  };
  for (SlotId slot : united) DropLearner(&row_of(slot));
  for (const AcceptedLoss& loss : losses) {
    Result<v1::SlotPlacement> row = WithoutLost(row_of(loss.slot), loss);
    if (!row.ok()) return row.status();
    DropLearner(&*row);
    row_of(loss.slot) = *std::move(row);
  }
  bool changed = false;
  for (auto& [slot, row] : rows) {
    state.Expect(SlotName(slot), &txn);
    if (row.SerializeAsString() == state.slots()[slot.value()].SerializeAsString()) continue;
    changed = true;
    row.set_epoch(row.epoch() + 1);
    txn.puts.emplace_back(SlotName(slot), row.SerializeAsString());
  }
  if (changed) state.RaiseEpoch(&txn);
  return txn;
}

}  // namespace ringkv
