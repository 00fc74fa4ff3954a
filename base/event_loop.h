// Runs tasks one at a time, in the order in which they were posted, and the timers of what it owns.
// State that only a loop's tasks touch needs no lock. Tasks never block.
//
// They run on the loop's own thread; what came by PostOrRun, and what waits before it, on the
// caller's if nobody runs anything at that moment: where little is going on, waking a thread costs
// more than the task. After a few turns a caller leaves the rest to the loop's thread.
//
// Thread-safety: Post, PostOrRun and PendingTasks from any thread; everything else from the owner.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace ringkv {

class EventLoop {
 public:
  using Task = std::function<void()>;

  // `after_tasks` runs, as a task does, each time the tasks at hand are done (to send what they
  // gathered) and returns when it wants to run again at the latest; kNever: with the next task.
  EventLoop(std::string name, const Clock& clock, std::function<MonoTime()> after_tasks);
  ~EventLoop();  // stops
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();

  // False, and the task is dropped, once the loop is stopping.
  bool Post(Task task);
  // The same; may run it, and others, before it returns. Not while holding a lock that a task
  // takes.
  bool PostOrRun(Task task);

  // Runs what was posted before, then ends the thread. Idempotent. Not from within a task.
  void Stop();

  size_t PendingTasks() const { return pending_.load(std::memory_order_relaxed); }

 private:
  // Outlives the loop in the hands of whoever wakes its thread: a task may let the owner destroy
  // it.
  struct Waking {
    std::mutex mutex;
    std::condition_variable changed;
  };

  void Run();
  // With the lock held and busy_ set; clears it. 0 turns: as many as there are.
  void RunTurns(std::unique_lock<std::mutex>& lock, int turns);

  const std::string name_;
  const Clock& clock_;
  const std::function<MonoTime()> after_tasks_;
  const std::shared_ptr<Waking> waking_ = std::make_shared<Waking>();

  // All guarded by waking_->mutex, but for batch_: whoever set busy_ has that.
  std::vector<Task> tasks_;
  std::vector<Task> batch_;
  bool started_ = false;
  bool stopping_ = false;
  bool busy_ = false;                 // some thread runs tasks
  bool helped_ = false;               // others have run tasks since the loop's thread last slept
  MonoTime due_ = kNever;             // as after_tasks has it
  MonoTime sleeping_until_ = kNever;  // the loop's thread; kNever: until it is woken
  std::atomic<size_t> pending_{0};
  std::thread thread_;
};

}  // namespace ringkv
