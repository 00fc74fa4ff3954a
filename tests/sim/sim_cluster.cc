#include "tests/sim/sim_cluster.h"

#include <algorithm>
#include <array>

#include "base/logging.h"
#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "migration/version_proto.h"
#include "ring/hash.h"
#include "router/cluster_txns.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_transport.h"

namespace ringkv {

using std::chrono::microseconds;
using std::chrono::milliseconds;

SimCluster::SimCluster(Scheduler& scheduler, Random& random, const FaultMix& mix)
    : scheduler_(scheduler),
      random_(random),
      mix_(mix),
      metadata_(std::make_shared<SimulatedMetadata::Contents>()) {
  FormationRequest formation;
  formation.uuid = std::string(kUuidBytes, 'c');
  formation.replicas = static_cast<uint32_t>(mix.replicas);
  formation.slots = kSlots;
  formation.groups = mix.groups;
  static const bool quiet = (SetUpLogging(LogLevel::kOff), true);
  (void)quiet;
  for (int i = 0; i < mix.nodes + mix.spare; ++i) {
    auto node = std::make_unique<Node>();
    node->id = "n" + std::to_string(i + 1);
    if (i >= mix.nodes) {
      nodes_.push_back(std::move(node));
      continue;
    }
    NodeEntry entry;
    entry.id = NodeId::Parse(node->id).value();
    entry.address = "127.0.0.1:" + std::to_string(7500 + 10 * i);
    formation.nodes.push_back(entry);
    nodes_.push_back(std::move(node));
  }
  auto formed = FormCluster(formation);
  RINGKV_CHECK(formed.ok(), formed.status().message());
  SimulatedMetadata store(metadata_);
  store.Commit(*formed,
               [](Result<bool> done) { RINGKV_CHECK(done.ok() && *done, "forming works"); });
  StartRouter();
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    StartNode(i);
    PollLink(i);
  }
  CheckAllLoop();
}

SimCluster::~SimCluster() = default;

SlotId SimCluster::SlotFor(const std::string& key) const { return SlotOf(TokenOf(key), kSlots); }

// ---- network --------------------------------------------------------------------------------

Duration SimCluster::DrawDelay(int from, int to) {
  Duration clogged{};
  for (int end : {from, to}) {
    if (end == kRouters || nodes_[end]->clogged == Duration{}) continue;
    clogged += Duration(static_cast<int64_t>(random_.Unit() * nodes_[end]->clogged.count()));
  }
  if (random_.Chance(mix_.long_delay)) {
    ++counts_.messages_late;
    return clogged + Duration(random_.Between(1'000'000, mix_.latest.count()));
  }
  return clogged + microseconds(20) +
         Duration(static_cast<int64_t>(random_.Unit() * mix_.delay.count()));
}

// Lost, late or twice.
void SimCluster::Deliver(int from, int to, std::function<void()> arrive) {
  auto cut_off = [this](int end) { return end != kRouters && nodes_[end]->cut_off; };
  if (cut_off(from) || cut_off(to) || IsClosed(from, to) ||
      (faults_on_ && random_.Chance(mix_.loss))) {
    ++counts_.messages_lost;
    return;
  }
  if (faults_on_ && random_.Chance(mix_.duplication)) {
    ++counts_.messages_duplicated;
    scheduler_.After(DrawDelay(from, to), arrive);
  }
  scheduler_.After(DrawDelay(from, to), std::move(arrive));
}

void SimCluster::ToNode(const Router& router, int node, std::function<void()> arrive) {
  if (router.cut_off.contains(node)) {
    ++counts_.messages_lost;
    return;
  }
  Deliver(kRouters, node, std::move(arrive));
}

void SimCluster::FromNode(int node, uint64_t router, std::function<void()> arrive) {
  if (const Router* at = RouterOf(router); at != nullptr && at->cut_off.contains(node)) {
    ++counts_.messages_lost;
    return;
  }
  Deliver(node, kRouters, std::move(arrive));
}

// And is reached by it.
bool SimCluster::Reaches(const Router* router, int i) const {
  return !nodes_[i]->cut_off && !IsClosed(kRouters, i) && !IsClosed(i, kRouters) &&
         (router == nullptr || !router->cut_off.contains(i));
}

