#include "bench/overload/scenarios.h"

#include "bench/path/batch_load.h"
#include "bench/path/measured_load.h"

namespace ringkv::bench {

Processes ScenarioContext::ServerPids() const {
  Processes pids{{"router", cluster.processes().router().pid()}};
  for (const int node : cluster.processes().KnownNodes()) {
    pids["n" + std::to_string(node)] = cluster.processes().node(node).pid();
  }
  return pids;
}

Result<LoadFigures> ScenarioContext::Measure(LoadShape shape, const std::string& mix_name) const {
  const auto mix = ParseMix(mix_name);
  if (!mix.ok()) return mix.status();
  BatchLoad load(router(), shape, *mix, Small(), &interrupted);
  return MeasureLoad(load, cluster.ProcessGroups(), {options.warm_seconds, options.seconds},
                     &interrupted);
}

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> scenarios{
      {"load", "more operations in flight than it can do", &RunLoad},
      {"paused", "a node that is stopped under a load of puts, and goes on", &RunPaused},
      {"slow", "a node that runs a tenth of the time only", &RunSlow},
      {"deaf", "clients that ask for values of 1 MiB and read no answer", &RunDeaf},
      {"idle", "connections with a stream each that say nothing", &RunIdle},
      {"large", "puts of 8 MiB beside small operations", &RunLarge},
      {"large-reads", "1 024 gets of 1 MiB at once, beside small operations", &RunLargeReads},
  };
  return scenarios;
}

}  // namespace ringkv::bench
