#include "base/event_loop.h"

#include <pthread.h>

#include <algorithm>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr int kTurnsOfOthers = 4;
constexpr Duration kLookInterval = std::chrono::milliseconds(1);

}  // namespace

EventLoop::EventLoop(std::string name, const Clock& clock, std::function<MonoTime()> after_tasks)
    : name_(std::move(name)), clock_(clock), after_tasks_(std::move(after_tasks)) {}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Start() {
  RINGKV_CHECK(!thread_.joinable(), "a loop is started once");
  {
    std::lock_guard lock(waking_->mutex);
    started_ = true;
  }
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), name_.substr(0, 15).c_str());
}

bool EventLoop::Post(Task task) {
  std::shared_ptr<Waking> waking;
  {
    std::lock_guard lock(waking_->mutex);
    if (stopping_) return false;
    tasks_.push_back(std::move(task));
    pending_.store(tasks_.size(), std::memory_order_relaxed);
    // Whoever is busy looks again.
    if (tasks_.size() == 1 && !busy_) waking = waking_;
  }
  // Not under the lock, for which the thread would have to wait at once.
  if (waking != nullptr) waking->changed.notify_all();
  return true;
}

bool EventLoop::PostOrRun(Task task) {
  const std::shared_ptr<Waking> waking = waking_;
  std::unique_lock lock(waking->mutex);
  if (stopping_) return false;
  tasks_.push_back(std::move(task));
  pending_.store(tasks_.size(), std::memory_order_relaxed);
  if (busy_ || !started_) return true;
  busy_ = true;
  helped_ = true;
  RunTurns(lock, kTurnsOfOthers);
  return true;
}

void EventLoop::RunTurns(std::unique_lock<std::mutex>& lock, int turns) {
  const std::shared_ptr<Waking> waking = waking_;
  while (true) {
    batch_.swap(tasks_);
    pending_.store(0, std::memory_order_relaxed);
    lock.unlock();
    for (Task& task : batch_) task();
    batch_.clear();
    const MonoTime due = after_tasks_ ? after_tasks_() : kNever;
    lock.lock();
    due_ = due;
    if (tasks_.empty() || --turns == 0) break;
  }
  busy_ = false;
  const bool wake = !tasks_.empty() || stopping_ || due_ < sleeping_until_;
  if (wake) waking->changed.notify_all();
}

void EventLoop::Stop() {
  {
    std::lock_guard lock(waking_->mutex);
    stopping_ = true;
  }
  waking_->changed.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::Run() {
  std::unique_lock lock(waking_->mutex);
  while (true) {
    const MonoTime now = clock_.Now();
    if (busy_ || !(stopping_ || !tasks_.empty() || due_ <= now)) {
      // While others run tasks, the time at which it wants to run next changes all the while: to
      // look once a millisecond is cheaper than to be woken for each change.
      const MonoTime look = helped_ ? now + kLookInterval : kNever;
      helped_ = false;
      sleeping_until_ = busy_ ? look : std::min(due_, look);
      if (sleeping_until_ == kNever) {
        waking_->changed.wait(lock);
      } else {
        waking_->changed.wait_for(lock, sleeping_until_ - now);
      }
      continue;
    }
    if (stopping_ && tasks_.empty()) return;
    busy_ = true;
    RunTurns(lock, 0);
  }
}

}  // namespace ringkv
