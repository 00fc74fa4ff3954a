#include "bench/overload/scenarios.h"
#include "bench/path/batch_load.h"

namespace ringkv::bench {
namespace {

constexpr size_t kValueBytes = 8 << 20;
constexpr uint64_t kLargeKeys = 8;
constexpr uint64_t kFirstKey = 2'000'000'000'000;
constexpr LoadShape kLargeShape{2, 1};

double Millis(Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

Status RunLarge(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  const auto before = context.Measure(kBesideShape, kBesideMix);
  if (!before.ok()) return before.status();
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  BatchLoad large(context.router(), kLargeShape, {"put", 0}, {kLargeKeys, kValueBytes, kFirstKey},
                  &context.interrupted);
  RINGKV_RETURN_IF_ERROR(large.Start());
  large.BeginMeasuring();
  const auto beside = context.Measure(kBesideShape, kBesideMix);
  const LoadFigures large_figures = large.EndMeasuring();
  large.Stop();
  if (!beside.ok()) return beside.status();
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();

  report.AddLoad("50/50 8 x 4", *before);
  report.AddLoad("50/50 8 x 4, beside large", *beside);
  report.AddLoad("put 2 x 1 of 8 MiB", large_figures);
  report.AddMemory("large values", *memory);
  for (const auto& [name, fraction] : {std::pair{"p50", 0.5}, std::pair{"p99", 0.99}}) {
    report.AddFigure(std::string(name) + " beside large, of that before",
                     Millis(beside->latency.At(fraction)) / Millis(before->latency.At(fraction)),
                     "x");
  }
  report.WantAtLeast("large puts that were done", static_cast<double>(large_figures.operations), 1,
                     "");
  // One that waits behind a large one takes as long as that.
  report.WantAtMost("p99 of small ones, against the p50 of large ones",
                    Millis(beside->latency.At(0.99)), Millis(large_figures.latency.At(0.5)), "ms");
  report.WantAtMost("operations that failed",
                    static_cast<double>(beside->failed + large_figures.failed), 0, "");
  return Status::Ok();
}

}  // namespace ringkv::bench
