// Runs a ReplicaCheck over the router's data path and its nodes, on a thread of its own: one at a
// time; whoever asks meanwhile is told OVERLOADED.
//
// Thread-safe. `on_event` runs on any thread, one call at a time, and a last time with an event
// that is complete or whose status is an error; never after Cancel or Stop has returned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "base/event_loop.h"
#include "base/timers.h"
#include "router/membership.h"
#include "router/node_inspection.h"
#include "router/replica_check.h"

namespace ringkv {

class ReplicaChecker {
 public:
  using View = std::function<std::shared_ptr<const ClusterView>()>;
  using OnEvent = std::function<void(v1::CheckReplicasEvent)>;

  // Borrows all.
  ReplicaChecker(const Clock& clock, DataPlane& data, NodeInspection& inspection, View view);
  ~ReplicaChecker();  // stops

  // Begins a check of every slot; its number, for Cancel.
  uint64_t Start(OnEvent on_event);
  // Does nothing for one that has ended. Not from within `on_event`.
  void Cancel(uint64_t number);

  // Ends the thread and what it does. Nothing that `inspection` was asked may be open any more.
  // Idempotent.
  void Stop();

 private:
  class Environment;

  MonoTime EndTurn();
  void Begin(uint64_t number);
  void Tell(v1::CheckReplicasEvent event);
  void Drop();

  const Clock& clock_;
  DataPlane& data_;
  NodeInspection& inspection_;
  const View view_;

  std::mutex mutex_;
  uint64_t last_number_ = 0;  // guarded by mutex_
  uint64_t number_ = 0;       // guarded by mutex_; of the check that runs, 0: none
  OnEvent on_event_;          // guarded by mutex_, also while it runs

  // The loop's.
  Timers timers_;
  std::unique_ptr<Environment> environment_;
  std::unique_ptr<ReplicaCheck> check_;
  MonoTime next_event_;
  EventLoop loop_;  // last: its thread uses the rest
};

}  // namespace ringkv
