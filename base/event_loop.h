// One thread that runs tasks in the order in which they were posted, and the timers of what it
// owns. State that only a loop's tasks touch needs no lock. Tasks never block.
//
// Thread-safety: Post and PendingTasks from any thread; everything else from the owner.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace ringkv {

class EventLoop {
 public:
  using Task = std::function<void()>;

  // `after_tasks` runs on the loop each time the tasks at hand are done (to send what they
  // gathered) and returns when it wants to run again at the latest; kNever: with the next task.
  EventLoop(std::string name, const Clock& clock, std::function<MonoTime()> after_tasks);
  ~EventLoop();  // stops
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();

  // False, and the task is dropped, once the loop is stopping.
  bool Post(Task task);

  // Runs what was posted before, then ends the thread. Idempotent. Not from the loop itself.
  void Stop();

  size_t PendingTasks() const { return pending_.load(std::memory_order_relaxed); }

 private:
  void Run();

  const std::string name_;
  const Clock& clock_;
  const std::function<MonoTime()> after_tasks_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;  // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
  std::atomic<size_t> pending_{0};
  std::thread thread_;
};

}  // namespace ringkv
