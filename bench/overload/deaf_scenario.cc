#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "bench/overload/deaf_client_grpc.h"
#include "bench/overload/scenarios.h"
#include "bench/path/batch_load.h"

namespace ringkv::bench {
namespace {

constexpr size_t kValueBytes = 1 << 20;
constexpr uint64_t kLargeKeys = 16;
constexpr uint64_t kFirstKey = 1'000'000'000'000;  // beyond those of the small load
constexpr Duration kSettled = std::chrono::milliseconds(500);
constexpr Duration kPatience = std::chrono::seconds(15);

double Mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// What is on its way to clients that do not read has come to a rest: the router's peak has not
// grown for a while.
Status WaitSettled(const ScenarioContext& context) {
  const RealClock clock;
  const pid_t router = context.ServerPids().at("router");
  const MonoTime end = clock.Now() + kPatience;
  MonoTime grew = clock.Now();
  uint64_t peak = 0;
  while (clock.Now() - grew < kSettled && clock.Now() < end && !context.interrupted) {
    const auto memory = MemoryOf(router);
    if (!memory.ok()) return memory.status();
    if (memory->peak > peak + (1 << 20)) {
      peak = memory->peak;
      grew = clock.Now();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two looks
  }
  return context.interrupted ? Status::Unavailable("interrupted") : Status::Ok();
}

}  // namespace

Status RunDeaf(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  const OverloadOptions& options = context.options;
  RINGKV_RETURN_IF_ERROR(BatchLoad(context.router(), {2, 2}, {"put", 0},
                                   {kLargeKeys, kValueBytes, kFirstKey}, &context.interrupted)
                             .WriteAll());
  const auto before = context.Measure(kBesideShape, kBesideMix);
  if (!before.ok()) return before.status();
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  const auto memory_before = MemoryOf(pids);
  if (!memory_before.ok()) return memory_before.status();

  DeafClient deaf(context.router());
  RINGKV_RETURN_IF_ERROR(deaf.Ask(options.deaf_streams, options.deaf_gets, kFirstKey, kLargeKeys));
  RINGKV_RETURN_IF_ERROR(WaitSettled(context));
  const auto beside = context.Measure(kBesideShape, kBesideMix);
  if (!beside.ok()) return beside.status();
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();

  report.AddLoad("50/50 8 x 4", *before);
  report.AddLoad("50/50 8 x 4, beside them", *beside);
  report.AddMemory("deaf clients", *memory);
  report.AddFigure("asked for and not read",
                   Mib(static_cast<uint64_t>(options.deaf_streams) *
                       static_cast<uint64_t>(options.deaf_gets) * kValueBytes),
                   "MiB");
  for (const auto& [process, figures] : *memory) {
    report.AddFigure(
        "growth of " + process,
        Mib(figures.peak - std::min(figures.peak, memory_before->at(process).resident)), "MiB");
  }
  report.WantAtLeast("throughput beside them, of that before", beside->rate() / before->rate(),
                     kKeptThroughput, "");
  report.WantAtMost("operations beside them that failed", static_cast<double>(beside->failed), 0,
                    "");
  return Status::Ok();
}

}  // namespace ringkv::bench