// What a replica asks of another node, as the source of a sync.
void SimCluster::SendQuestions(int i) {
  for (SyncQuestion& question : nodes_[i]->replica->TakeQuestions()) {
    auto to = std::find_if(nodes_.begin(), nodes_.end(),
                           [&](const auto& node) { return node->id == question.node; });
    RINGKV_CHECK(to != nodes_.end(), "a source is a node of the cluster");
    const int source = static_cast<int>(to - nodes_.begin());
    auto op = std::make_shared<v1::ReplicaOp>(std::move(question.op));
    const uint64_t asker = nodes_[i]->generation;
    if (hold_questions_ == SlotId(op->slot())) {
      held_questions_.push_back({i, source, op, asker});
    } else {
      Deliver(i, source, [this, i, source, op, asker] { OnQuestion(i, source, *op, asker); });
    }
  }
}

void SimCluster::HoldQuestions(std::optional<SlotId> slot) {
  hold_questions_ = slot;
  if (slot.has_value()) return;
  for (const Question& held : std::exchange(held_questions_, {})) {
    OnQuestion(held.from, held.to, *held.op, held.asker);
  }
}

int SimCluster::AskedNode(SlotId slot, int node) const {
  for (auto held = held_questions_.rbegin(); held != held_questions_.rend(); ++held) {
    if (held->from == node && held->op->slot() == slot.value()) return held->to;
  }
  return -1;
}

void SimCluster::OnQuestion(int from, int to, const v1::ReplicaOp& op, uint64_t asker) {
  Node& source = *nodes_[to];
  if (!source.up || source.replica == nullptr) return;
  if (source.stalled_until > scheduler_.now()) {
    scheduler_.At(source.stalled_until,
                  [this, from, to, op, asker, generation = source.generation] {
                    if (nodes_[to]->generation == generation) OnQuestion(from, to, op, asker);
                  });
    return;
  }
  std::vector<v1::ReplicaOpReply> replies;
  const v1::ReplicaOp* ops[] = {&op};
  if (!WithDisk(to, [&] { return source.replica->Execute(ops, &replies); })) return;
  Trace([&] {
    return source.id + " answers " + nodes_[from]->id + " {" + op.ShortDebugString() + "} {" +
           replies[0].ShortDebugString() + "}";
  });
  auto answer = std::make_shared<v1::ReplicaOpReply>(std::move(replies[0]));
  // The process that asked is the one that gets the answer: a connection ends with it.
  Deliver(to, from, [this, from, answer, boot = source.boot, asker] {
    Node& target = *nodes_[from];
    if (target.generation != asker || !target.up || target.replica == nullptr) return;
    if (!WithDisk(from, [&] { return target.replica->OnSyncAnswer(boot, *answer); })) return;
    SendQuestions(from);
  });
}

void SimCluster::Flush(Router& router) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    std::shared_ptr<v1::ReplicaBatch> batch = router.transport->Take(i);
    if (batch == nullptr) continue;
    int node = static_cast<int>(i);
    if (lose_) {
      for (int k = batch->ops_size() - 1; k >= 0; --k) {
        if (lose_(node, batch->ops(k))) batch->mutable_ops()->DeleteSubrange(k, 1);
      }
    }
    // Answers go to the router process that asked.
    ToNode(router, node, [this, node, batch, generation = router.generation] {
      OnBatch(node, *batch, generation);
    });
  }
}

namespace {

bool AnySyncs(const v1::ReplicaBatch& batch) {
  return std::any_of(batch.ops().begin(), batch.ops().end(), [](const v1::ReplicaOp& op) {
    return !op.has_stats() && !op.has_read() && !op.has_scan() && !op.has_pull() &&
           !op.has_contact();
  });
}

}  // namespace

