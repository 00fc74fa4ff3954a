#include "bench/overload/watched_load.h"

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "bench/overload/overload_targets.h"

namespace ringkv::bench {

Watched Watch(Load& load, double seconds, const std::atomic<bool>& interrupted) {
  const RealClock clock;
  const MonoTime begin = clock.Now();
  load.BeginMeasuring();
  Watched watched;
  LongestGap gap;
  gap.Look(0, 0);
  double passed = 0;
  while (passed < seconds && !interrupted) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // between two looks
    watched.figures = load.EndMeasuring();
    passed = static_cast<double>((clock.Now() - begin).count()) / 1e9;
    gap.Look(passed, watched.figures.operations);
  }
  watched.longest_gap_seconds = gap.seconds();
  return watched;
}

}  // namespace ringkv::bench
