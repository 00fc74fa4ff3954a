#include "router/shard.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/rule.h"
#include "router/client_request.h"
#include "router/outstanding_ops.h"
#include "router/sequencer.h"

namespace ringkv {
namespace {

// A node is not held to be down before so many ticks have passed without a word from it.
constexpr uint64_t kTicksToSuspect = 20;

// Bytes that a call keeps in memory.
size_t BytesOf(const v1::Op& op) {
  switch (op.op_case()) {
    case v1::Op::kGet:
      return op.get().key().size();
    case v1::Op::kPut:
      return op.put().key().size() + op.put().value().size();
    case v1::Op::kDel:
      return op.del().key().size();
    case v1::Op::kIncrement:
      return op.increment().key().size();
    default:
      return 0;
  }
}

}  // namespace

class Shard::Host final : public SequencerHost {
 public:
  explicit Host(Shard& shard) : shard_(shard) {}

  MonoTime Now() const override { return shard_.now_; }
  uint64_t WallMillis() override {
    shard_.last_wall_ms_ = std::max(shard_.last_wall_ms_, shard_.clock_.WallMillis());
    return shard_.last_wall_ms_;
  }
  bool LeaseValid() const override {
    const bool valid = shard_.lease_until_ == kNever || shard_.clock_.Now() < shard_.lease_until_;
    return valid || !RINGKV_RULE(kLeaseAtSingleReads);
  }
  bool Responsive(Peer peer) const override {
    const Session& session = shard_.sessions_[peer.value()];
    return session.connected && !session.suspected;
  }
  bool DiskFull(Peer peer) const override {
    return shard_.sessions_[peer.value()].stats.disk_full();
  }
  v1::SyncSource Locate(Peer peer) const override {
    const Session& session = shard_.sessions_[peer.value()];
    v1::SyncSource source;
    source.set_node(session.node.value());
    source.set_address(session.address);
    return source;
  }
  bool Send(Peer peer, v1::ReplicaOp& op, Expected expected) override {
    return shard_.SendOp(peer, op, std::move(expected));
  }
  v1::ReplicaOp& ApplyScratch() override { return apply_; }
  v1::ReplicaOp& ReadScratch() override { return read_; }
  LoadBalancer::Picker::Choice Choose(std::span<const Peer> row, uint32_t eligible) override {
    std::array<BalancedServer*, kMaxReplicas> servers{};
    for (size_t i = 0; i < row.size(); ++i) {
      servers[i] = shard_.sessions_[row[i].value()].server.get();
    }
    return shard_.picker_.PickAmong({servers.data(), row.size()}, eligible);
  }
  bool Silent(Peer peer) const override {
    const auto limit = static_cast<uint64_t>(shard_.options_.ping / shard_.options_.tick);
    return shard_.sessions_[peer.value()].ticks_unheard > limit;
  }
  LargeReads& large_reads() override { return shard_.large_reads_; }
  LargeKeys& large_keys() override { return shard_.large_keys_; }
  RetryBudget& retry_budget() override { return shard_.retry_budget_; }
  ServerLease Count(Peer peer) override {
    return shard_.picker_.Count(*shard_.sessions_[peer.value()].server);
  }
  Duration HedgeDelay(Peer peer) const override {
    // Several times the usual answer: rare when all is well, soon when it is not.
    auto delay = Duration(static_cast<int64_t>(shard_.sessions_[peer.value()].pace_ns * 8));
    return std::clamp(delay, shard_.options_.hedge_min, shard_.options_.hedge_max);
  }
  bool TrackBehind(Peer peer) override {
    Session& session = shard_.sessions_[peer.value()];
    if (session.behind_keys >= shard_.options_.max_behind_keys) return false;
    ++session.behind_keys;
    return true;
  }
  void UntrackBehind(Peer peer, uint64_t keys) override {
    shard_.sessions_[peer.value()].behind_keys -= keys;
  }
  bool BeginRepair() override {
    if (shard_.repairs_ >= shard_.options_.max_repairs) return false;
    ++shard_.repairs_;
    return true;
  }
  void EndRepair() override { --shard_.repairs_; }
  void NeedTerm(GroupId group) override { shard_.NeedTerm(group); }
  void QueueSync(Sequencer* sequencer) override {
    if (sequencer->queued) return;
    sequencer->queued = true;
    shard_.waiting_syncs_.push_back(sequencer);
  }
  void Activate(Sequencer* sequencer) override {
    if (sequencer->active) return;
    sequencer->active = true;
    shard_.active_.push_back(sequencer);
  }
  void Ask(RowRequest request) override { shard_.requests_.push_back(request); }
  uint64_t NextCallId() override { return ++shard_.last_call_; }
  const ShardOptions& options() const override { return shard_.options_; }
  ShardStats& stats() override { return shard_.stats_; }

