#include "bench/overload/overload_bench.h"

#include <algorithm>
#include <cstdio>

#include "bench/overload/memory_bounds.h"
#include "bench/overload/overload_report.h"
#include "bench/overload/scenarios.h"
#include "bench/path/batch_load.h"
#include "bench/peers/scratch_place.h"

namespace ringkv::bench {
namespace {

constexpr uint64_t kNodes = 3;
constexpr uint64_t kOtherFiles = 1'000;  // of the router, beside idle connections

bool Wanted(const OverloadOptions& options, const std::string& scenario) {
  return options.only.empty() ||
         std::find(options.only.begin(), options.only.end(), scenario) != options.only.end();
}

uint64_t StreamsOf(const OverloadOptions& options) {
  return std::max<uint64_t>(Wanted(options, "idle") ? options.idle : 0, kOtherFiles);
}

}  // namespace

Status CheckOverloadOptions(const OverloadOptions& options, uint64_t open_files) {
  if (!Wanted(options, "idle") || open_files >= options.idle + kOtherFiles) return Status::Ok();
  return Status::InvalidArgument(
      std::to_string(options.idle) + " idle connections need " +
      std::to_string(options.idle + kOtherFiles) + " open files, and a process may have " +
      std::to_string(open_files) + ": raise the hard limit (ulimit -Hn), or use --idle");
}

OverloadBench::OverloadBench(OverloadOptions options, const std::atomic<bool>& interrupted)
    : options_(std::move(options)), interrupted_(interrupted) {}

Result<bool> OverloadBench::Run() {
  OverloadReport report(RouterMemoryBound({}, kNodes, StreamsOf(options_)),
                        NodeMemoryBound({}, 2 * LoopsOf({})));
  auto place = ScratchPlace::Make();
  if (!place.ok()) return place.status();
  BenchCluster cluster({.log_directory = place->logs(), .group = ProcessGroup::kOwn});
  RINGKV_RETURN_IF_ERROR(cluster.Start());
  const ScenarioContext context{cluster, options_, report, interrupted_};
  RINGKV_RETURN_IF_ERROR(
      BatchLoad(context.router(), {16, 16}, {"put", 0}, context.Small(), &interrupted_)
          .WriteAll()
          .Annotate("storing the keys"));
  for (const Scenario& scenario : Scenarios()) {
    if (!Wanted(options_, scenario.name)) continue;
    if (interrupted_) return Status::Unavailable("interrupted");
    report.BeginScenario(scenario.name, scenario.what);
    const Status measured = cluster.WaitWhole(60).ok() ? scenario.run(context)
                                                       : Status::Unavailable("not whole before it");
    if (!measured.ok()) {
      place->KeepLogs();
      std::fprintf(stderr, "bench overload: the logs are in %s\n", place->logs().c_str());
      return measured.Annotate(scenario.name);
    }
  }
  if (options_.only.empty()) {
    report.LeaveOut("slow-disk",
                    "a disk that is slow takes a device of its own, which only root can make; a "
                    "node that is stopped now and then is something else");
  }
  document_ = report.ToJson();
  return report.passed();
}

}  // namespace ringkv::bench
