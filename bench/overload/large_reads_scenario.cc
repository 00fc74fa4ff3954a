// More large values asked for at once than there is room for, by clients that take their answers.
#include "bench/overload/scenarios.h"
#include "bench/path/batch_load.h"

namespace ringkv::bench {
namespace {

constexpr size_t kValueBytes = 1 << 20;
constexpr uint64_t kLargeKeys = 64;
constexpr uint64_t kFirstKey = 3'000'000'000'000;
constexpr LoadShape kLargeShape{16, 64, std::chrono::milliseconds(50)};

}  // namespace

Status RunLargeReads(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  const KeySpace space{kLargeKeys, kValueBytes, kFirstKey};
  RINGKV_RETURN_IF_ERROR(
      BatchLoad(context.router(), {2, 2}, {"put", 0}, space, &context.interrupted).WriteAll());
  const auto before = context.Measure(kBesideShape, kBesideMix);
  if (!before.ok()) return before.status();
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  BatchLoad large(context.router(), kLargeShape, {"get", 1}, space, &context.interrupted);
  RINGKV_RETURN_IF_ERROR(large.Start());
  large.BeginMeasuring();
  const auto beside = context.Measure(kBesideShape, kBesideMix);
  const LoadFigures figures = large.EndMeasuring();
  large.Stop();
  if (!beside.ok()) return beside.status();
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();
  const auto after = context.Measure(kBesideShape, kBesideMix);
  if (!after.ok()) return after.status();

  report.AddLoad("50/50 8 x 4", *before);
  report.AddLoad("50/50 8 x 4, beside large reads", *beside);
  report.AddLoad("50/50 8 x 4, just after", *after);
  report.AddLoad("get " + kLargeShape.Name() + " of 1 MiB", figures);
  report.AddMemory("large reads", *memory);
  report.AddFigure("throughput beside large reads, of that before", beside->rate() / before->rate(),
                   "");
  report.WantAtLeast("large reads that were done", static_cast<double>(figures.operations), 1, "");
  report.WantAtMost("large reads that failed other than with try again",
                    static_cast<double>(NotTryAgain(figures)), 0, "");
  report.WantAtMost("small operations that failed",
                    static_cast<double>(before->failed + beside->failed + after->failed), 0, "");
  report.WantAtLeast("throughput just after, of that before", after->rate() / before->rate(),
                     kKeptThroughput, "");
  return Status::Ok();
}

}  // namespace ringkv::bench
