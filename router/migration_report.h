// What operators are told of migrations. Pure functions.
#pragma once

#include <cstdint>

#include "ringkv/v1/admin.pb.h"
#include "router/cluster_state.h"

namespace ringkv {

// `id` 0: all of them, the newest last. `cluster`: how the router sees the nodes now. NotFound:
// there is no such migration.
v1::ListMigrationsResponse ReportMigrations(const ClusterState& state,
                                            const v1::GetClusterResponse& cluster, uint64_t id,
                                            uint64_t now_ms);

}  // namespace ringkv
