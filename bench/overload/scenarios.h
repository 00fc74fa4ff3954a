// The scenarios of `bench overload`, each on a cluster that is whole and holds the keys of the
// small load. Blocking; what a scenario begins (clients, a pause) has ended when it returns. An
// error: it could not be measured.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/cluster/bench_cluster.h"
#include "bench/overload/overload_options.h"
#include "bench/overload/overload_report.h"
#include "bench/overload/process_memory.h"
#include "bench/path/cases.h"

namespace ringkv::bench {

struct ScenarioContext {
  BenchCluster& cluster;
  const OverloadOptions& options;
  OverloadReport& report;
  const std::atomic<bool>& interrupted;

  std::string router() const { return cluster.processes().router_address(); }
  Processes ServerPids() const;
  KeySpace Small() const { return {options.keys, 100}; }
  // A load that starts, is measured, and stops.
  Result<LoadFigures> Measure(LoadShape shape, const std::string& mix) const;
};

// What runs beside the things that are not to hold it up: small values, half of them read.
inline constexpr LoadShape kBesideShape{8, 4};
inline constexpr const char* kBesideMix = "50/50";

struct Scenario {
  const char* name;
  const char* what;
  Status (*run)(const ScenarioContext& context);
};

// In the order in which they run.
const std::vector<Scenario>& Scenarios();

Status RunLoad(const ScenarioContext& context);
Status RunPaused(const ScenarioContext& context);
Status RunSlow(const ScenarioContext& context);
Status RunDeaf(const ScenarioContext& context);
Status RunIdle(const ScenarioContext& context);
Status RunLarge(const ScenarioContext& context);
Status RunLargeReads(const ScenarioContext& context);

}  // namespace ringkv::bench
