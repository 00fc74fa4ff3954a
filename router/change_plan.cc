#include "router/change_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/config_values.h"
#include "ring/balance.h"
#include "ring/move_rounds.h"
#include "router/cluster_report.h"
#include "router/op_status.h"

namespace ringkv {
namespace {

// ---- the change

Status AddressIsFree(const ClusterState& state, const NodeId& node, const std::string& address) {
  for (const auto& [id, other] : state.nodes()) {
    if (id != node.value() && IsMember(other) && other.address() == address) {
      return Status::Refused("node '" + id + "' is at " + address + " already");
    }
  }
  return Status::Ok();
}

// What was not said of the node is as it has registered.
Result<Member> MemberToAdd(const ClusterState& state, const v1::AddNodeChange& change,
                           std::vector<std::string>* notes) {
  const Result<NodeId> id = NodeId::Parse(change.node());
  if (!id.ok()) return id.status();
  const v1::NodeRecord* record = state.FindNode(id->value());
  if (record != nullptr && record->state() == v1::NODE_STATE_REMOVED) record = nullptr;
  if (record == nullptr && change.address().empty()) {
    return Status::NotFound("node '" + id->value() +
                            "' has not registered: start it, or say where it will be: "
                            "kvctl admin plan add-node " +
                            id->value() + " HOST:PORT");
  }
  Member member;
  member.id = *id;
  if (record != nullptr) {
    member.address = record->address();
    member.zone = record->zone();
    member.vnodes = record->vnodes();
  }
  if (!change.address().empty()) member.address = change.address();
  if (change.has_zone()) member.zone = change.zone();
  if (!change.zone().empty()) RINGKV_RETURN_IF_ERROR(CheckZone(change.zone()));
  if (change.vnodes() != 0) member.vnodes = change.vnodes();
  RINGKV_RETURN_IF_ERROR(AddressIsFree(state, *id, member.address));

  if (record == nullptr) {
    notes->push_back("node '" + id->value() + "' has not registered yet: it has to be started");
  } else if (record->address() != member.address) {
    notes->push_back("node '" + id->value() + "' has registered with address " + record->address() +
                     ", not " + member.address);
  }
  if (record != nullptr && !record->zone().empty() && record->zone() != member.zone) {
    notes->push_back("node '" + id->value() + "' has registered with zone '" + record->zone() +
                     "', not '" + member.zone + "'");
  }
  return member;
}

Result<PlannedChange> Planned(const ClusterState& state, const Ring& ring,
                              const v1::PlanChangeRequest& request,
                              std::vector<std::string>* notes) {
  switch (request.change_case()) {
    case v1::PlanChangeRequest::kAddNode: {
      const Result<Member> member = MemberToAdd(state, request.add_node(), notes);
      if (!member.ok()) return member.status();
      return AddNode(ring, *member);
    }
    case v1::PlanChangeRequest::kRemoveNode: {
      const Result<NodeId> id = NodeId::Parse(request.remove_node().node());
      if (!id.ok()) return id.status();
      return RemoveNode(ring, *id);
    }
    case v1::PlanChangeRequest::kSetVnodes: {
      const Result<NodeId> id = NodeId::Parse(request.set_vnodes().node());
      if (!id.ok()) return id.status();
      return SetVnodes(ring, *id, request.set_vnodes().vnodes());
    }
    case v1::PlanChangeRequest::kSetReplicas:
      return SetReplicas(ring, request.set_replicas().replicas());
    case v1::PlanChangeRequest::CHANGE_NOT_SET:
      break;
  }
  return Status::InvalidArgument("no change is asked for that this router knows");
}

void NoteWhatGoesOn(const ClusterState& state, std::vector<std::string>* notes) {
  size_t moving = 0;
  for (const v1::SlotPlacement& slot : state.slots()) moving += slot.has_learner() ? 1 : 0;
  if (moving > 0) {
    notes->push_back(std::to_string(moving) + (moving == 1 ? " slot is" : " slots are") +
                     " on the move now; this plan is of the placement as it is, without what is "
                     "to come");
  }
  for (const auto& [id, node] : state.nodes()) {
    if (node.state() != v1::NODE_STATE_DRAINING) continue;
    notes->push_back("node '" + id + "' is leaving; this plan counts it as one that stays");
  }
}

// ---- the report

std::string NameOf(const ChangePlan& plan, const std::optional<NodeIndex>& node) {
  if (!node.has_value()) return "";
  const Ring& ring = plan.before.Has(*node) ? plan.before : plan.change.next;
  return ring.member(*node).id.value();
}

v1::PlanDetour DetourOf(Detour detour) {
  switch (detour) {
    case Detour::kNone:
      return v1::PLAN_DETOUR_NONE;
    case Detour::kDistinctNodes:
      return v1::PLAN_DETOUR_DISTINCT_NODES;
    case Detour::kZones:
      return v1::PLAN_DETOUR_ZONES;
  }
  return v1::PLAN_DETOUR_NONE;
}

void FillTransfers(const ChangePlan& plan, const SlotBytes& bytes,
                   v1::PlanChangeResponse* response) {
  std::vector<uint64_t> known_bytes;
  for (const std::optional<uint64_t>& size : bytes) known_bytes.push_back(size.value_or(0));
  std::map<std::pair<std::string, std::string>, PairMoves> by_name;
  for (const PairMoves& pair : SumByPair(plan.change.moves, known_bytes)) {
    by_name[{NameOf(plan, pair.from), NameOf(plan, pair.to)}] = pair;
  }
  uint64_t moves = 0, moved_bytes = 0, drops = 0;
  for (const auto& [pair, sum] : by_name) {
    v1::PlannedTransfer* transfer = response->add_transfers();
    transfer->set_from(pair.first);
    transfer->set_to(pair.second);
    transfer->set_slots(sum.slots);
    transfer->set_bytes(sum.bytes);
    (pair.second.empty() ? drops : moves) += sum.slots;
    if (!pair.second.empty()) moved_bytes += sum.bytes;
  }
  response->set_moves(moves);
  response->set_bytes(moved_bytes);
  response->set_drops(drops);
}

// What each node holds in `ring`, by id.
std::map<std::string, v1::NodePortion> Portions(const Ring& ring, const RingBalance& balance,
                                                const SlotBytes& bytes) {
  std::vector<uint64_t> held(ring.index_limit(), 0);
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const auto row = ring.Replicas(SlotId(slot));
    for (NodeIndex node : row) held[node.value()] += bytes[slot].value_or(0);
  }
  const double all = static_cast<double>(ring.slots()) * ring.replicas();
  std::map<std::string, v1::NodePortion> portions;
  for (const NodeLoad& load : balance.nodes) {
    const Member& member = ring.member(load.node);
    v1::NodePortion& portion = portions[member.id.value()];
    portion.set_vnodes(member.vnodes);
    portion.set_replicas(load.replicas);
    portion.set_primaries(load.primaries);
    portion.set_share(load.share);
    portion.set_fair_share(load.fair_replicas / all);
    portion.set_bytes(held[load.node.value()]);
  }
  return portions;
}

void FillEvenness(const RingBalance& balance, v1::RingEvenness* evenness) {
  evenness->set_max_over_mean(balance.max_over_mean);
  evenness->set_stddev(balance.stddev);
  evenness->set_primaries_max_over_mean(balance.primaries_max_over_mean);
}

void FillNodes(const ChangePlan& plan, const SlotBytes& bytes, v1::PlanChangeResponse* response) {
  const Ring& next = plan.change.next;
  const RingBalance balance_before = MeasureBalance(plan.before);
  const RingBalance balance_after = MeasureBalance(next);
  FillEvenness(balance_before, response->mutable_before());
  FillEvenness(balance_after, response->mutable_after());
  const auto before = Portions(plan.before, balance_before, bytes);
  const auto after = Portions(next, balance_after, bytes);

  std::map<std::string, const Member*> members;
  for (NodeIndex node : plan.before.nodes()) {
    const Member& member = plan.before.member(node);
    members[member.id.value()] = &member;
  }
  for (NodeIndex node : next.nodes()) members[next.member(node).id.value()] = &next.member(node);
  for (const auto& [id, member] : members) {
    v1::PlannedNode* node = response->add_nodes();
    node->set_id(id);
    node->set_address(member->address);
    node->set_zone(member->zone);
    const auto was = before.find(id);
    const auto will_be = after.find(id);
    *node->mutable_before() = was == before.end() ? v1::NodePortion() : was->second;
    *node->mutable_after() = will_be == after.end() ? v1::NodePortion() : will_be->second;
  }
}

}  // namespace

