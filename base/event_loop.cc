#include "base/event_loop.h"

#include <pthread.h>

#include "base/check.h"

namespace ringkv {

EventLoop::EventLoop(std::string name, const Clock& clock, std::function<MonoTime()> after_tasks)
    : name_(std::move(name)), clock_(clock), after_tasks_(std::move(after_tasks)) {}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Start() {
  RINGKV_CHECK(!thread_.joinable(), "a loop is started once");
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

bool EventLoop::Post(Task task) {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  const bool first = tasks_.empty();
  tasks_.push_back(std::move(task));
  pending_.store(tasks_.size(), std::memory_order_relaxed);
  // Under the lock: what the task does may let the owner destroy the loop, this condition with it.
  if (first) wake_.notify_one();
  return true;
}

void EventLoop::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::Run() {
  std::vector<Task> batch;
  MonoTime due = kNever;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      auto awake = [this] { return stopping_ || !tasks_.empty(); };
      if (due == kNever) {
        wake_.wait(lock, awake);
      } else {
        wake_.wait_for(lock, due - clock_.Now(), awake);
      }
      if (stopping_ && tasks_.empty()) return;
      batch.swap(tasks_);
      pending_.store(0, std::memory_order_relaxed);
    }
    for (Task& task : batch) task();
    batch.clear();
    due = after_tasks_ ? after_tasks_() : kNever;
  }
}

}  // namespace ringkv
