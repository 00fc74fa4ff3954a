#include "base/timers.h"

namespace ringkv {

Timers::Id Timers::Arm(MonoTime due, std::function<void()> action) {
  Id id = ++last_;
  by_time_.emplace(std::pair(due, id), std::move(action));
  due_.emplace(id, due);
  return id;
}

void Timers::Cancel(Id id) {
  auto found = due_.find(id);
  if (found == due_.end()) return;
  by_time_.erase({found->second, id});
  due_.erase(found);
}

MonoTime Timers::NextDue() const {
  return by_time_.empty() ? kNever : by_time_.begin()->first.first;
}

void Timers::RunDue(MonoTime now) {
  while (!by_time_.empty() && by_time_.begin()->first.first <= now) {
    auto node = by_time_.extract(by_time_.begin());
    due_.erase(node.key().second);
    node.mapped()();
  }
}

}  // namespace ringkv