void SimCluster::OnBatch(int i, const v1::ReplicaBatch& batch, uint64_t router) {
  Node& node = *nodes_[i];
  if (!node.up || node.replica == nullptr) return;
  if (node.stalled_until > scheduler_.now() && node.sync_began != scheduler_.now()) {
    auto later = std::make_shared<v1::ReplicaBatch>(batch);
    uint64_t generation = node.generation;
    scheduler_.At(node.stalled_until, [this, i, later, generation, router] {
      if (nodes_[i]->generation == generation) OnBatch(i, *later, router);
    });
    return;
  }
  // Whatever arrives during a sync is done at its end, with one more for all of it.
  Duration syncs{};
  if (node.sync_time != Duration{} && AnySyncs(batch)) {
    syncs = node.sync_time;
    node.stalled_until = scheduler_.now() + syncs;
    node.sync_began = scheduler_.now();
  }
  std::vector<const v1::ReplicaOp*> ops;
  std::vector<const v1::ReplicaOp*> stats;
  for (const v1::ReplicaOp& op : batch.ops()) (op.has_stats() ? stats : ops).push_back(&op);
  std::vector<v1::ReplicaOpReply> replies;
  const std::map<uint32_t, v1::DiskPromise> promises = PromisesOf(node, batch);
  if (!WithDisk(i, [&] { return node.replica->Execute(ops, &replies); })) {
    NoteLateApplies(batch);
    return NoteReinstated(RouterOf(router), i, batch, WrittenBeforeTheError(i, batch));
  }
  CheckServed(i, promises, batch, replies);
  NoteLateApplies(batch);
  NoteReinstated(RouterOf(router), i, batch, replies);
  NoteRetired(i, batch, replies);
  SendQuestions(i);
  DropLater(i);
  auto answer = std::make_shared<v1::ReplicaBatchReply>();
  answer->set_boot(node.boot.value());
  for (v1::ReplicaOpReply& reply : replies) answer->add_replies()->Swap(&reply);
  for (const v1::ReplicaOp* op : stats) {
    v1::ReplicaOpReply* reply = answer->add_replies();
    reply->set_op(op->op());
    reply->mutable_stats();
    if (node.scrub == nullptr) continue;
    for (const v1::DamagedKey& key : node.scrub->damaged()) {
      *reply->mutable_stats()->add_damaged() = key;
    }
  }
  Trace([&] {
    std::string text = node.id + " executes";
    for (int k = 0; k < batch.ops_size() && k < 6; ++k)
      text += " {" + batch.ops(k).ShortDebugString() + "}";
    return text;
  });
  auto arrive = [this, i, answer, router] {
    OnRouter(router, [this, i, answer](Router& at) {
      if (!at.links[i].peer.has_value()) return;
      RouterEvent(at, [&] { at.shard->OnReplies(*at.links[i].peer, *answer); });
    });
  };
  if (hold_answers_ && std::any_of(batch.ops().begin(), batch.ops().end(), hold_answers_)) {
    return held_answers_.push_back(arrive);
  }
  if (syncs == Duration{}) return FromNode(i, router, arrive);
  scheduler_.After(syncs, [this, i, router, arrive, generation = node.generation] {
    if (nodes_[i]->generation == generation && nodes_[i]->up) FromNode(i, router, arrive);
  });
}

void SimCluster::PollLink(int i) {
  scheduler_.After(milliseconds(random_.Between(20, 100)), [this, i] { PollLink(i); });
  if (router_ != nullptr) PollLink(*router_, i);
  if (former_ != nullptr) PollLink(*former_, i);
}

// The link notices sooner or later that the node's process died, is another one, or is back.
void SimCluster::PollLink(Router& router, int i) {
  const Node& node = *nodes_[i];
  Router::Link& link = router.links[i];
  if (!link.peer.has_value() || router.paused) return;
  const Peer peer = *link.peer;
  bool answers = node.up && node.replica != nullptr && Reaches(&router, i) &&
                 node.stalled_until <= scheduler_.now();
  bool dead = !node.up && random_.Chance(0.5);
  // Sooner or later one of them misses what the other one has to answer.
  if (IsClosed(kRouters, i) || IsClosed(i, kRouters)) dead |= random_.Chance(0.2);
  if (link.connected && (dead || (answers && node.boot != link.boot))) {
    link.connected = false;
    Trace([&] { return "router: link to " + node.id + " is down"; });
    RouterEvent(router, [&] { router.shard->OnDisconnected(peer); });
  }
  if (!link.connected && answers) {
    link.connected = true;
    link.boot = node.boot;
    link.since = scheduler_.now();
    Trace([&] {
      return "router: link to " + node.id + " is up, boot " + std::to_string(node.boot.value());
    });
    RouterEvent(router, [&] { router.shard->OnConnected(peer, node.boot); });
  }
}

void SimCluster::DeliverLate(int i, const v1::ReplicaOp& op) {
  v1::ReplicaBatch batch;
  *batch.add_ops() = op;
  OnBatch(i, batch, /*router=*/0);
}

