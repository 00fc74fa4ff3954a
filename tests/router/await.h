// Waits for what other threads do, without sleeping: whoever changes something under the lock wakes
// those who wait for it; a wait has a deadline. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace ringkv {

inline constexpr std::chrono::seconds kTestPatience{20};

class Await {
 public:
  // Runs `change` under the lock and wakes all that wait.
  template <class Change>
  void Do(Change change) {
    {
      std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }
  // Reads under the lock.
  template <class Read>
  auto Get(Read read) {
    std::lock_guard lock(mutex_);
    return read();
  }
  // False: not in time.
  template <class Condition>
  bool For(Condition condition, std::chrono::nanoseconds at_most = kTestPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace ringkv
