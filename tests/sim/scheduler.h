// Virtual time: what happens when, in one thread. Events at the same time run in the order in which
// they were scheduled, so that a seed gives the same run everywhere.
#pragma once

#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace ringkv {

class Scheduler {
 public:
  const SimulatedClock& clock() const { return clock_; }
  MonoTime now() const { return clock_.Now(); }
  uint64_t steps() const { return steps_; }

  void At(MonoTime when, std::function<void()> action) {
    queue_.push({std::max(when, now()), ++last_, std::move(action)});
  }
  void After(Duration delay, std::function<void()> action) { At(now() + delay, std::move(action)); }

  // Runs events until `end` or until `stop` says so.
  template <class Stop>
  void RunUntil(MonoTime end, Stop stop) {
    while (!queue_.empty() && queue_.top().when <= end && !stop()) {
      // The action is moved out of a const top: it is popped at once.
      Event event = std::move(const_cast<Event&>(queue_.top()));
      queue_.pop();
      clock_.Set(event.when);
      ++steps_;
      event.action();
    }
    if (!stop()) clock_.Set(std::max(now(), end));
  }

 private:
  struct Event {
    MonoTime when;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return std::pair(other.when, other.order) < std::pair(when, order);
    }
  };

  SimulatedClock clock_;
  std::priority_queue<Event> queue_;
  uint64_t last_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace ringkv