 private:
  Shard& shard_;
  v1::ReplicaOp apply_;
  v1::ReplicaOp read_;
};

LoadBalancerOptions ReadBalancing(const ShardOptions& options) {
  LoadBalancerOptions balancing;
  balancing.mode = LoadBalancerOptions::Mode::kRow;
  balancing.bound = options.read_bound;
  balancing.min_capacity = options.read_always;
  return balancing;
}

Shard::Shard(const ShardOptions& options, const Clock& clock, NodeTransport& transport,
             LoadBalancer& nodes)
    : options_(options),
      clock_(clock),
      transport_(transport),
      nodes_(nodes),
      picker_(nodes),
      lease_until_(kNever),
      host_(std::make_unique<Host>(*this)),
      outstanding_(std::make_unique<OutstandingOps>()),
      large_reads_(options.large_read_bytes),
      retry_budget_(options.spare_retries) {
  ReadClock();
  next_tick_ = next_watch_ = next_introduce_ = now_;
  next_stable_ = now_ + options.stable_interval;
  picker_.Offline();  // the rows are the grants'; nothing is looked up by key
}

Shard::~Shard() = default;

// ---- placement ------------------------------------------------------------------------------

void Shard::AddPeer(Peer peer, NodeId node, std::string address) {
  if (sessions_.size() <= peer.value()) sessions_.resize(peer.value() + 1);
  Result<ServerRef> server = nodes_.Find(node.value());
  RINGKV_CHECK(server.ok(), "nodes are registered with the balancer before they are peers");
  sessions_[peer.value()].server = *server;
  sessions_[peer.value()].node = std::move(node);
  sessions_[peer.value()].address = std::move(address);
}

void Shard::TakeGroup(const GroupGrant& grant) {
  ReadClock();
  const bool again = groups_.count(grant.group) != 0;
  if (again) EndGroup(grant.group);
  Group group;
  group.next_ask = again ? now_ + options_.term_pause : now_;
  group.id = grant.group;
  group.term = grant.term;
  group.owner = grant.owner;
  for (const SlotGrant& slot : grant.slots) {
    group.slots.push_back(slot.slot);
    auto made = std::make_unique<Sequencer>(*host_, grant, slot);
    if (by_slot_.size() <= slot.slot.value()) by_slot_.resize(slot.slot.value() + 1);
    by_slot_[slot.slot.value()] = made.get();
    RINGKV_CHECK(sequencers_.emplace(slot.slot, std::move(made)).second, "a slot is taken once");
  }
  FindPeers(group);
  const Group& kept = groups_.insert_or_assign(grant.group, std::move(group)).first->second;
  for (Peer peer : kept.peers) {
    if (sessions_[peer.value()].connected) SendPromise(sessions_[peer.value()], peer, kept);
  }
}

void Shard::PredecessorsGone() {
  ReadClock();
  for (auto& [slot, sequencer] : sequencers_) sequencer->PredecessorsGone();
}

// Whoever holds, or is to hold, or held an instance of any of its slots.
void Shard::FindPeers(Group& group) {
  group.peers.clear();
  for (SlotId slot : group.slots) {
    for (Peer peer : sequencers_.at(slot)->Peers()) {
      RINGKV_CHECK(peer.value() < sessions_.size(), "peers are added before groups");
      if (std::find(group.peers.begin(), group.peers.end(), peer) == group.peers.end()) {
        group.peers.push_back(peer);
      }
    }
  }
}

void Shard::AdoptRow(GroupId id, const SlotGrant& row) {
  ReadClock();
  auto found = groups_.find(id);
  if (found == groups_.end() || found->second.deposed) return;
  Group& group = found->second;
  Sequencer& sequencer = *sequencers_.at(row.slot);
  if (!sequencer.AdoptRow(row)) return;
  FindPeers(group);
  for (Peer peer : sequencer.Peers()) {
    Session& session = sessions_[peer.value()];
    if (!session.connected || sequencer.IsUsable(peer)) continue;
    auto promised = session.promised.find(id);
    if (promised == session.promised.end()) {
      SendPromise(session, peer, group);
    } else if (promised->second) {
      sequencer.Contact(peer, session.boot);
    }
  }
}

// Another ownership begins, of this shard's own. Nothing that is in flight under the old one must
// reach the new one's sequencers.
void Shard::EndGroup(GroupId id) {
  std::vector<std::unique_ptr<Sequencer>> ending;
  for (SlotId slot : groups_.at(id).slots) {
    by_slot_[slot.value()] = nullptr;
    auto node = sequencers_.extract(slot);
    ending.push_back(std::move(node.mapped()));
  }
  const std::vector<SlotId> slots = std::move(groups_.at(id).slots);
  groups_.erase(id);
  auto ended = [&](const Sequencer* sequencer) {
    return std::any_of(ending.begin(), ending.end(),
                       [&](const auto& one) { return one.get() == sequencer; });
  };
  std::erase_if(active_, ended);
  std::erase_if(waiting_syncs_, ended);
  outstanding_->EraseIf([&](const OutstandingOp& op) {
    const Expected& expected = op.expected;
    if (expected.kind == Expected::Kind::kStats) return false;
    if (expected.kind == Expected::Kind::kPromise) return expected.group == id;
    return std::find(slots.begin(), slots.end(), expected.slot) != slots.end();
  });
  for (const auto& sequencer : ending) sequencer->Depose();
}

void Shard::NeedTerm(GroupId id) {
  Group& group = groups_.at(id);
  const MonoTime now = now_;
  if (group.deposed || now < group.next_ask || !need_term_) return;
  if (FilledWithoutAQuorum(group).has_value()) return;  // asked again until then
  group.next_ask = now + options_.term_pause;
  TermRequest request;
  request.group = id;
  request.term = group.term;
  for (SlotId slot : group.slots) {
    if (sequencers_.at(slot)->WhyBlocked() == BlockedBy::kUnion) request.slots.push_back(slot);
  }
  need_term_(std::move(request));
}

std::optional<SlotId> Shard::FilledWithoutAQuorum(const Group& group) const {
  for (SlotId slot : group.slots) {
    if (sequencers_.at(slot)->FillsWithoutAQuorum()) return slot;
  }
  return std::nullopt;
}

const Shard::Group* Shard::GroupOf(SlotId slot) const {
  for (const auto& [id, group] : groups_) {
    if (std::find(group.slots.begin(), group.slots.end(), slot) != group.slots.end()) return &group;
  }
  return nullptr;
}

// ---- sessions -------------------------------------------------------------------------------

void Shard::OnConnected(Peer peer, Boot boot) {
  ReadClock();
  Session& session = sessions_[peer.value()];
  if (session.connected) OnDisconnected(peer);
  session.connected = true;
  session.suspected = false;
  session.boot = boot;
  session.stats.set_disk_full(false);  // as long as it says nothing
  session.last_heard = session.last_ping = now_;
  session.ticks_unheard = 0;
  session.promised.clear();
  for (const auto& [id, group] : groups_) {
    if (std::find(group.peers.begin(), group.peers.end(), peer) == group.peers.end()) continue;
    SendPromise(session, peer, group);
  }
}

void Shard::OnDisconnected(Peer peer) {
  ReadClock();
  Session& session = sessions_[peer.value()];
  if (!session.connected) return;
  session.connected = false;
  session.suspected = false;
  DropOutstanding(peer);
  for (auto& [slot, sequencer] : sequencers_) sequencer->OnPeerDown(peer);
}

void Shard::DropOutstanding(Peer peer) {
  outstanding_->EraseIf([peer](const OutstandingOp& op) { return op.peer == peer; });
}

bool Shard::SendOp(Peer peer, v1::ReplicaOp& op, Expected expected) {
  if (!sessions_[peer.value()].connected || outstanding_->full()) return false;
  op.set_op(outstanding_->NextId());
  expected.inc = Incarnation(op.inc());
  if (!transport_.Send(peer, op)) return false;
  outstanding_->Put({peer, std::move(expected), now_});
  return true;
}

void Shard::SendPromise(Session& session, Peer peer, const Group& group) {
  if (group.deposed) return;
  session.promised[group.id] = false;
  v1::ReplicaOp op;
  op.set_term(group.term.value());
  op.set_owner(group.owner.value());
  op.mutable_promise()->set_group(group.id.value());
  Expected expected;
  expected.kind = Expected::Kind::kPromise;
  expected.group = group.id;
  SendOp(peer, op, std::move(expected));
}

void Shard::OnPromiseReply(Peer peer, GroupId id, const v1::ReplicaOpReply& reply) {
  Group& group = groups_.at(id);
  if (reply.code() != v1::REPLICA_CODE_OK || group.deposed) return;
  Session& session = sessions_[peer.value()];
  if (session.promised[id]) return;
  session.promised[id] = true;
  for (SlotId slot : group.slots) {
    Sequencer& sequencer = *sequencers_.at(slot);
    if (sequencer.HasSeat(peer)) sequencer.Contact(peer, session.boot);
  }
}

void Shard::OnReplies(Peer peer, const v1::ReplicaBatchReply& batch) {
  ReadClock();
  Session& session = sessions_[peer.value()];
  // An answer of another process than the one contacted says nothing.
  if (!session.connected || Boot(batch.boot()) != session.boot) return;
  session.last_heard = now_;
  session.suspected = false;
  session.ticks_unheard = 0;
  for (const v1::ReplicaOpReply& reply : batch.replies()) OnReply(peer, reply);
}

void Shard::OnReply(Peer peer, const v1::ReplicaOpReply& reply) {
  std::optional<OutstandingOp> answered = outstanding_->Take(reply.op(), peer);
  if (!answered.has_value()) return;
  answered->expected.load.End();  // what the answer makes us ask comes after it
  Session& session = sessions_[peer.value()];
  const Expected& expected = answered->expected;
  if (expected.kind == Expected::Kind::kStats) {
    if (!reply.has_stats()) return;
    session.stats = reply.stats();
    for (const v1::DamagedKey& key : session.stats.damaged()) {
      Sequencer* owned = FindSequencer(SlotId(key.slot()));
      if (owned == nullptr) continue;
      owned->OnDamaged(peer, Incarnation(key.inc()), key.key());
    }
    session.stats.clear_damaged();
    return;
  }
  if (expected.kind == Expected::Kind::kRead) {
    double took = static_cast<double>((now_ - answered->sent).count());
    session.pace_ns += (took - session.pace_ns) / 16;
    retry_budget_.OnAnswer();
  }
  if (reply.code() == v1::REPLICA_CODE_STALE) {
    for (auto& [id, group] : groups_) {
      bool meant =
          expected.kind == Expected::Kind::kPromise
              ? id == expected.group
              : FindSequencer(expected.slot) != nullptr && GroupOf(expected.slot) == &group;
      if (meant && reply.promised_term() >= group.term.value()) return Depose(group);
    }
    return;
  }
  if (expected.kind == Expected::Kind::kPromise) return OnPromiseReply(peer, expected.group, reply);
  if (reply.code() == v1::REPLICA_CODE_NEED_PROMISE) {
    if (const Group* group = GroupOf(expected.slot)) session.promised[group->id] = false;
  }
  Sequencer* owner = FindSequencer(expected.slot);
  RINGKV_CHECK(owner != nullptr, "what a group has asked is forgotten with it");
  owner->OnReply(peer, expected, reply);
}

// R1, the other side: a node has promised a later term. Nothing of the group is ours any more.
void Shard::Depose(Group& group) {
  if (group.deposed) return;
  group.deposed = true;
  for (SlotId slot : group.slots) sequencers_.at(slot)->Depose();
}

// ---- clients --------------------------------------------------------------------------------

bool Shard::Admit(const ClientCall& call, size_t bytes) {
  if (calls_ < options_.max_calls && call_bytes_ + bytes <= options_.max_bytes) return true;
  ++stats_.overloaded;
  return false;
}

void Shard::Submit(ClientCall call) {
  ReadClock();
  Sequencer* owner = FindSequencer(call.slot);
  if (owner == nullptr) {
    return call.done(RefuseOp(
        call.op, v1::ERROR_CODE_UNAVAILABLE,
        "this router does not own slot " + std::to_string(call.slot.value()) + "; try again"));
  }
  size_t bytes = BytesOf(call.op);
  if (!Admit(call, bytes)) {
    return call.done(
        RefuseOp(call.op, v1::ERROR_CODE_OVERLOADED,
                 "the router has as many calls in flight as it takes; try again after a pause"));
  }
  ++calls_;
  call_bytes_ += bytes;
  call.done = [this, bytes, done = std::move(call.done)](v1::OpResult result) {
    --calls_;
    call_bytes_ -= bytes;
    done(std::move(result));
  };
  owner->Submit(std::move(call));
}

void Shard::SubmitScan(ScanCall call) {
  ReadClock();
  if (Sequencer* owner = FindSequencer(call.slot)) return owner->SubmitScan(std::move(call));
  ScanCall::Page page;
  page.status.set_outcome(v1::OUTCOME_NOT_APPLIED);
  page.status.set_code(v1::ERROR_CODE_UNAVAILABLE);
  page.status.set_message("this router does not own slot " + std::to_string(call.slot.value()) +
                          "; try again");
  call.done(std::move(page));
}

void Shard::LookAt(LookCall call) {
  ReadClock();
  if (Sequencer* owner = FindSequencer(call.slot)) return owner->SubmitLook(std::move(call));
  KeyLook none;
  none.status.set_outcome(v1::OUTCOME_NOT_APPLIED);
  none.status.set_code(v1::ERROR_CODE_UNAVAILABLE);
  none.status.set_message("this router does not own slot " + std::to_string(call.slot.value()));
  call.done(std::move(none));
}

// ---- time -----------------------------------------------------------------------------------

MonoTime Shard::NextDue() const {
  MonoTime due = std::min({next_watch_, next_introduce_, next_stable_});
  return active_.empty() && waiting_syncs_.empty() ? due : std::min(due, next_tick_);
}

void Shard::RunDue() {
  ReadClock();
  const MonoTime now = now_;
  if (next_watch_ <= now) {
    next_watch_ = now + options_.ping / 2;
    Watch();
  }
  if (next_introduce_ <= now) {
    next_introduce_ = now + options_.retransmit;
    Introduce();
  }
  if (next_stable_ <= now) {
    next_stable_ = now + options_.stable_interval;
    for (auto& [slot, sequencer] : sequencers_) {
      sequencer->AdvanceFloor();
      sequencer->AdvanceStable();
    }
  }
  if (next_tick_ > now) return;
  next_tick_ = now + options_.tick;
  for (Session& session : sessions_) ++session.ticks_unheard;
  RunSyncs();
  for (const LargeReads::Reader& reader : large_reads_.TakeTurns(now)) {
    if (Sequencer* owner = FindSequencer(reader.slot)) owner->OnRoom(reader.call);
  }
  for (size_t i = 0; i < active_.size(); ++i) active_[i]->Tick();
  std::erase_if(active_, [](Sequencer* sequencer) {
    if (!sequencer->idle()) return false;
    sequencer->active = false;
    return true;
  });
}

void Shard::RunSyncs() {
  if (waiting_syncs_.empty()) return;
  auto running = static_cast<size_t>(
      std::count_if(active_.begin(), active_.end(),
                    [](const Sequencer* sequencer) { return sequencer->TakesSyncPlace(); }));
  while (!waiting_syncs_.empty() && running < options_.max_syncs) {
    Sequencer* next = waiting_syncs_.front();
    waiting_syncs_.pop_front();
    next->queued = false;
    if (next->TakesSyncPlace()) --running;
    next->StartSyncs();
    if (next->TakesSyncPlace()) ++running;
  }
}

void Shard::Watch() {
  const MonoTime now = now_;
  for (size_t i = 0; i < sessions_.size(); ++i) {
    Session& session = sessions_[i];
    if (!session.connected) continue;
    Peer peer(static_cast<uint32_t>(i));
    if (now - session.last_ping >= options_.ping) {
      session.last_ping = now;
      v1::ReplicaOp op;
      op.mutable_stats();
      SendOp(peer, op, Expected{});
    }
    // A loop that has much to do hears late: what the node has said may stand in its own line.
    const bool looked = session.ticks_unheard >= kTicksToSuspect;
    if (!session.suspected && looked && now - session.last_heard >= options_.suspect) {
      session.suspected = true;
      for (auto& [slot, sequencer] : sequencers_) sequencer->OnPeerSlow(peer);
    }
  }
}

// What was not answered, or had to be taken back, is said again. Forgets questions that nobody will
// answer any more.
void Shard::Introduce() {
  const MonoTime now = now_;
  outstanding_->EraseIf(
      [&](const OutstandingOp& op) { return now - op.sent >= options_.retransmit * 40; });
  for (auto& [id, group] : groups_) {
    if (group.deposed) continue;
    for (Peer peer : group.peers) {
      Session& session = sessions_[peer.value()];
      if (!session.connected || session.suspected) continue;
      if (!session.promised[id]) {
        SendPromise(session, peer, group);
        continue;
      }
      for (SlotId slot : group.slots) {
        Sequencer& sequencer = *sequencers_.at(slot);
        if (sequencer.HasSeat(peer) && !sequencer.IsUsable(peer))
          sequencer.Contact(peer, session.boot);
      }
    }
  }
  for (auto& [slot, sequencer] : sequencers_) {
    if (sequencer->WantsSync()) host_->QueueSync(sequencer.get());
  }
}

}  // namespace ringkv