Result<ChangePlan> PlanRequestedChange(const ClusterState& state,
                                       const v1::PlanChangeRequest& request) {
  Result<Ring> ring = RingOf(state);
  if (!ring.ok()) return Status::Refused("cannot plan now: " + ring.status().message());
  std::vector<std::string> notes;
  Result<PlannedChange> change = Planned(state, *ring, request, &notes);
  if (!change.ok()) return change.status();
  NoteWhatGoesOn(state, &notes);
  return ChangePlan{std::move(ring).value(), std::move(change).value(), std::move(notes)};
}

SlotBytes MergeSlotSizes(const ClusterState& state, const std::vector<NodeSlotSizes>& answers) {
  SlotBytes bytes(state.slots().size());
  for (const NodeSlotSizes& answer : answers) {
    const v1::ListSlotSizesReply& sizes = answer.sizes;
    const int count = std::min({sizes.slots_size(), sizes.incs_size(), sizes.bytes_size()});
    for (int i = 0; i < count; ++i) {
      if (sizes.slots(i) >= bytes.size()) continue;
      const auto& replicas = state.slots()[sizes.slots(i)].replicas();
      const bool placed =
          std::any_of(replicas.begin(), replicas.end(), [&](const v1::ReplicaRef& replica) {
            return replica.node() == answer.node && replica.inc() == sizes.incs(i);
          });
      if (!placed) continue;
      std::optional<uint64_t>& known = bytes[sizes.slots(i)];
      known = std::max(known.value_or(0), sizes.bytes(i));
    }
  }
  return bytes;
}

v1::PlanChangeResponse ReportPlan(const ChangePlan& plan, const SlotBytes& bytes,
                                  const std::vector<NodeSlotSizes>& answers) {
  v1::PlanChangeResponse response;
  SetDone(response.mutable_status());
  response.set_epoch(plan.before.epoch().value());
  response.set_slots(plan.before.slots());
  response.set_replicas_before(plan.before.replicas());
  response.set_replicas_after(plan.change.next.replicas());
  response.set_least_moves(plan.change.least_moves);
  response.set_detour(DetourOf(plan.change.detour));
  FillTransfers(plan, bytes, &response);
  FillNodes(plan, bytes, &response);
  response.set_slots_without_estimate(
      static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), std::nullopt)));
  for (const NodeSlotSizes& answer : answers) {
    if (answer.status.ok()) continue;
    v1::SilentNode* silent = response.add_silent_nodes();
    silent->set_id(answer.node);
    silent->set_why(answer.status.message());
  }
  for (const std::string& note : plan.notes) response.add_notes(note);
  return response;
}

}  // namespace ringkv
