#include <chrono>

#include "base/clock.h"
#include "bench/overload/scenarios.h"
#include "bench/overload/watched_load.h"
#include "bench/path/batch_load.h"

namespace ringkv::bench {
namespace {

constexpr int kNode = 3;

double SecondsSince(MonoTime begin) {
  return static_cast<double>((RealClock().Now() - begin).count()) / 1e9;
}

}  // namespace

Status RunPaused(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  BatchLoad load(context.router(), {64, 16}, {"put", 0}, context.Small(), &context.interrupted);
  RINGKV_RETURN_IF_ERROR(load.Start());
  (void)Watch(load, context.options.warm_seconds, context.interrupted);
  const Watched before = Watch(load, context.options.seconds, context.interrupted);
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  // Nothing returns in between: the node does not stay stopped.
  context.cluster.processes().node(kNode).Pause();
  const Watched paused = Watch(load, context.options.pause_seconds, context.interrupted);
  context.cluster.processes().node(kNode).Resume();
  const MonoTime resumed = RealClock().Now();
  const Watched after = Watch(load, context.options.seconds, context.interrupted);
  load.Stop();
  if (context.interrupted) return Status::Unavailable("interrupted");
  const Status whole = context.cluster.WaitWhole(static_cast<int>(kWholeAgainSeconds) + 30);
  const double whole_seconds = SecondsSince(resumed);
  RINGKV_RETURN_IF_ERROR(whole);
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();

  report.AddLoad("put 64 x 16", before.figures);
  report.AddLoad("put 64 x 16, a node stopped", paused.figures);
  report.AddLoad("put 64 x 16, going on again", after.figures);
  report.AddMemory("a node stopped", *memory);
  report.AddFigure("throughput while it is stopped, of that before",
                   paused.figures.rate() / before.figures.rate(), "");
  report.AddFigure("longest time without a put, before", before.longest_gap_seconds, "s");
  report.WantAtMost("longest time without a put while it is stopped", paused.longest_gap_seconds,
                    kLongestGapSeconds + before.longest_gap_seconds, "s");
  report.AddFigure("longest time without a put when it goes on", after.longest_gap_seconds, "s");
  // Failures count from the beginning of the load.
  report.WantAtMost("puts that failed", static_cast<double>(after.figures.failed), 0, "");
  report.WantAtMost("until everything is replicated again", whole_seconds, kWholeAgainSeconds, "s");
  return Status::Ok();
}

}  // namespace ringkv::bench
