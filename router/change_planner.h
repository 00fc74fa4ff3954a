// Answers what a change of the ring would move: plans it, asks the nodes for the sizes of their
// slots, and reports, on a thread of its own, since a plan of a large ring takes a while. A change
// that is refused is so before any node is asked. Nothing is changed.
//
// At most kMaxPlans at a time; more are told OVERLOADED. Thread-safe. `done` runs once, on any
// thread, and not at all once Stop has returned.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "router/change_plan.h"
#include "router/membership.h"
#include "router/node_inspection.h"

namespace ringkv {

class ChangePlanner {
 public:
  static constexpr size_t kMaxPlans = 8;
  using View = std::function<std::shared_ptr<const ClusterView>()>;
  using Done = std::function<void(v1::PlanChangeResponse)>;

  // Borrows all.
  ChangePlanner(const Clock& clock, NodeInspection& inspection, View view);
  ~ChangePlanner();  // stops

  // `patience`: for the nodes' answers.
  void Plan(v1::PlanChangeRequest request, Duration patience, Done done);

  // Ends the thread. Nothing that `inspection` was asked may be open any more. Idempotent.
  void Stop() { loop_.Stop(); }

 private:
  struct Task;

  void Begin(const std::shared_ptr<Task>& task);
  void Finish(const std::shared_ptr<Task>& task);
  void Answer(const std::shared_ptr<Task>& task, v1::PlanChangeResponse response);
  void Refuse(const std::shared_ptr<Task>& task, const Status& why);

  NodeInspection& inspection_;
  const View view_;
  std::atomic<size_t> plans_{0};
  EventLoop loop_;  // last: its thread uses the rest
};

}  // namespace ringkv
