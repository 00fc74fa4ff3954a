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

Duration SimCluster::DrawDelay() {
  if (random_.Chance(mix_.long_delay)) {
    ++counts_.messages_late;
    return Duration(random_.Between(1'000'000, mix_.latest.count()));
  }
  return microseconds(20) + Duration(static_cast<int64_t>(random_.Unit() * mix_.delay.count()));
}

void SimCluster::Deliver(uint64_t router, int node, std::function<void()> arrive) {
  if (const Router* at = RouterOf(router); at != nullptr && at->cut_off.contains(node)) {
    ++counts_.messages_lost;
    return;
  }
  Deliver(node, std::move(arrive));
}

// To or from a node: lost, late or twice.
void SimCluster::Deliver(int node, std::function<void()> arrive) {
  if (nodes_[node]->cut_off || (faults_on_ && random_.Chance(mix_.loss))) {
    ++counts_.messages_lost;
    return;
  }
  if (faults_on_ && random_.Chance(mix_.duplication)) {
    ++counts_.messages_duplicated;
    scheduler_.After(DrawDelay(), arrive);
  }
  scheduler_.After(DrawDelay(), std::move(arrive));
}

void SimCluster::DeliverBetween(int from, int to, std::function<void()> arrive) {
  if (nodes_[from]->cut_off) {
    ++counts_.messages_lost;
    return;
  }
  Deliver(to, std::move(arrive));
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
      DeliverBetween(i, source,
                     [this, i, source, op, asker] { OnQuestion(i, source, *op, asker); });
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
  Status status = source.replica->Execute(ops, &replies);
  RINGKV_CHECK(status.ok(), "the simulated disk works");
  Trace([&] {
    return source.id + " answers " + nodes_[from]->id + " {" + op.ShortDebugString() + "} {" +
           replies[0].ShortDebugString() + "}";
  });
  auto answer = std::make_shared<v1::ReplicaOpReply>(std::move(replies[0]));
  // The process that asked is the one that gets the answer: a connection ends with it.
  DeliverBetween(to, from, [this, from, answer, boot = source.boot, asker] {
    Node& target = *nodes_[from];
    if (target.generation != asker || !target.up || target.replica == nullptr) return;
    Status taken = target.replica->OnSyncAnswer(boot, *answer);
    RINGKV_CHECK(taken.ok(), "the simulated disk works");
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
    Deliver(router.generation, node, [this, node, batch, generation = router.generation] {
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
  Status status = node.replica->Execute(ops, &replies);
  RINGKV_CHECK(status.ok(), "the simulated disk works");
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
  if (syncs == Duration{}) return Deliver(router, i, arrive);
  scheduler_.After(syncs, [this, i, router, arrive, generation = node.generation] {
    if (nodes_[i]->generation == generation && nodes_[i]->up) Deliver(router, i, arrive);
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
  bool answers = node.up && node.replica != nullptr && !node.cut_off &&
                 !router.cut_off.contains(i) && node.stalled_until <= scheduler_.now();
  bool dead = !node.up && random_.Chance(0.5);
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
  MonoTime due =
      std::max(std::min(router.shard->NextDue(), router.membership->NextDue()), scheduler_.now());
  if (router.timer_at != kNever && router.timer_at <= due) return;
  router.timer_at = due;
  scheduler_.At(due, [this, generation = router.generation, due] {
    OnRouter(generation, [this, due](Router& at) {
      if (at.timer_at != due) return;
      at.timer_at = kNever;
      RouterEvent(at, [&] {
        if (at.membership->NextDue() <= scheduler_.now()) at.membership->RunDue();
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
    RouterEvent(at, [&] { at.shard->LookAt(call); });
  });
}

Store* SimCluster::ReachableStore(int i) {
  Node& node = *nodes_[i];
  const bool answers = node.up && node.replica != nullptr && !node.cut_off &&
                       (router_ == nullptr || !router_->cut_off.contains(i)) &&
                       node.stalled_until <= scheduler_.now();
  return answers ? &node.store : nullptr;
}

// ---- nodes ----------------------------------------------------------------------------------

void SimCluster::StartNode(int i) {
  Node& node = *nodes_[i];
  node.up = true;
  ++node.generation;
  BootOptions options;
  options.node = NodeId::Parse(node.id).value();
  options.address = "127.0.0.1:" + std::to_string(7500 + 10 * i);
  options.version = "sim";
  options.fresh_store_uuid = std::string(12, 's') + std::to_string(1000 + node.disks);
  options.kernel_boot_id = node.kernel_boot_id;
  options.synced_writes = mix_.synced_writes;
  node.boot_sequence = std::make_unique<BootSequence>(node.store, random_, options);
  Trace([&] { return node.id + " starts"; });
  TakeStep(i, node.boot_sequence->Begin());
  if (!mix_.synced_writes) SyncLoop(i, node.generation);
  SweepLoop(i, node.generation);
}

void SimCluster::TakeStep(int i, Result<BootStep> step) {
  Node& node = *nodes_[i];
  if (!step.ok()) return Violate(node.id + " cannot start: " + step.status().ToString());
  switch (step->kind) {
    case BootStep::Kind::kAsk:
      return Ask(i, step->request);
    case BootStep::Kind::kAskLater:
      node.asking = 0;  // answered; another copy of the answer finds nobody
      scheduler_.After(milliseconds(random_.Between(50, 200)),
                       [this, i, request = step->request, generation = node.generation] {
                         const Node& waits = *nodes_[i];
                         const bool idle = waits.generation == generation && waits.up;
                         if (idle && waits.asking == 0) Ask(i, request);
                       });
      return;
    case BootStep::Kind::kServe: {
      const Registered& registered = node.boot_sequence->registered();
      node.boot = registered.boot;
      Replica::Options options;
      options.slots = registered.slots;
      options.groups = registered.groups;
      options.boot = registered.boot;
      options.sync_writes = mix_.synced_writes;
      std::vector<GroupId> groups;
      for (uint32_t g = 0; g < registered.groups; ++g) groups.push_back(GroupId(g));
      auto replica = Replica::Open(node.store, options, groups);
      RINGKV_CHECK(replica.ok(), replica.status().message());
      node.replica = std::move(*replica);
      DropLater(i);
      // Before it has ever served it had nothing to lose; but the others may all have.
      const bool first = !std::exchange(node.served, true);
      if (first) {
        std::erase_if(node.lost, [this](uint32_t slot) { return !AllLost(SlotId(slot)); });
        node.nothing_lost = node.lost;
      }
      for (uint32_t slot : node.lost) {
        if (!node.nothing_lost.contains(slot) && node.replica->Votes(SlotId(slot)) &&
            RINGKV_RULE(kRegressedDoesNotVote)) {
          Violate("I9: slot " + std::to_string(slot) + " of " + node.id +
                  " votes although it lost acknowledged writes");
        }
      }
      Trace([&] { return node.id + " serves, boot " + std::to_string(node.boot.value()); });
      return;
    }
    case BootStep::Kind::kMoveAside:
      Trace([&] { return node.id + " moves its disk aside: " + step->reason; });
      if (!node.old_disk) Violate(node.id + " moves the disk aside that it ran on");
      node.old_disk = false;
      NewDisk(i);
      return StartNode(i);
    default:
      return Violate(node.id + " refuses to start: " + step->reason);
  }
}

// Asks the router to register, again and again until an answer comes.
void SimCluster::Ask(int i, const v1::RegisterRequest& request) {
  Node& node = *nodes_[i];
  node.asking = request.nonce();
  const uint64_t ask = ++node.asks;
  uint64_t generation = node.generation;
  Deliver(i, [this, i, request, generation] {
    const Router* to = AnyRouter();
    if (to == nullptr || to->cut_off.contains(i)) return;
    OnRouter(to->generation, [this, i, request, generation](Router& router) {
      auto done = [this, i, generation, router = router.generation,
                   nonce = request.nonce()](Result<v1::RegisterReply> answer) {
        RINGKV_CHECK(answer.ok(), answer.status().message());
        auto reply = std::make_shared<v1::RegisterReply>(std::move(*answer));
        Deliver(router, i, [this, i, reply, generation, nonce] {
          Node& to = *nodes_[i];
          // An answer of an earlier process, or a second one, finds nobody who waits for it.
          if (to.generation != generation || !to.up || to.replica != nullptr) return;
          if (to.asking != nonce) return;  // a call's answer goes to that call
          TakeStep(i, to.boot_sequence->OnReply(*reply));
        });
      };
      RouterEvent(router, [&] { router.membership->Register(request, done); });
    });
  });
  scheduler_.After(milliseconds(random_.Between(100, 300)), [this, i, request, generation, ask] {
    Node& again = *nodes_[i];
    bool waits = again.generation == generation && again.up && again.replica == nullptr;
    if (waits && again.asking == request.nonce() && again.asks == ask) Ask(i, request);
  });
}

void SimCluster::SyncLoop(int i, uint64_t generation) {
  scheduler_.After(mix_.sync_interval, [this, i, generation] {
    Node& node = *nodes_[i];
    if (node.generation != generation || !node.up) return;
    if (node.stalled_until <= scheduler_.now()) (void)node.store.Sync();
    SyncLoop(i, generation);
  });
}

void SimCluster::SweepLoop(int i, uint64_t generation) {
  scheduler_.After(milliseconds(100), [this, i, generation] {
    Node& node = *nodes_[i];
    if (node.generation != generation || !node.up) return;
    if (node.replica != nullptr && node.stalled_until <= scheduler_.now()) {
      auto swept = node.replica->SweepStep(scheduler_.now());
      if (!swept.ok()) Violate(node.id + " cannot sweep: " + swept.status().ToString());
    }
    SweepLoop(i, generation);
  });
}

void SimCluster::CrashNode(int i, Disk disk) {
  Node& node = *nodes_[i];
  Trace([&] {
    const char* how[] = {" dies", " loses power", " loses power and its tail",
                         " dies, its disk is empty", " dies, its disk is an old copy"};
    return node.id + how[static_cast<int>(disk)];
  });
  node.up = false;
  node.stalled_until = MonoTime{};
  if (node.replica != nullptr) Add(node.replica->stats(), &node.past_stats);
  node.replica.reset();
  node.boot_sequence.reset();
  switch (disk) {
    case Disk::kKept:
      return node.store.Crash();
    case Disk::kPowerLost:
      node.store.CrashLosingUnsynced(random_.Below(node.store.unsynced_batches() + 1));
      if (RINGKV_RULE(kRegressedDoesNotVote)) node.kernel_boot_id += "+";
      break;
    case Disk::kTailLost:
      node.store.CrashLosingUnsynced(0);
      node.kernel_boot_id += "+";
      break;
    case Disk::kWiped:
      NewDisk(i);
      break;
    case Disk::kOldCopy:
      node.store.Restore(*node.copy);
      node.retired.clear();
      node.old_disk = true;
      break;
  }
  // Under `periodic` nobody can tell after a loss of power whether something is missing.
  const bool power = disk == Disk::kPowerLost || disk == Disk::kTailLost;
  if (!power || !mix_.synced_writes) {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      node.lost.insert(slot);
      node.nothing_lost.erase(slot);
      if (!power && disk != Disk::kKept) node.emptied.insert(slot);
      if (AllLost(SlotId(slot))) NoteWhatIsLeft(SlotId(slot), Holders(SlotId(slot)));
    }
  }
  for (const auto& [key, version] : committed_) CheckCommitted(key, /*released=*/false);
}

void SimCluster::NewDisk(int i) {
  nodes_[i]->store.Wipe();
  nodes_[i]->retired.clear();
  ++nodes_[i]->disks;
}

void SimCluster::LosePowerEverywhere() {
  ++counts_.total_losses;
  for (size_t i = 0; i < nodes_.size(); ++i) CrashNode(static_cast<int>(i), Disk::kPowerLost);
}

void SimCluster::CopyDisk(int i) {
  nodes_[i]->copy = nodes_[i]->store.Snapshot();
  nodes_[i]->copy_boot = nodes_[i]->boot;
}

bool SimCluster::CorruptRecord(int i, const std::string& key) {
  const SlotId slot = SlotFor(key);
  return nodes_[i]->store.CorruptRecord({slot, InstanceOn(i, slot), key});
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

void SimCluster::RestartRouter() {
  if (router_ != nullptr) CrashRouter();
  StartRouter();
}

// ---- faults ---------------------------------------------------------------------------------

void SimCluster::StartFaults() {
  faults_on_ = true;
  NextFault();
}

void SimCluster::NextFault() {
  auto pause = Duration(static_cast<int64_t>((0.5 + random_.Unit()) * mix_.between_faults.count()));
  scheduler_.After(pause, [this] {
    if (!faults_on_) return;
    InjectFault();
    NextFault();
  });
}

void SimCluster::InjectFault() {
  std::vector<int> kinds;
  if (mix_.node_crash) kinds.push_back(0);
  if (mix_.power_loss) kinds.push_back(1);
  if (mix_.router_crash) kinds.push_back(2);
  if (mix_.partition) kinds.push_back(3);
  if (mix_.stall) kinds.push_back(4);
  if (mix_.wipe) kinds.push_back(5);
  if (mix_.old_copy) kinds.push_back(6);
  if (mix_.topology) kinds.push_back(7);
  if (mix_.total_loss) kinds.push_back(8);
  if (mix_.takeover) kinds.insert(kinds.end(), {9, 9, 10, 11});
  if (mix_.removals) kinds.insert(kinds.end(), {12, 12});
  int kind = kinds[random_.Below(kinds.size())];
  if (kind == 7) return ChangeTopology();
  int i = static_cast<int>(random_.Below(nodes_.size()));
  const bool loses = kind == 5 || kind == 6 || (kind == 1 && !mix_.synced_writes);
  if (loses) {
    // A minority of the disks may have lost something at any time, but for losses of all power; and
    // a minority all of it.
    for (const auto& n : nodes_) ForgetLostElsewhere(*n);
    auto lost =
        std::find_if(nodes_.begin(), nodes_.end(), [](const auto& n) { return !n->lost.empty(); });
    auto emptied = std::find_if(nodes_.begin(), nodes_.end(),
                                [](const auto& n) { return !n->emptied.empty(); });
    if (emptied != nodes_.end() && kind != 1) lost = emptied;
    if (lost != nodes_.end()) i = static_cast<int>(lost - nodes_.begin());
  }
  Node& node = *nodes_[i];
  Duration outage =
      milliseconds(random_.Chance(0.7) ? random_.Between(5, 800) : random_.Between(800, 3000));
  outage = std::min(outage, mix_.longest_outage);
  if (kind == 6 && (node.copy == nullptr || node.copy_boot == node.boot)) {
    // A copy of the present start cannot be told from the disk itself.
    if (node.up && node.replica != nullptr && node.copy == nullptr) CopyDisk(i);
    return;
  }
  if (kind == 8) return LoseAllPower();
  if (kind == 9) return TakeOverForAWhile(outage);
  if (kind == 12) return TakeOverAndRemove(outage);
  if (kind >= 10) {
    if (router_ == nullptr) return;
    return kind == 10 ? PauseForAWhile(router_->generation, outage)
                      : SendMetadataAway(router_->generation, outage);
  }
  if (kind <= 1 || kind >= 5) {
    if (!node.up) return;
    switch (kind) {
      case 0:
        ++counts_.node_crashes;
        CrashNode(i, Disk::kKept);
        break;
      case 1:
        ++counts_.power_losses;
        CrashNode(i, Disk::kPowerLost);
        break;
      case 5:
        ++counts_.wipes;
        CrashNode(i, Disk::kWiped);
        break;
      default:
        ++counts_.old_copies;
        CrashNode(i, Disk::kOldCopy);
        node.copy = nullptr;
    }
    scheduler_.After(outage, [this, i] {
      if (!nodes_[i]->up) StartNode(i);
    });
  } else if (kind == 2) {
    if (router_ == nullptr) return;
    ++counts_.router_crashes;
    CrashRouter();
    scheduler_.After(outage, [this] {
      if (router_ == nullptr) StartRouter();
    });
  } else if (kind == 3) {
    if (node.cut_off) return;
    ++counts_.partitions;
    node.cut_off = true;
    Trace([&] { return node.id + " is cut off"; });
    scheduler_.After(outage, [this, i] { nodes_[i]->cut_off = false; });
  } else {
    ++counts_.stalls;
    node.stalled_until = scheduler_.now() + outage;
    Trace([&] { return node.id + " stalls"; });
  }
}

Duration SimCluster::DrawOutage() {
  return milliseconds(5) +
         Duration(static_cast<int64_t>(random_.Unit() * mix_.longest_loss.count()));
}

// Power comes back for one after the other.
void SimCluster::LoseAllPower() {
  LosePowerEverywhere();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    scheduler_.After(DrawOutage(), [this, i] {
      if (!nodes_[i]->up) StartNode(static_cast<int>(i));
    });
  }
  if (router_ == nullptr || random_.Chance(0.6)) return;
  CrashRouter();
  scheduler_.After(DrawOutage(), [this] {
    if (router_ == nullptr) StartRouter();
  });
}

void SimCluster::Heal() {
  faults_on_ = false;
  Trace([] { return std::string("the faults stop"); });
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->cut_off = false;
    nodes_[i]->stalled_until = MonoTime{};
    if (!nodes_[i]->up) StartNode(static_cast<int>(i));
  }
  for (uint64_t generation : {router_generation(), former_generation()}) {
    Router* router = RouterOf(generation);
    if (router == nullptr) continue;
    router->cut_off.clear();
    router->metadata_away = false;
    ResumeRouter(generation);
  }
  if (router_ == nullptr) StartRouter();
  const v1::MigrationRecord* current = state_->CurrentMigration();
  if (current != nullptr && current->state() == v1::MIGRATION_STATE_PAUSED)
    Order(MigrationOrder::kResume);
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
