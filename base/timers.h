// Timers of one state machine: what is to be done when. No thread and no clock: whoever drives the
// machine asks for the next due time and hands the present time in. Timers due at the same time run
// in the order in which they were armed, so that a simulation repeats. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace ringkv {

class Timers {
 public:
  using Id = uint64_t;  // 0 names no timer

  Id Arm(MonoTime due, std::function<void()> action);

  // Forgets a timer; does nothing for 0 or one that has run.
  void Cancel(Id id);

  // When the next is due; kNever without one.
  MonoTime NextDue() const;

  // Runs all that are due at `now`; also those that they arm for a time not after `now`.
  void RunDue(MonoTime now);

  size_t size() const { return by_time_.size(); }

 private:
  std::map<std::pair<MonoTime, Id>, std::function<void()>> by_time_;
  std::unordered_map<Id, MonoTime> due_;
  Id last_ = 0;
};

}  // namespace ringkv
