#include "base/clock.h"

#include <ctime>

namespace ringkv {

MonoTime RealClock::Now() const {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return {static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec};
}

uint64_t RealClock::WallMillis() const {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1'000'000;
}

}  // namespace ringkv
