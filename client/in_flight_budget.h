// InFlightBudget: how many calls, and bytes of calls, may be in flight at once. One call larger
// than the whole budget of bytes is let through when it is alone. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "base/clock.h"

namespace ringkv {

class InFlightBudget {
 public:
  InFlightBudget(size_t max_calls, size_t max_bytes)
      : max_calls_(max_calls), max_bytes_(max_bytes) {}

  bool TryTake(size_t bytes);
  bool Take(size_t bytes, Duration patience);  // waits; false when still full after `patience`
  void Give(size_t bytes);

 private:
  bool Fits(size_t bytes) const;  // with mutex_ held

  const size_t max_calls_;
  const size_t max_bytes_;
  std::mutex mutex_;
  std::condition_variable freed_;
  size_t calls_ = 0;    // guarded by mutex_
  size_t bytes_ = 0;    // guarded by mutex_
  size_t waiting_ = 0;  // guarded by mutex_
};

}  // namespace ringkv