void SimCluster::HoldAnswers(std::function<bool(const v1::ReplicaOp& op)> to) {
  hold_answers_ = std::move(to);
  if (hold_answers_) return;
  for (const auto& arrive : std::exchange(held_answers_, {})) arrive();
}

// ---- routers --------------------------------------------------------------------------------

// The loop of a router's process: an event, what it makes the slots want, and what leaves for the
// nodes and the metadata store.
void SimCluster::RouterEvent(Router& router, const std::function<void()>& event) {
  event();
  for (auto requests = router.shard->TakeRequests(); !requests.empty();
       requests = router.shard->TakeRequests()) {
    router.membership->OnRowRequests(requests);
  }
  Flush(router);
  ScheduleMetadata(router);
  LookAtMetadata();
  ArmTimer(router);
}

void SimCluster::ArmTimer(Router& router) {
  const MonoTime local = std::min(router.shard->NextDue(), router.membership->NextDue());
  const MonoTime due = std::max(router.clock->Real(local), scheduler_.now());
  if (router.timer_at != kNever && router.timer_at <= due) return;
  router.timer_at = due;
  scheduler_.At(due, [this, generation = router.generation, due] {
    OnRouter(generation, [this, due](Router& at) {
      if (at.timer_at != due) return;
      at.timer_at = kNever;
      RouterEvent(at, [&] {
        if (at.membership->NextDue() <= at.clock->Now()) at.membership->RunDue();
        at.shard->RunDue();
      });
    });
  });
}

uint64_t SimCluster::Submit(ClientCall call) {
  RINGKV_CHECK(router_ != nullptr, "only a running router takes calls");
  SubmitTo(router_->generation, std::move(call));
  return router_->generation;
}

void SimCluster::SubmitTo(uint64_t generation, ClientCall call) {
  RINGKV_CHECK(RouterAlive(generation), "only a running router takes calls");
  auto shared = std::make_shared<ClientCall>(std::move(call));
  OnRouter(generation, [this, shared](Router& at) {
    shared->deadline = at.clock->Local(shared->deadline);
    RouterEvent(at, [&] { at.shard->Submit(std::move(*shared)); });
  });
}

std::vector<SlotId> SimCluster::AllSlots() const {
  std::vector<SlotId> slots;
  for (uint32_t slot = 0; slot < kSlots; ++slot) slots.push_back(SlotId(slot));
  return slots;
}

SlotReport SimCluster::Describe(SlotId slot) const {
  return router_ == nullptr ? SlotReport() : router_->shard->Describe(slot);
}

SlotReport SimCluster::DescribeAt(uint64_t generation, SlotId slot) const {
  const Router* router = RouterOf(generation);
  return router == nullptr ? SlotReport() : router->shard->Describe(slot);
}

void SimCluster::LookAt(LookCall call) {
  if (router_ == nullptr) return;
  OnRouter(router_->generation, [this, call = std::move(call)](Router& at) {
    LookCall local = call;
    local.deadline = at.clock->Local(call.deadline);
    RouterEvent(at, [&] { at.shard->LookAt(std::move(local)); });
  });
}

Store* SimCluster::ReachableStore(int i) {
  Node& node = *nodes_[i];
  const bool answers = node.up && node.replica != nullptr && Reaches(router_.get(), i) &&
                       node.stalled_until <= scheduler_.now();
  return answers ? &node.store : nullptr;
}

ShardStats SimCluster::shard_stats() const {
  ShardStats stats = past_stats_;
  for (const Router* router : {router_.get(), former_.get()}) {
    if (router != nullptr) Add(router->shard->stats(), &stats);
  }
  return stats;
}

ReplicaStats SimCluster::replica_stats() const {
  ReplicaStats stats;
  for (const auto& node : nodes_) {
    Add(node->past_stats, &stats);
    if (node->replica != nullptr) Add(node->replica->stats(), &stats);
  }
  return stats;
}

void SimCluster::Violate(std::string what) {
  Trace([&] { return "VIOLATION " + what; });
  if (violation_.empty()) violation_ = std::move(what);
}

void SimCluster::Trace(const std::function<std::string()>& text) {
  if (!trace_) return;
  char time[32];
  std::snprintf(time, sizeof time, "%12.6f ", static_cast<double>(scheduler_.now().ns) / 1e9);
  trace_(time + text());
}

}  // namespace ringkv
