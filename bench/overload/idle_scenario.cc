#include <chrono>

#include "bench/overload/idle_connections.h"
#include "bench/overload/scenarios.h"

namespace ringkv::bench {

Status RunIdle(const ScenarioContext& context) {
  OverloadReport& report = context.report;
  const auto before = context.Measure(kBesideShape, kBesideMix);
  if (!before.ok()) return before.status();
  const Processes pids = context.ServerPids();
  RINGKV_RETURN_IF_ERROR(ResetPeaks(pids));
  const auto memory_before = MemoryOf(pids);
  if (!memory_before.ok()) return memory_before.status();

  IdleConnections idle(context.router(), "/ringkv.v1.Kv/Batch");
  RINGKV_RETURN_IF_ERROR(idle.Open(context.options.idle, std::chrono::seconds(30)));
  const auto beside = context.Measure(kBesideShape, kBesideMix);
  if (!beside.ok()) return beside.status();
  const auto memory = MemoryOf(pids);
  if (!memory.ok()) return memory.status();

  const auto count = static_cast<double>(context.options.idle);
  report.AddLoad("50/50 8 x 4", *before);
  report.AddLoad("50/50 8 x 4, beside them", *beside);
  report.AddMemory(std::to_string(context.options.idle) + " connections", *memory);
  report.WantAtLeast("connections that are open", static_cast<double>(idle.open()), count, "");
  const double grown = static_cast<double>(memory->at("router").peak) -
                       static_cast<double>(memory_before->at("router").resident);
  report.WantAtMost("memory of the router for each", grown / count / 1024,
                    kIdleConnectionBytes / 1024, "KiB");
  report.WantAtLeast("throughput beside them, of that before", beside->rate() / before->rate(),
                     kKeptThroughput, "");
  report.WantAtMost("operations beside them that failed", static_cast<double>(beside->failed), 0,
                    "");
  return Status::Ok();
}

}  // namespace ringkv::bench
