// What a simulated cluster is set up with, and sums over its processes.
#pragma once

#include "kvnode/replica.h"
#include "router/shard.h"
#include "tests/sim/sim_cluster.h"

namespace ringkv {

// Where values are large in this mix: "v100" and what comes after it.
inline constexpr size_t kSimLargeValueBytes = 3;

ShardOptions SimOptions(const FaultMix& mix);
void Add(const ShardStats& from, ShardStats* to);
void Add(const ReplicaStats& from, ReplicaStats* to);
void Add(const FaultCounts& from, FaultCounts* to);

}  // namespace ringkv
