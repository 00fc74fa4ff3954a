#include "bench/path/measured_load.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "bench/path/process_cpu.h"

namespace ringkv::bench {
namespace {

std::map<std::string, double> CpuSeconds(const ProcessGroups& servers) {
  std::map<std::string, double> seconds;
  seconds["clients"] = CpuSecondsOfThisProcess();
  for (const auto& [name, pids] : servers) {
    for (const pid_t pid : pids) seconds[name] += CpuSecondsOf(pid);
  }
  return seconds;
}

// Measuring takes its time; it looks for an interruption meanwhile.
bool Pass(double seconds, const std::atomic<bool>* interrupted) {
  constexpr Duration kLook = std::chrono::milliseconds(50);
  const RealClock clock;
  const MonoTime end = clock.Now() + Duration(static_cast<int64_t>(seconds * 1e9));
  for (MonoTime now = clock.Now(); now < end; now = clock.Now()) {
    if (interrupted != nullptr && *interrupted) return false;
    std::this_thread::sleep_for(std::min(kLook, end - now));
  }
  return interrupted == nullptr || !*interrupted;
}

}  // namespace

Result<LoadFigures> MeasureLoad(Load& load, const ProcessGroups& servers, MeasuringTimes times,
                                const std::atomic<bool>* interrupted) {
  RINGKV_RETURN_IF_ERROR(load.Start());
  bool whole = Pass(times.warm_seconds, interrupted);
  const auto before = CpuSeconds(servers);
  load.BeginMeasuring();
  whole = whole && Pass(times.seconds, interrupted);
  LoadFigures figures = load.EndMeasuring();
  const double each = 1e6 / static_cast<double>(std::max<uint64_t>(figures.operations, 1));
  for (const auto& [process, seconds] : CpuSeconds(servers)) {
    figures.cpu_us[process] = (seconds - before.at(process)) * each;
  }
  load.Stop();
  if (!whole) return Status::Unavailable("interrupted");
  return figures;
}

}  // namespace ringkv::bench
