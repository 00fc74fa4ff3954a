// Time, as the core sees it: handed in, never asked of the system. Two clocks: a monotonic one that
// also runs while the machine sleeps (CLOCK_BOOTTIME), for leases, timeouts and latencies; and the
// wall clock, for TTL. The simulated twin moves only when told. RealClock is thread-safe.
#pragma once

#include <chrono>
#include <cstdint>

namespace ringkv {

using Duration = std::chrono::nanoseconds;

// A point on the monotonic clock: nanoseconds since an arbitrary start. Never compared between
// machines.
struct MonoTime {
  int64_t ns = 0;
  constexpr auto operator<=>(const MonoTime&) const = default;
  friend constexpr MonoTime operator+(MonoTime t, Duration d) { return {t.ns + d.count()}; }
  friend constexpr MonoTime operator-(MonoTime t, Duration d) { return {t.ns - d.count()}; }
  friend constexpr Duration operator-(MonoTime a, MonoTime b) { return Duration(a.ns - b.ns); }
};

constexpr MonoTime kNever{INT64_MAX};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual uint64_t WallMillis() const = 0;  // ms since the Unix epoch
};

class RealClock final : public Clock {
 public:
  MonoTime Now() const override;
  uint64_t WallMillis() const override;
};

class SimulatedClock final : public Clock {
 public:
  MonoTime Now() const override { return now_; }
  uint64_t WallMillis() const override {
    return static_cast<uint64_t>(wall_start_ms_ + now_.ns / 1'000'000 + wall_skew_ms_);
  }
  void Set(MonoTime now) { now_ = now; }
  void SetWallSkewMillis(int64_t skew_ms) { wall_skew_ms_ = skew_ms; }

 private:
  MonoTime now_;
  int64_t wall_start_ms_ = 1'700'000'000'000;
  int64_t wall_skew_ms_ = 0;
};

}  // namespace ringkv
