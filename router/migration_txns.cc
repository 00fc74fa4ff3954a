#include "router/migration_txns.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "ring/hash.h"
#include "ring/planner.h"
#include "router/change_plan.h"
#include "router/cluster_report.h"
#include "router/placement_txns.h"

namespace ringkv {
namespace {

// Migrations that are over and still shown.
constexpr size_t kHistory = 20;

std::string KindText(v1::MigrationKind kind) {
  switch (kind) {
    case v1::MIGRATION_KIND_ADD_NODE:
      return "add-node";
    case v1::MIGRATION_KIND_REMOVE_NODE:
      return "remove-node";
    default:
      return "set-vnodes";
  }
}

Status AnotherRuns(const v1::MigrationRecord& migration) {
  const std::string id = std::to_string(migration.id());
  return Status::Refused("migration " + id + " (" + KindText(migration.kind()) + " " +
                         migration.node() +
                         ") is not over; wait for it, or: kvctl admin migrations abort " + id);
}

void Put(std::string name, const google::protobuf::MessageLite& value, MetadataTxn* txn) {
  txn->puts.emplace_back(std::move(name), value.SerializeAsString());
}

// The wish for every row that is not as in `next`; replaces what was wished before.
void PutWish(const ClusterState& state, const Ring& next, MetadataTxn* txn) {
  const v1::ClusterIdentity& cluster = state.identity();
  for (uint32_t g = 0; g < cluster.groups(); ++g) {
    const GroupId group(g);
    v1::DesiredRows rows;
    rows.set_group(g);
    const uint32_t per_group = cluster.slots() / cluster.groups();
    for (uint32_t slot = g * per_group; slot < (g + 1) * per_group; ++slot) {
      v1::DesiredRow wish;
      wish.set_slot(slot);
      for (NodeIndex node : next.Replicas(SlotId(slot))) {
        wish.add_nodes(next.member(node).id.value());
      }
      const auto& is = state.slots()[slot].replicas();
      const bool same = std::equal(is.begin(), is.end(), wish.nodes().begin(), wish.nodes().end(),
                                   [](const v1::ReplicaRef& replica, const std::string& id) {
                                     return replica.node() == id;
                                   });
      if (!same) *rows.add_rows() = std::move(wish);
    }
    const std::string name = DesiredName(group);
    state.Expect(name, txn);
    if (rows.rows_size() > 0) {
      Put(name, rows, txn);
    } else if (txn->expect.back().second.has_value()) {
      txn->erases.push_back(name);
    }
  }
}

uint64_t CopiesOf(const PlannedChange& change) {
  return static_cast<uint64_t>(std::count_if(change.moves.begin(), change.moves.end(),
                                             [](const Move& move) { return move.to.has_value(); }));
}

Status CheckRegistered(const ClusterState& state, const v1::AddNodeChange& add) {
  const v1::NodeRecord* record = state.FindNode(add.node());
  if (record == nullptr || record->state() == v1::NODE_STATE_REMOVED) {
    return Status::NotFound("node '" + add.node() +
                            "' has not registered with this cluster: start it with an empty data "
                            "directory and `routers` set to this one, then add it");
  }
  if (!add.address().empty() && record->address() != add.address()) {
    return Status::Refused("node '" + add.node() + "' has registered with address " +
                           record->address() + ", not " + add.address());
  }
  return Status::Ok();
}

// What the node is once the change has begun.
Result<v1::NodeRecord> NodeAfter(const ClusterState& state, const MigrationStart& start,
                                 v1::MigrationRecord* migration) {
  const v1::PlanChangeRequest& change = start.change;
  if (change.has_add_node()) {
    const v1::AddNodeChange& add = change.add_node();
    RINGKV_RETURN_IF_ERROR(CheckRegistered(state, add));
    v1::NodeRecord node = *state.FindNode(add.node());
    if (add.has_zone()) node.set_zone(add.zone());
    if (add.vnodes() != 0) node.set_vnodes(add.vnodes());
    node.set_state(v1::NODE_STATE_MEMBER);
    migration->set_kind(v1::MIGRATION_KIND_ADD_NODE);
    return node;
  }
  const bool removes = change.has_remove_node();
  const std::string& id = removes ? change.remove_node().node() : change.set_vnodes().node();
  const v1::NodeRecord* record = state.FindNode(id);
  if (record == nullptr) return Status::NotFound("node '" + id + "' is not known");
  v1::NodeRecord node = *record;
  migration->set_vnodes_before(node.vnodes());
  if (removes) {
    node.set_state(v1::NODE_STATE_DRAINING);
    migration->set_kind(v1::MIGRATION_KIND_REMOVE_NODE);
  } else {
    node.set_vnodes(change.set_vnodes().vnodes());
    migration->set_kind(v1::MIGRATION_KIND_SET_VNODES);
  }
  return node;
}

std::string NodeOf(const v1::PlanChangeRequest& change) {
  if (change.has_add_node()) return change.add_node().node();
  return change.has_remove_node() ? change.remove_node().node() : change.set_vnodes().node();
}

// Ordered again: perhaps its answer was lost, or a node that leaves need not be waited for any
// more.
bool IsTheSame(const v1::MigrationRecord& current, const v1::PlanChangeRequest& change) {
  if (change.has_remove_node()) return LeavingNode(current) == NodeOf(change);
  if (current.aborting() || current.node() != NodeOf(change)) return false;
  if (change.has_add_node()) return current.kind() == v1::MIGRATION_KIND_ADD_NODE;
  return current.kind() == v1::MIGRATION_KIND_SET_VNODES &&
         current.vnodes() == change.set_vnodes().vnodes();
}

// The planner says no: what would do.
Status Advise(const ClusterState& state, const v1::PlanChangeRequest& change, const Status& why) {
  const size_t members =
      static_cast<size_t>(std::count_if(state.nodes().begin(), state.nodes().end(),
                                        [](const auto& entry) { return IsMember(entry.second); }));
  const bool too_few = change.has_remove_node() && why.code() == StatusCode::kRefused &&
                       members <= state.placement().replicas();
  if (!too_few) return why;
  return Status::Refused(why.message() +
                         "; first add another one: kvctl admin add-node ID "
                         "HOST:PORT");
}

}  // namespace

std::string LeavingNode(const v1::MigrationRecord& migration) {
  const bool back = migration.aborting() || migration.state() == v1::MIGRATION_STATE_ABORTING ||
                    migration.state() == v1::MIGRATION_STATE_ABORTED;
  const bool leaves = migration.kind() == v1::MIGRATION_KIND_REMOVE_NODE
                          ? !back
                          : migration.kind() == v1::MIGRATION_KIND_ADD_NODE && back;
  return leaves ? migration.node() : "";
}

uint64_t MovesLeft(const ClusterState& state) {
  uint64_t left = 0;
  for (const auto& [slot, wish] : state.desired()) {
    const auto& row = state.slots()[slot].replicas();
    left += static_cast<uint64_t>(
        std::count_if(wish.nodes().begin(), wish.nodes().end(), [&](const std::string& node) {
          return std::none_of(row.begin(), row.end(), [&](const v1::ReplicaRef& replica) {
            return replica.node() == node;
          });
        }));
  }
  return left;
}

Result<StartedMigration> StartMigration(const ClusterState& state, const MigrationStart& start) {
  const v1::PlanChangeRequest& change = start.change;
  if (!change.has_add_node() && !change.has_remove_node() && !change.has_set_vnodes()) {
    return Status::InvalidArgument("no change is asked for that this router carries out");
  }
  RINGKV_RETURN_IF_ERROR(NodeId::Parse(NodeOf(change)).status());
  if (const v1::MigrationRecord* current = state.CurrentMigration()) {
    if (!IsTheSame(*current, change)) return AnotherRuns(*current);
    StartedMigration started;
    started.id = current->id();
    v1::MigrationRecord forced = *current;
    forced.set_force(current->force() || start.force);
    state.Expect(MigrationName(started.id), &started.txn);
    Put(MigrationName(started.id), forced, &started.txn);
    state.RaiseEpoch(&started.txn);
    return started;
  }
  Result<ChangePlan> plan = PlanRequestedChange(state, change);
  if (!plan.ok()) return Advise(state, change, plan.status());

  StartedMigration started;
  v1::MigrationRecord migration;
  Result<v1::NodeRecord> node = NodeAfter(state, start, &migration);
  if (!node.ok()) return node.status();
  started.id = state.migrations().empty() ? 1 : state.migrations().rbegin()->first + 1;
  migration.set_id(started.id);
  migration.set_node(node->id());
  migration.set_vnodes(node->vnodes());
  migration.set_force(start.force);
  migration.set_state(v1::MIGRATION_STATE_RUNNING);
  migration.set_moves(CopiesOf(plan->change));
  migration.set_started_ms(start.now_ms);

  PutWish(state, plan->change.next, &started.txn);
  state.Expect(NodeName(node->id()), &started.txn);
  Put(NodeName(node->id()), *node, &started.txn);
  state.Expect(MigrationName(started.id), &started.txn);
  Put(MigrationName(started.id), migration, &started.txn);
  state.RaiseEpoch(&started.txn);
  for (auto it = state.migrations().begin();
       it != state.migrations().end() &&
       static_cast<size_t>(std::distance(it, state.migrations().end())) >= kHistory;
       ++it) {
    started.txn.erases.push_back(MigrationName(it->first));
  }
  return started;
}

namespace {

// Back to where it came from, as far as it has got.
Result<MetadataTxn> Abort(const ClusterState& state, v1::MigrationRecord migration) {
  Result<Ring> ring = RingOf(state);
  if (!ring.ok()) return ring.status();
  v1::NodeRecord node = *state.FindNode(migration.node());
  const NodeId id = *NodeId::Parse(node.id());
  Result<PlannedChange> back = Status::Refused("nothing to go back to");
  switch (migration.kind()) {
    case v1::MIGRATION_KIND_ADD_NODE:
      node.set_state(v1::NODE_STATE_DRAINING);
      back = RemoveNode(*ring, id);
      break;
    case v1::MIGRATION_KIND_REMOVE_NODE:
      node.set_state(v1::NODE_STATE_MEMBER);
      back = SetVnodes(*ring, id, node.vnodes());
      break;
    default:
      node.set_vnodes(migration.vnodes_before());
      back = SetVnodes(*ring, id, migration.vnodes_before());
      break;
  }
  if (!back.ok()) return back.status().Annotate("cannot plan the way back");
  MetadataTxn txn;
  PutWish(state, back->next, &txn);
  state.Expect(NodeName(node.id()), &txn);
  Put(NodeName(node.id()), node, &txn);
  migration.set_state(v1::MIGRATION_STATE_ABORTING);
  migration.set_aborting(true);
  migration.set_force(false);
  migration.set_moves(CopiesOf(*back));
  state.Expect(MigrationName(migration.id()), &txn);
  Put(MigrationName(migration.id()), migration, &txn);
  state.RaiseEpoch(&txn);
  return txn;
}

}  // namespace

Result<MetadataTxn> OrderMigration(const ClusterState& state, uint64_t id, MigrationOrder order) {
  const auto found = state.migrations().find(id);
  if (found == state.migrations().end()) {
    return Status::NotFound("there is no migration " + std::to_string(id));
  }
  v1::MigrationRecord migration = found->second;
  const std::string name = "migration " + std::to_string(id);
  if (IsOver(migration)) return Status::Refused(name + " is over");
  const bool paused = migration.state() == v1::MIGRATION_STATE_PAUSED;
  switch (order) {
    case MigrationOrder::kPause:
      if (paused) return Status::Refused(name + " is paused already");
      migration.set_state(v1::MIGRATION_STATE_PAUSED);
      break;
    case MigrationOrder::kResume:
      if (!paused) return Status::Refused(name + " is not paused");
      migration.set_state(migration.aborting() ? v1::MIGRATION_STATE_ABORTING
                                               : v1::MIGRATION_STATE_RUNNING);
      break;
    case MigrationOrder::kAbort:
      if (migration.aborting()) return Status::Refused(name + " is on its way back already");
      return Abort(state, std::move(migration));
  }
  MetadataTxn txn;
  state.Expect(MigrationName(id), &txn);
  Put(MigrationName(id), migration, &txn);
  state.RaiseEpoch(&txn);
  return txn;
}

std::optional<MetadataTxn> FinishMigration(const ClusterState& state, uint64_t now_ms) {
  v1::MigrationRecord migration = *state.CurrentMigration();
  const std::string leaving = LeavingNode(migration);
  if (!leaving.empty()) {
    std::vector<RetiredInstance> left;
    for (const v1::SlotPlacement& row : state.slots()) {
      for (const v1::ReplicaRef& replica : row.retiring()) {
        if (replica.node() != leaving) continue;
        left.push_back({SlotId(row.slot()), leaving, Incarnation(replica.inc())});
      }
    }
    if (!left.empty() && !migration.force()) return std::nullopt;
    if (!left.empty()) return ForgetRetired(state, left);
  }
  MetadataTxn txn;
  state.RaiseEpoch(&txn);
  for (uint32_t g = 0; g < state.identity().groups(); ++g) {
    const std::string name = DesiredName(GroupId(g));
    state.Expect(name, &txn);
    if (txn.expect.back().second.has_value()) txn.erases.push_back(name);
  }
  if (!leaving.empty()) {
    v1::NodeRecord node = *state.FindNode(leaving);
    node.set_state(v1::NODE_STATE_REMOVED);
    state.Expect(NodeName(leaving), &txn);
    Put(NodeName(leaving), node, &txn);
  }
  const bool back = migration.aborting();
  migration.set_state(back ? v1::MIGRATION_STATE_ABORTED : v1::MIGRATION_STATE_DONE);
  migration.set_ended_ms(now_ms);
  state.Expect(MigrationName(migration.id()), &txn);
  Put(MigrationName(migration.id()), migration, &txn);
  return txn;
}

}  // namespace ringkv
