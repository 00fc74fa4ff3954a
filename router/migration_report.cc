#include "router/migration_report.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "router/migration_txns.h"
#include "router/op_status.h"

namespace ringkv {
namespace {

// About the bytes of one slot replica: nodes know what they store in all.
uint64_t BytesOfAReplica(const v1::GetClusterResponse& cluster) {
  uint64_t bytes = 0, replicas = 0;
  for (const v1::NodeStatus& node : cluster.nodes()) {
    bytes += node.bytes();
    replicas += node.slots();
  }
  return replicas == 0 ? 0 : bytes / replicas;
}

struct Underway {
  uint64_t filling = 0;           // slots with a learner
  uint64_t retiring = 0;          // instances whose nodes have not said yet that they know
  std::set<std::string> targets;  // of learners
  std::set<std::string> left;     // where instances retire
};

Underway LookAtRows(const ClusterState& state) {
  Underway underway;
  for (const v1::SlotPlacement& row : state.slots()) {
    if (row.has_learner()) {
      ++underway.filling;
      underway.targets.insert(row.learner().node());
    }
    for (const v1::ReplicaRef& replica : row.retiring()) {
      ++underway.retiring;
      underway.left.insert(replica.node());
    }
  }
  return underway;
}

// Empty: for nothing but its own work.
std::string WaitsFor(const v1::MigrationRecord& migration, const Underway& underway, uint64_t left,
                     const v1::GetClusterResponse& cluster) {
  if (migration.state() == v1::MIGRATION_STATE_PAUSED) {
    return "paused; kvctl admin migrations resume " + std::to_string(migration.id());
  }
  std::map<std::string, const v1::NodeStatus*> down;
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.reach() != v1::REACH_UP) down[node.node().id()] = &node;
  }
  for (const std::string& target : underway.targets) {
    if (auto at = down.find(target); at != down.end()) {
      return "node " + target + " is to be filled and does not answer: " + at->second->why();
    }
  }
  if (cluster.slot_health().blocked() > 0) {
    return std::to_string(cluster.slot_health().blocked()) + " slots have no quorum";
  }
  const std::string leaving = LeavingNode(migration);
  if (left == 0 && underway.left.contains(leaving) && down.contains(leaving)) {
    return "node " + leaving +
           " does not say that it has left its slots; if it is dead for good: " +
           "kvctl admin remove-node " + leaving + " --force";
  }
  return "";
}

std::string StageOf(const v1::MigrationRecord& migration, const Underway& underway, uint64_t left) {
  switch (migration.state()) {
    case v1::MIGRATION_STATE_DONE:
      return "done";
    case v1::MIGRATION_STATE_ABORTED:
      return "aborted";
    default:
      break;
  }
  if (left > 0 || underway.filling > 0) return migration.aborting() ? "moving back" : "moving";
  return underway.retiring > 0 ? "retiring" : "finishing";
}

}  // namespace

v1::ListMigrationsResponse ReportMigrations(const ClusterState& state,
                                            const v1::GetClusterResponse& cluster, uint64_t id,
                                            uint64_t now_ms) {
  v1::ListMigrationsResponse response;
  if (id != 0 && !state.migrations().contains(id)) {
    SetError(response.mutable_status(),
             Status::NotFound("there is no migration " + std::to_string(id)));
    return response;
  }
  SetDone(response.mutable_status());
  const uint64_t each = BytesOfAReplica(cluster);
  const Underway underway = LookAtRows(state);
  for (const auto& [number, record] : state.migrations()) {
    if (id != 0 && number != id) continue;
    v1::MigrationStatus* status = response.add_migrations();
    *status->mutable_record() = record;
    const bool over = IsOver(record);
    const uint64_t left = over ? 0 : MovesLeft(state);
    const uint64_t done = record.moves() - std::min(record.moves(), left);
    const uint64_t end_ms = over ? record.ended_ms() : now_ms;
    const uint64_t took_ms = end_ms - std::min(end_ms, record.started_ms());
    const double rate =
        took_ms == 0 ? 0 : static_cast<double>(done) * 1000.0 / static_cast<double>(took_ms);
    status->set_stage(StageOf(record, underway, left));
    status->set_slots_done(done);
    status->set_slots_moving(over ? 0 : underway.filling);
    status->set_bytes_total(record.moves() * each);
    status->set_bytes_done(done * each);
    status->set_slots_per_second(rate);
    status->set_took_ms(took_ms);
    if (!over && rate > 0) {
      status->set_eta_ms(static_cast<uint64_t>(static_cast<double>(left) / rate * 1000.0));
      status->set_eta_known(true);
    }
    if (!over) status->set_waits_for(WaitsFor(record, underway, left, cluster));
  }
  return response;
}

}  // namespace ringkv
