// Closed loads with more in flight than the cluster does in the time of an operation. Each is
// compared with what 64 x 16 does just before and just after: the machine is not the same for long.
#include <algorithm>

#include "bench/overload/scenarios.h"

namespace ringkv::bench {
namespace {

constexpr LoadShape kReference{64, 16};
// "Try again after a pause": what the router says to those that are too many.
constexpr Duration kPause = std::chrono::milliseconds(50);

Status RunMix(const ScenarioContext& context, const std::string& mix) {
  OverloadReport& report = context.report;
  auto before = context.Measure(kReference, mix);
  if (!before.ok()) return before.status();
  report.AddLoad(mix + " " + kReference.Name(), *before);
  for (const std::string& name : context.options.loads) {
    auto shape = ParseShape(name);
    if (!shape.ok()) return shape.status();
    shape->pause_after_failure = kPause;
    const std::string what = mix + " " + shape->Name();
    const Processes pids = context.ServerPids();
    RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
    const auto figures = context.Measure(*shape, mix);
    if (!figures.ok()) return figures.status();
    const auto memory = MemoryOf(pids);
    if (!memory.ok()) return memory.status();
    auto after = context.Measure(kReference, mix);
    if (!after.ok()) return after.status();
    report.AddLoad(what, *figures);
    report.AddLoad(mix + " " + kReference.Name() + ", again", *after);
    report.AddMemory(what, *memory);
    const double reference = (before->rate() + after->rate()) / 2;
    report.WantAtLeast(what + ": throughput of that of " + kReference.Name(),
                       figures->rate() / reference, kKeptThroughput, "");
    report.WantAtMost(what + ": failed other than with try again",
                      static_cast<double>(NotTryAgain(*figures)), 0, "operations");
    const Duration slowest = std::max(figures->latency.max(), figures->slowest_failure);
    report.WantAtMost(what + ": slowest answer", static_cast<double>(slowest.count()) / 1e9,
                      kSlowestAnswerSeconds, "s");
    before = std::move(after);
  }
  return Status::Ok();
}

}  // namespace

Status RunLoad(const ScenarioContext& context) {
  RINGKV_RETURN_IF_ERROR(RunMix(context, "put"));
  return RunMix(context, "get");
}

}  // namespace ringkv::bench
