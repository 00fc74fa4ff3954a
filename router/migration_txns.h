// The coordinator: operators' commands as transactions that change the wish, never a row
// (docs/protocol.md, "Replace"). Pure functions of the state; each transaction is conditional on
// the epoch of the ring and on what else it was planned on, so that of two coordinators one wins.
//
// Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "ringkv/v1/admin.pb.h"
#include "router/cluster_state.h"

namespace ringkv {

struct MigrationStart {
  v1::PlanChangeRequest change;  // add_node, remove_node or set_vnodes
  bool force = false;            // the node that leaves need not answer
  uint64_t now_ms = 0;
};

struct StartedMigration {
  uint64_t id = 0;
  MetadataTxn txn;
};

// The planner's errors and those of PlanRequestedChange; NotFound: the node to add has not
// registered; Refused: it has with another address, or another migration runs. What runs already
// and is ordered again is that migration; a removal ordered again with `force` then waits for
// nobody.
Result<StartedMigration> StartMigration(const ClusterState& state, const MigrationStart& start);

enum class MigrationOrder { kPause, kResume, kAbort };
// NotFound: no such migration. Refused: it is over, or is not in a state to be ordered that.
Result<MetadataTxn> OrderMigration(const ClusterState& state, uint64_t id, MigrationOrder order);

// The current migration's end, once every row is as wished. Nullopt: the node that leaves has not
// said yet of all its instances that they are retired.
std::optional<MetadataTxn> FinishMigration(const ClusterState& state, uint64_t now_ms);

// The node that is to be no member when the migration is over; empty: none.
std::string LeavingNode(const v1::MigrationRecord& migration);

// Replicas that are still to come to their nodes.
uint64_t MovesLeft(const ClusterState& state);

}  // namespace ringkv
