#include "router/shard_loops.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

namespace ringkv {

ShardLoop::ShardLoop(size_t index, const ShardOptions& options, const Clock& clock,
                     LoadBalancer& nodes, const MakeLinks& make_links)
    : clock_(clock),
      loop_("shard-" + std::to_string(index), clock, [this] { return EndTurn(); }),
      links_(make_links(index, loop_, *this)),
      shard_(options, clock, *links_, nodes) {}

MonoTime ShardLoop::EndTurn() {
  const MonoTime now = clock_.Now();
  if (shard_.NextDue() <= now) shard_.RunDue();
  timers_.RunDue(now);
  if (links_->NextDue() <= now) links_->RunDue();
  links_->Flush();
  // What OnTurnEnd does must not ask for another one in the same turn.
  for (TurnEnd* who : std::exchange(turn_ends_, {})) who->OnTurnEnd();
  return std::min({shard_.NextDue(), timers_.NextDue(), links_->NextDue()});
}

LoopReport ShardLoop::Report() const {
  LoopReport report;
  report.shard = shard_.Report();
  report.stats = shard_.stats();
  report.links = links_->Report();
  report.counts = links_->Counts();
  report.pending_tasks = loop_.PendingTasks();
  return report;
}

void ShardLoop::Stop() {
  links_->Stop();
  loop_.Stop();
}

ShardLoops::ShardLoops(size_t loops, const ShardOptions& options, const Clock& clock,
                       const ShardLoop::MakeLinks& make_links)
    : nodes_(ReadBalancing(options)) {
  // The bounds are the process's; each loop gets its part.
  ShardOptions each = options;
  each.max_calls = std::max<size_t>(1, options.max_calls / loops);
  each.max_bytes = std::max<size_t>(16u << 20, options.max_bytes / loops);
  for (size_t i = 0; i < loops; ++i) {
    loops_.push_back(std::make_unique<ShardLoop>(i, each, clock, nodes_, make_links));
  }
}

ShardLoops::~ShardLoops() { Stop(); }

void ShardLoops::Start() {
  for (auto& loop : loops_) loop->Start();
}

void ShardLoops::Stop() {
  for (auto& loop : loops_) loop->Stop();
}

void ShardLoops::SetPeer(const PeerAddress& peer) {
  DiscoveryUpdate known;
  known.present.push_back({peer.node.value(), peer.address, peer.vnodes});
  const Status status = nodes_.Apply(known);
  RINGKV_CHECK(status.ok(), status.message());  // the metadata was checked when it was read
  for (auto& loop : loops_) {
    loop->Post([loop = loop.get(), peer] {
      loop->shard().AddPeer(peer.peer, peer.node, peer.address);
      loop->links().SetPeer(peer);
    });
  }
}

void ShardLoops::TakeGroups(std::vector<GroupGrant> grants) {
  std::vector<std::vector<GroupGrant>> parts(loops_.size());
  for (GroupGrant& grant : grants) parts[LoopOf(grant.group)].push_back(std::move(grant));
  for (size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->Post([loop = loops_[i].get(), part = std::move(parts[i])] {
      for (const GroupGrant& grant : part) loop->shard().TakeGroup(grant);
    });
  }
}

void ShardLoops::SetLeaseUntil(MonoTime until) {
  for (auto& loop : loops_) {
    loop->Post([loop = loop.get(), until] { loop->shard().SetLeaseUntil(until); });
  }
}

void ShardLoops::Gather(std::function<void(std::vector<LoopReport>)> done) {
  struct Gathering {
    std::mutex mutex;
    std::vector<LoopReport> reports;  // guarded by mutex
    size_t missing = 0;               // guarded by mutex
    std::function<void(std::vector<LoopReport>)> done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->reports.resize(loops_.size());
  gathering->missing = loops_.size();
  gathering->done = std::move(done);
  for (size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->Post([loop = loops_[i].get(), i, gathering] {
      LoopReport report = loop->Report();
      {
        std::lock_guard lock(gathering->mutex);
        gathering->reports[i] = std::move(report);
        if (--gathering->missing != 0) return;
      }
      gathering->done(std::move(gathering->reports));
    });
  }
}

void ShardLoops::Describe(SlotId slot, GroupId group, std::function<void(SlotReport)> done) {
  ShardLoop* loop = loops_[LoopOf(group)].get();
  loop->Post([loop, slot, done = std::move(done)] { done(loop->shard().Describe(slot)); });
}

void ShardLoops::LookAt(GroupId group, LookCall call) {
  ShardLoop* loop = loops_[LoopOf(group)].get();
  loop->Post([loop, call = std::move(call)]() mutable { loop->shard().LookAt(std::move(call)); });
}

}  // namespace ringkv
