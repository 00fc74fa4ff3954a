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
  std::vector<RowRequest> requests = shard_.TakeRequests();
  if (!requests.empty() && on_requests_ != nullptr) on_requests_(std::move(requests));
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

void ShardLoops::Start(ShardLoop::OnRequests on_requests) {
  for (auto& loop : loops_) loop->Start(on_requests);
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

void ShardLoops::DropPeer(Peer peer, const NodeId& node) {
  DiscoveryUpdate gone;
  gone.gone.push_back(node.value());
  const Status status = nodes_.Apply(gone);
  RINGKV_CHECK(status.ok(), status.message());
  for (auto& loop : loops_) {
    loop->Post([loop = loop.get(), peer] { loop->links().DropPeer(peer); });
  }
}

void ShardLoops::AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) {
  std::vector<std::vector<std::pair<GroupId, SlotGrant>>> parts(loops_.size());
  for (auto& row : rows) parts[LoopOf(row.first)].push_back(std::move(row));
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (parts[i].empty()) continue;
    loops_[i]->Post([loop = loops_[i].get(), part = std::move(parts[i])] {
      for (const auto& [group, row] : part) loop->shard().AdoptRow(group, row);
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

void ShardLoops::PredecessorsGone() {
  for (auto& loop : loops_) {
    loop->Post([loop = loop.get()] { loop->shard().PredecessorsGone(); });
  }
}

void ShardLoops::OnNeedTerm(std::function<void(TermRequest)> ask) {
  for (auto& loop : loops_) {
    loop->Post([loop = loop.get(), ask] { loop->shard().OnNeedTerm(ask); });
  }
}

// One answer of each loop, in their order.
template <class Answer>
void ShardLoops::Collect(std::function<Answer(ShardLoop&)> ask,
                         std::function<void(std::vector<Answer>)> done) {
  struct Gathering {
    std::mutex mutex;
    std::vector<Answer> answers;  // guarded by mutex
    size_t missing = 0;           // guarded by mutex
    std::function<void(std::vector<Answer>)> done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->answers.resize(loops_.size());
  gathering->missing = loops_.size();
  gathering->done = std::move(done);
  for (size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->Post([loop = loops_[i].get(), i, gathering, ask] {
      Answer answer = ask(*loop);
      {
        std::lock_guard lock(gathering->mutex);
        gathering->answers[i] = std::move(answer);
        if (--gathering->missing != 0) return;
      }
      gathering->done(std::move(gathering->answers));
    });
  }
}

void ShardLoops::Gather(std::function<void(std::vector<LoopReport>)> done) {
  Collect<LoopReport>([](ShardLoop& loop) { return loop.Report(); }, std::move(done));
}

void ShardLoops::DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) {
  Collect<std::vector<SlotReport>>(
      [](ShardLoop& loop) { return loop.shard().DescribeBlocked(); },
      [done = std::move(done)](std::vector<std::vector<SlotReport>> parts) {
        std::vector<SlotReport> all;
        for (std::vector<SlotReport>& part : parts) {
          all.insert(all.end(), std::make_move_iterator(part.begin()),
                     std::make_move_iterator(part.end()));
        }
        std::sort(all.begin(), all.end(),
                  [](const SlotReport& a, const SlotReport& b) { return a.slot < b.slot; });
        done(std::move(all));
      });
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
