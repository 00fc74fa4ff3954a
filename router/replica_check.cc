#include "router/replica_check.h"

#include <utility>

namespace ringkv {

ReplicaCheck::ReplicaCheck(CheckEnvironment& environment, std::vector<SlotId> slots,
                           std::function<void()> on_done)
    : environment_(environment),
      on_done_(std::move(on_done)),
      waiting_(slots.begin(), slots.end()) {
  progress_.set_slots_total(slots.size());
}

ReplicaCheck::~ReplicaCheck() = default;

void ReplicaCheck::Start() { StartSlots(); }

void ReplicaCheck::StartSlots() {
  while (!waiting_.empty() && running_.size() < kSlotsAtATime) {
    const SlotId slot = waiting_.front();
    waiting_.pop_front();
    // What a slot ends in goes on in a turn of its own: it may not delete itself.
    auto on_done = [this, slot] {
      environment_.After(Duration::zero(), lifeline_.Wrap([this, slot] { OnSlotDone(slot); }));
    };
    SlotCheckHost& host = *this;
    auto made = std::make_unique<SlotCheck>(host, slot, std::move(on_done));
    SlotCheck& check = *running_.emplace(slot, std::move(made)).first->second;
    check.Start();
  }
  if (!running_.empty() || done_) return;
  done_ = true;
  on_done_();
}

void ReplicaCheck::OnSlotDone(SlotId slot) {
  const auto node = running_.extract(slot);
  const SlotCheck& check = *node.mapped();
  progress_.set_slots_checked(progress_.slots_checked() + 1);
  progress_.set_records(progress_.records() + check.records());
  progress_.set_bytes(progress_.bytes() + check.bytes());
  progress_.set_keys_looked_at(progress_.keys_looked_at() + check.looked_at());
  if (check.differs()) {
    progress_.set_slots_not_equal(progress_.slots_not_equal() + 1);
  } else if (check.all_compared()) {
    progress_.set_slots_equal(progress_.slots_equal() + 1);
  } else {
    progress_.set_slots_partly(progress_.slots_partly() + 1);
  }
  StartSlots();
}

NodeQuestions& ReplicaCheck::Ask(Peer peer) {
  return nodes_.try_emplace(peer, environment_, peer).first->second;
}

void ReplicaCheck::QueueLook(const Lifeline& asker, LookCall call) {
  waiting_looks_.push_back({asker.alive(), std::move(call)});
  StartLooks();
}

void ReplicaCheck::StartLooks() {
  while (!waiting_looks_.empty() && looks_ < kLooksAtATime) {
    WaitingLook next = std::move(waiting_looks_.front());
    waiting_looks_.pop_front();
    if (!*next.alive) continue;
    ++looks_;
    // It may have waited for long.
    next.call.deadline = std::max(next.call.deadline, environment_.Now() + std::chrono::seconds(2));
    next.call.done = lifeline_.Wrap([this, done = std::move(next.call.done)](KeyLook look) {
      --looks_;
      done(std::move(look));
      StartLooks();
    });
    environment_.LookAt(std::move(next.call));
  }
}

void ReplicaCheck::OnFinding(v1::CheckFinding finding) {
  progress_.set_findings(progress_.findings() + 1);
  if (progress_.findings() <= kMaxFindings) *event_.add_findings() = std::move(finding);
}

void ReplicaCheck::OnUncompared(v1::UncomparedReplica replica) {
  if (++uncompared_ <= kMaxFindings) *event_.add_uncompared() = std::move(replica);
}

v1::CheckReplicasEvent ReplicaCheck::TakeEvent() {
  v1::CheckReplicasEvent event;
  event.Swap(&event_);
  *event.mutable_progress() = progress_;
  event.set_complete(done_);
  event.mutable_status()->set_outcome(v1::OUTCOME_DONE);
  return event;
}

}  // namespace ringkv
