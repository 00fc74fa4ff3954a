// A node that runs a tenth of the time only, as one does whose machine or disk is overcommitted: it
// answers, but late.
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "bench/overload/scenarios.h"
#include "bench/overload/watched_load.h"
#include "bench/path/batch_load.h"

namespace ringkv::bench {
namespace {

constexpr int kNode = 3;
constexpr LoadShape kShape{64, 16};
constexpr const char* kMix = "50/50";
constexpr auto kStopped = std::chrono::milliseconds(90);
constexpr auto kRunning = std::chrono::milliseconds(10);

// Stops the node again and again as long as it lives. Borrows it.
class Stutter {
 public:
  template <typename Node>
  explicit Stutter(Node& node)
      : thread_([&node](const std::stop_token& over) {
          while (!over.stop_requested()) {
            node.Pause();
            std::this_thread::sleep_for(kStopped);
            node.Resume();
            std::this_thread::sleep_for(kRunning);
          }
        }) {}

 private:
  std::jthread thread_;
};

double Millis(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

Status RunSlow(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  const auto mix = ParseMix(kMix);
  if (!mix.ok()) return mix.status();
  BatchLoad load(context.router(), kShape, *mix, context.Small(), &context.interrupted);
  RINGKV_RETURN_IF_ERROR(load.Start());
  (void)Watch(load, context.options.warm_seconds, context.interrupted);
  const Watched before = Watch(load, context.options.seconds, context.interrupted);
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  Watched slowed;
  {
    const Stutter stutter(context.cluster.processes().node(kNode));
    (void)Watch(load, context.options.warm_seconds, context.interrupted);
    slowed = Watch(load, context.options.seconds, context.interrupted);
  }
  const MonoTime quick = RealClock().Now();
  load.Stop();
  if (context.interrupted) return Status::Unavailable("interrupted");
  RINGKV_RETURN_IF_ERROR(context.cluster.WaitWhole(static_cast<int>(kWholeAgainSeconds) + 30));
  const double whole_seconds = Millis(RealClock().Now() - quick) / 1e3;
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();

  const std::string what = std::string(kMix) + " " + kShape.Name();
  report.AddLoad(what, before.figures);
  report.AddLoad(what + ", a slow node", slowed.figures);
  report.AddMemory("a slow node", *memory);
  report.AddFigure(
      "p99 beside a slow node, of that before",
      Millis(slowed.figures.latency.At(0.99)) / Millis(before.figures.latency.At(0.99)), "x");
  report.WantAtLeast("throughput beside a slow node, of that before",
                     slowed.figures.rate() / before.figures.rate(), kKeptBesideSlowNode, "");
  report.WantAtMost("longest time without an operation beside a slow node",
                    slowed.longest_gap_seconds, kLongestGapSeconds + before.longest_gap_seconds,
                    "s");
  // Failures count from the beginning of the load.
  report.WantAtMost("operations that failed", static_cast<double>(slowed.figures.failed), 0, "");
  report.WantAtMost("until everything is replicated again", whole_seconds, kWholeAgainSeconds, "s");
  return Status::Ok();
}

}  // namespace ringkv::bench
