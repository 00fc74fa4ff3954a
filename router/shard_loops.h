// The data path's threads: event loops, each with one Shard and its links to all nodes. Groups are
// dealt out to the loops in turn; a loop's shard and links are touched by its tasks only.
//
// At the end of each turn of a loop, in this order: what is due runs, operations leave for the
// nodes, and everyone who asked (AtTurnEnd) sends the answers that were gathered. So calls that
// arrive together travel together, both ways.
//
// Thread-safety: Post and the DataPlane's functions from any thread; what says so on the loop only.
// Order of a stop: nobody submits any more; Stop; destruction.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/event_loop.h"
#include "base/timers.h"
#include "router/data_plane.h"

namespace ringkv {

// Someone who gathers answers during a turn.
class TurnEnd {
 public:
  virtual ~TurnEnd() = default;
  virtual void OnTurnEnd() = 0;
};

class ShardLoop final : private LinkEvents {
 public:
  using MakeLinks =
      std::function<std::unique_ptr<NodeLinks>(size_t index, EventLoop& loop, LinkEvents& events)>;

  using OnRequests = std::function<void(std::vector<RowRequest>)>;

  ShardLoop(size_t index, const ShardOptions& options, const Clock& clock, LoadBalancer& nodes,
            const MakeLinks& make_links);

  // `on_requests`: told on the loop what slots want of the metadata.
  void Start(OnRequests on_requests) {
    on_requests_ = std::move(on_requests);
    loop_.Start();
  }
  void Stop();

  bool Post(EventLoop::Task task) { return loop_.Post(std::move(task)); }
  size_t pending_tasks() const { return loop_.PendingTasks(); }
  LinkCounts link_counts() const { return links_->Counts(); }

  // On the loop.
  Shard& shard() { return shard_; }
  NodeLinks& links() { return *links_; }
  // Once, at the end of this turn; the caller sees to it that it asks once a turn.
  void AtTurnEnd(TurnEnd* who) { turn_ends_.push_back(who); }
  void RunAt(MonoTime due, std::function<void()> task) { timers_.Arm(due, std::move(task)); }
  LoopReport Report() const;

 private:
  MonoTime EndTurn();
  void OnConnected(Peer peer, Boot boot) override { shard_.OnConnected(peer, boot); }
  void OnDisconnected(Peer peer) override { shard_.OnDisconnected(peer); }
  void OnReplies(Peer peer, const v1::ReplicaBatchReply& batch) override {
    shard_.OnReplies(peer, batch);
  }

  const Clock& clock_;
  // The loop is declared first so that it outlives the links; Stop ends both before that.
  EventLoop loop_;
  std::unique_ptr<NodeLinks> links_;
  Shard shard_;
  Timers timers_;
  std::vector<TurnEnd*> turn_ends_;
  OnRequests on_requests_;
};

class ShardLoops final : public DataPlane {
 public:
  ShardLoops(size_t loops, const ShardOptions& options, const Clock& clock,
             const ShardLoop::MakeLinks& make_links);
  ~ShardLoops() override;

  // `on_requests`: from any of the loops; null: nobody listens.
  void Start(ShardLoop::OnRequests on_requests = nullptr);
  // Idempotent.
  void Stop();

  size_t size() const { return loops_.size(); }
  ShardLoop& loop(size_t index) { return *loops_[index]; }
  size_t LoopOf(GroupId group) const { return group.value() % loops_.size(); }

  // Reads in flight and in total at each node, over all loops.
  const LoadBalancer& nodes() const { return nodes_; }

  void SetPeer(const PeerAddress& peer) override;
  void DropPeer(Peer peer, const NodeId& node) override;
  void TakeGroups(std::vector<GroupGrant> grants) override;
  void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) override;
  void SetLeaseUntil(MonoTime until) override;
  void PredecessorsGone() override;
  void OnNeedTerm(std::function<void(TermRequest)> ask) override;
  void Gather(std::function<void(std::vector<LoopReport>)> done) override;
  void Describe(SlotId slot, GroupId group, std::function<void(SlotReport)> done) override;
  void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) override;
  void LookAt(GroupId group, LookCall call) override;

 private:
  template <class Answer>
  void Collect(std::function<Answer(ShardLoop&)> ask,
               std::function<void(std::vector<Answer>)> done);

  LoadBalancer nodes_;
  std::vector<std::unique_ptr<ShardLoop>> loops_;
};

}  // namespace ringkv
