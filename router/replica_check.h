// `admin check`: compares the replicas of every slot (docs/protocol.md, "Check"), some slots at a
// time, and gathers what is found. Changes nothing, but that the owner settles the keys that it
// looks at, and mends records that it finds unreadable, as with any read.
//
// Bounds: slots at a time; one question to a node; looks at keys; findings that are kept.
// Pure: everything comes from the environment. Thread-compatible.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "router/slot_check.h"

namespace ringkv {

class ReplicaCheck final : private SlotCheckHost {
 public:
  static constexpr size_t kMaxFindings = 1'000;  // told one by one; the rest is counted

  // Borrows the environment. `on_done` runs at the end, as the last that the check does.
  ReplicaCheck(CheckEnvironment& environment, std::vector<SlotId> slots,
               std::function<void()> on_done);
  ~ReplicaCheck() override;

  void Start();
  bool done() const { return done_; }

  // What was found since the last call, and how far it is; `complete` once it is done.
  v1::CheckReplicasEvent TakeEvent();
  bool has_findings() const { return event_.findings_size() > 0; }

 private:
  static constexpr size_t kSlotsAtATime = 64;
  static constexpr size_t kLooksAtATime = 32;

  struct WaitingLook {
    std::shared_ptr<const bool> alive;
    LookCall call;
  };

  CheckEnvironment& environment() override { return environment_; }
  NodeQuestions& Ask(Peer peer) override;
  void QueueLook(const Lifeline& asker, LookCall call) override;
  void OnFinding(v1::CheckFinding finding) override;
  void OnUncompared(v1::UncomparedReplica replica) override;
  void StartSlots();
  void OnSlotDone(SlotId slot);
  void StartLooks();

  CheckEnvironment& environment_;
  const std::function<void()> on_done_;
  std::deque<SlotId> waiting_;
  std::deque<WaitingLook> waiting_looks_;
  size_t looks_ = 0;
  bool done_ = false;
  v1::CheckProgress progress_;
  v1::CheckReplicasEvent event_;
  uint64_t uncompared_ = 0;
  std::map<Peer, NodeQuestions> nodes_;
  std::map<SlotId, std::unique_ptr<SlotCheck>> running_;
  Lifeline lifeline_;
};

}  // namespace ringkv
