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

void Add(const ShardStats& from, ShardStats* to) {
  to->single_reads += from.single_reads;
  to->spread_reads += from.spread_reads;
  to->quorum_reads += from.quorum_reads;
  to->hedged_reads += from.hedged_reads;
  to->awaited_commits += from.awaited_commits;
  to->node_reads += from.node_reads;
  to->write_backs += from.write_backs;
  to->commits += from.commits;
  to->unknown += from.unknown;
  to->retransmits += from.retransmits;
  to->repairs += from.repairs;
  to->overflows += from.overflows;
  to->overloaded += from.overloaded;
  to->syncs += from.syncs;
  to->comparisons += from.comparisons;
  to->syncs_done += from.syncs_done;
  to->syncs_aborted += from.syncs_aborted;
  to->source_changes += from.source_changes;
  to->resolved += from.resolved;
  to->stable_rounds += from.stable_rounds;
  to->stable_dropped += from.stable_dropped;
  to->joints += from.joints;
  to->joints_left += from.joints_left;
  to->flips += from.flips;
  to->abandoned += from.abandoned;
  to->retired += from.retired;
  to->unions += from.unions;
  to->unions_begun += from.unions_begun;
  to->unions_accepted += from.unions_accepted;
  to->looks += from.looks;
  to->floors += from.floors;
}

void Add(const ReplicaStats& from, ReplicaStats* to) {
  to->applies += from.applies;
  to->applies_old += from.applies_old;
  to->version_reads += from.version_reads;
  to->reads += from.reads;
  to->scans += from.scans;
  to->fenced += from.fenced;
  to->corrupt += from.corrupt;
  to->pulls += from.pulls;
  to->pull_answers += from.pull_answers;
  to->pulled_records += from.pulled_records;
  to->pulled_bytes += from.pulled_bytes;
  to->leftovers += from.leftovers;
  to->source_answers += from.source_answers;
  to->source_refusals += from.source_refusals;
  to->reinstated += from.reinstated;
  to->created += from.created;
  to->retired += from.retired;
  to->dropped += from.dropped;
  to->sweeps += from.sweeps;
  to->collected += from.collected;
}

ShardOptions SimOptions(const FaultMix& mix) {
  ShardOptions options;
  options.tick = milliseconds(10);
  options.max_behind_keys = mix.max_behind;
  options.max_syncs = 4;
  options.sync_stall = milliseconds(1000);
  options.stable_interval = milliseconds(500);
  options.term_pause = milliseconds(300);
  options.union_patience = milliseconds(3000);
  options.floor_interval = milliseconds(700);
  options.clock_skew = milliseconds(500);
  options.expiry_grace = milliseconds(500);
  options.read_always = 1;  // few clients: a node has its share at once
  return options;
}

FaultMix FaultMix::Draw(Random& random) {
  FaultMix mix;
  mix.synced_writes = random.Chance(0.4);
  if (random.Chance(0.5)) mix.loss = random.Unit() * 0.15;
  if (random.Chance(0.5)) mix.duplication = random.Unit() * 0.1;
  if (random.Chance(0.6)) mix.long_delay = random.Unit() * 0.1;
  mix.delay = microseconds(random.Between(50, 3000));
  mix.node_crash = random.Chance(0.7);
  mix.power_loss = random.Chance(0.6);
  mix.router_crash = random.Chance(0.6);
  mix.partition = random.Chance(0.5);
  mix.stall = random.Chance(0.4);
  mix.wipe = random.Chance(0.4);
  mix.old_copy = random.Chance(0.3);
  if (random.Chance(0.3)) mix.max_behind = random.Between(1, 4);
  mix.total_loss = random.Chance(0.3);
  if (!mix.node_crash && !mix.partition && !mix.stall) mix.node_crash = true;
  mix.between_faults = milliseconds(random.Between(300, 1500));
  // Drawn apart, so that runs without it are the same as before there was any.
  Random apart = random;
  if (apart.Chance(0.3)) {
    mix.topology = true;
    mix.spare = static_cast<int>(apart.Between(1, 2));
    if (apart.Chance(0.5)) mix.metadata_faults = apart.Unit() * 0.1;
    if (apart.Chance(0.4)) mix.metadata_delay = milliseconds(apart.Between(3, 300));
  }
  return mix;
}

std::string FaultMix::ToString() const {
  std::string text = "durability " + std::string(synced_writes ? "sync" : "periodic") + ", loss " +
                     std::to_string(loss) + ", duplication " + std::to_string(duplication) +
                     ", long delays " + std::to_string(long_delay);
  if (node_crash) text += ", node crashes";
  if (power_loss) text += ", power losses";
  if (router_crash) text += ", router crashes";
  if (partition) text += ", partitions";
  if (stall) text += ", stalls";
  if (wipe) text += ", wiped disks";
  if (old_copy) text += ", old disks";
  if (topology) {
    text += ", nodes that join and leave (" + std::to_string(spare) + " spare), metadata faults " +
            std::to_string(metadata_faults);
  }
  if (total_loss) text += ", losses of all power";
  text += ", " + std::to_string(max_behind) + " keys behind";
  return text;
}

SimCluster::SimCluster(Scheduler& scheduler, Random& random, const FaultMix& mix)
    : scheduler_(scheduler),
      random_(random),
      mix_(mix),
      metadata_(std::make_shared<SimulatedMetadata::Contents>()) {
  FormationRequest formation;
  formation.uuid = std::string(kUuidBytes, 'c');
  formation.replicas = static_cast<uint32_t>(mix.replicas);
  formation.slots = kSlots;
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

// Between the router and a node, either way: lost, late or twice.
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
    DeliverBetween(i, source, [this, i, source, op, asker = nodes_[i]->generation] {
      OnQuestion(i, source, *op, asker);
    });
  }
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

void SimCluster::Flush() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    std::shared_ptr<v1::ReplicaBatch> batch = transport_->Take(i);
    if (batch == nullptr) continue;
    int node = static_cast<int>(i);
    if (lose_) {
      for (int k = batch->ops_size() - 1; k >= 0; --k) {
        if (lose_(node, batch->ops(k))) batch->mutable_ops()->DeleteSubrange(k, 1);
      }
    }
    // Answers go to the router process that asked.
    Deliver(node,
            [this, node, batch, router = router_generation_] { OnBatch(node, *batch, router); });
  }
}

void SimCluster::OnBatch(int i, const v1::ReplicaBatch& batch, uint64_t router) {
  Node& node = *nodes_[i];
  if (!node.up || node.replica == nullptr) return;
  if (node.stalled_until > scheduler_.now()) {
    auto later = std::make_shared<v1::ReplicaBatch>(batch);
    uint64_t generation = node.generation;
    scheduler_.At(node.stalled_until, [this, i, later, generation, router] {
      if (nodes_[i]->generation == generation) OnBatch(i, *later, router);
    });
    return;
  }
  std::vector<const v1::ReplicaOp*> ops;
  std::vector<const v1::ReplicaOp*> stats;
  for (const v1::ReplicaOp& op : batch.ops()) (op.has_stats() ? stats : ops).push_back(&op);
  std::vector<v1::ReplicaOpReply> replies;
  Status status = node.replica->Execute(ops, &replies);
  RINGKV_CHECK(status.ok(), "the simulated disk works");
  NoteLateApplies(batch);
  NoteReinstated(i, batch, replies);
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
  Deliver(i, [this, i, answer, router] {
    if (router != router_generation_ || shard_ == nullptr) return;
    if (!nodes_[i]->peer.has_value()) return;
    RouterEvent([&] { shard_->OnReplies(*nodes_[i]->peer, *answer); });
  });
}

// The link notices sooner or later that the node's process died, is another one, or is back.
void SimCluster::PollLink(int i) {
  Node& node = *nodes_[i];
  scheduler_.After(milliseconds(random_.Between(20, 100)), [this, i] { PollLink(i); });
  if (shard_ == nullptr || !node.peer.has_value()) return;
  const Peer peer = *node.peer;
  bool answers =
      node.up && node.replica != nullptr && !node.cut_off && node.stalled_until <= scheduler_.now();
  bool dead = !node.up && random_.Chance(0.5);
  if (node.connected && (dead || (answers && node.boot != node.connected_boot))) {
    node.connected = false;
    Trace([&] { return "router: link to " + node.id + " is down"; });
    RouterEvent([&] { shard_->OnDisconnected(peer); });
  }
  if (!node.connected && answers) {
    node.connected = true;
    node.connected_boot = node.boot;
    Trace([&] {
      return "router: link to " + node.id + " is up, boot " + std::to_string(node.boot.value());
    });
    RouterEvent([&] { shard_->OnConnected(peer, node.boot); });
  }
}

// ---- router ---------------------------------------------------------------------------------

// The loop of the router's process: an event, what it makes the slots want, and what leaves for the
// nodes and the metadata store.
void SimCluster::RouterEvent(const std::function<void()>& event) {
  event();
  for (auto requests = shard_->TakeRequests(); !requests.empty();
       requests = shard_->TakeRequests()) {
    membership_->OnRowRequests(requests);
  }
  Flush();
  ScheduleMetadata();
  LookAtMetadata();
  ArmTimer();
}

void SimCluster::ArmTimer() {
  MonoTime due = std::max(std::min(shard_->NextDue(), membership_->NextDue()), scheduler_.now());
  if (timer_at_ != kNever && timer_at_ <= due) return;
  timer_at_ = due;
  uint64_t generation = router_generation_;
  scheduler_.At(due, [this, generation, due] {
    if (generation != router_generation_ || shard_ == nullptr || timer_at_ != due) return;
    timer_at_ = kNever;
    RouterEvent([this] {
      if (membership_->NextDue() <= scheduler_.now()) membership_->RunDue();
      shard_->RunDue();
    });
  });
}

uint64_t SimCluster::Submit(ClientCall call) {
  RINGKV_CHECK(shard_ != nullptr, "only a running router takes calls");
  auto shared = std::make_shared<ClientCall>(std::move(call));
  RouterEvent([&] { shard_->Submit(std::move(*shared)); });
  return router_generation_;
}

std::vector<SlotId> SimCluster::AllSlots() const {
  std::vector<SlotId> slots;
  for (uint32_t slot = 0; slot < kSlots; ++slot) slots.push_back(SlotId(slot));
  return slots;
}

SlotReport SimCluster::Describe(SlotId slot) const {
  return shard_ == nullptr ? SlotReport() : shard_->Describe(slot);
}

void SimCluster::LookAt(LookCall call) {
  if (shard_ == nullptr) return;
  RouterEvent([&] { shard_->LookAt(std::move(call)); });
}

Store* SimCluster::ReachableStore(int i) {
  Node& node = *nodes_[i];
  const bool answers =
      node.up && node.replica != nullptr && !node.cut_off && node.stalled_until <= scheduler_.now();
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
      if (first) std::erase_if(node.lost, [this](uint32_t slot) { return !AllLost(SlotId(slot)); });
      for (uint32_t slot : node.lost) {
        if (!first && node.replica->Votes(SlotId(slot)) && RINGKV_RULE(kRegressedDoesNotVote)) {
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
    if (shard_ == nullptr) return;
    RouterEvent([&] {
      membership_->Register(request, [this, i, generation,
                                      nonce = request.nonce()](Result<v1::RegisterReply> answer) {
        RINGKV_CHECK(answer.ok(), answer.status().message());
        auto reply = std::make_shared<v1::RegisterReply>(std::move(*answer));
        Deliver(i, [this, i, reply, generation, nonce] {
          Node& to = *nodes_[i];
          // An answer of an earlier process, or a second one, finds nobody who waits for it.
          if (to.generation != generation || !to.up || to.replica != nullptr) return;
          if (to.asking != nonce) return;  // a call's answer goes to that call
          TakeStep(i, to.boot_sequence->OnReply(*reply));
        });
      });
    });
  });
  scheduler_.After(milliseconds(random_.Between(100, 300)), [this, i, request, generation, ask] {
    Node& again = *nodes_[i];
    bool waits = again.generation == generation && again.up && again.replica == nullptr;
    if (waits && again.asking == request.nonce() && again.asks == ask) Ask(i, request);
  });
}

void SimCluster::SyncLoop(int i, uint64_t generation) {
  scheduler_.After(milliseconds(100), [this, i, generation] {
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

void SimCluster::DeliverLate(int i, const v1::ReplicaOp& op) {
  v1::ReplicaBatch batch;
  *batch.add_ops() = op;
  OnBatch(i, batch, /*router=*/0);
}

void SimCluster::RestartRouter() {
  if (shard_ != nullptr) CrashRouter();
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
  if (kind == 6 && (node.copy == nullptr || node.copy_boot == node.boot)) {
    // A copy of the present start cannot be told from the disk itself.
    if (node.up && node.replica != nullptr && node.copy == nullptr) CopyDisk(i);
    return;
  }
  if (kind == 8) return LoseAllPower();
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
    if (shard_ == nullptr) return;
    ++counts_.router_crashes;
    CrashRouter();
    scheduler_.After(outage, [this] {
      if (shard_ == nullptr) StartRouter();
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
  if (shard_ == nullptr || random_.Chance(0.6)) return;
  CrashRouter();
  scheduler_.After(DrawOutage(), [this] {
    if (shard_ == nullptr) StartRouter();
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
  if (shard_ == nullptr) StartRouter();
  const v1::MigrationRecord* current = state_->CurrentMigration();
  if (current != nullptr && current->state() == v1::MIGRATION_STATE_PAUSED)
    Order(MigrationOrder::kResume);
}

// ---- checks ---------------------------------------------------------------------------------

void SimCluster::CheckSent(const v1::ReplicaOp& op) {
  if (op.has_reinstate()) {
    // With the first of a term all is decided: whoever starts again later is filled by the others.
    const bool first = std::exchange(told_[SlotId(op.slot())], op.term()) != op.term();
    if (first && AllLost(SlotId(op.slot()))) CheckEqualEverywhere(SlotId(op.slot()));
  }
  if (!op.has_apply()) return;
  std::string name = std::to_string(op.slot()) + "/" + op.apply().key() + "/" +
                     FromProto(op.apply().record().version()).ToString();
  const v1::Record& record = op.apply().record();
  std::string content = (record.tombstone() ? "-" : "+") + std::to_string(record.expires_at_ms()) +
                        "/" + record.value();
  if (record.has_origin()) content += "/" + FromProto(record.origin()).ToString();
  auto [at, made] = values_.emplace(name, content);
  if (!made && at->second != content) {
    Violate("I1: two values for " + name);
  }
  if (record.has_origin()) {
    write_backs_[{op.apply().key(), FromProto(record.origin())}].insert(
        FromProto(record.version()));
  }
}

Incarnation SimCluster::IncOf(const Node& node, SlotId slot) const {
  for (const v1::ReplicaRef& replica : state_->slots()[slot.value()].replicas()) {
    if (replica.node() == node.id) return Incarnation(replica.inc());
  }
  return Incarnation(1);
}

std::vector<SimCluster::Node*> SimCluster::Holders(SlotId slot) {
  std::vector<Node*> holders;
  for (const v1::ReplicaRef& replica : state_->slots()[slot.value()].replicas()) {
    for (const auto& node : nodes_) {
      if (node->id == replica.node()) holders.push_back(node.get());
    }
  }
  return holders;
}

bool SimCluster::AllLost(SlotId slot) {
  const std::vector<Node*> holders = Holders(slot);
  return std::all_of(holders.begin(), holders.end(),
                     [&](const Node* node) { return node->lost.count(slot.value()) != 0; });
}

std::set<std::string> SimCluster::KeysOf(SlotId slot) {
  std::set<std::string> keys;
  for (const Node* holder : Holders(slot)) {
    Node& node = const_cast<Node&>(*holder);
    auto page = node.store.Scan(slot, IncOf(node, slot), "", "",
                                {.max_bytes = 1u << 30, .max_entries = 1u << 30});
    for (const StoredEntry& entry : page->entries) keys.insert(entry.key);
  }
  for (const auto& [key, version] : committed_) {
    if (SlotFor(key) == slot) keys.insert(key);
  }
  return keys;
}

// The write that a key has its value of; (0, 0): it has none, and no trace of one.
Version SimCluster::WrittenAs(const std::optional<v1::Record>& record) {
  return record.has_value() ? FromProto(OriginOf(*record)) : Version{};
}

// What none of them has is lost, and nobody can be blamed.
void SimCluster::NoteWhatIsLeft(SlotId slot, const std::vector<Node*>& of) {
  for (const std::string& key : KeysOf(slot)) NoteWhatIsLeft(key, of);
}

void SimCluster::NoteWhatIsLeft(const std::string& key, const std::vector<Node*>& of) {
  Left left;
  Version highest;
  for (Node* node : of) {
    if (node->old_disk) continue;  // it is moved aside
    const Incarnation inc = IncOf(*node, SlotFor(key));
    const Version version = StoredVersion(*node, key, inc);
    if (version <= highest) continue;
    highest = version;
    const std::optional<v1::Record> record = StoredRecord(*node, key, inc);
    // Nothing below a floor is nothing, on the others too.
    left = record.has_value() ? Left{version, WrittenAs(record), record->tombstone()} : Left{};
  }
  left_[key] = left;
  auto committed = committed_.find(key);
  if (committed != committed_.end()) committed->second = std::min(committed->second, left.version);
}

// What an earlier owner sent, and arrives only now, is there before the union begins.
void SimCluster::NoteLateApplies(const v1::ReplicaBatch& batch) {
  for (const v1::ReplicaOp& op : batch.ops()) {
    const SlotId slot(op.slot());
    if (!op.has_apply() || !AllLost(slot)) continue;
    const GroupId group = GroupOf(slot, kSlots, state_->identity().groups());
    // What a union itself writes goes back to an earlier write.
    const v1::Record& record = op.apply().record();
    const bool present = record.version().term() == state_->groups()[group.value()].term();
    if (present && record.has_origin()) continue;
    Left before = left_[op.apply().key()];
    NoteWhatIsLeft(op.apply().key(), Holders(slot));
    if (left_[op.apply().key()].version < before.version) left_[op.apply().key()] = before;
  }
}

// The owner tells a replica to vote again; all had lost something. It knows of none that has
// started again.
void SimCluster::CheckEqualEverywhere(SlotId slot) {
  for (const std::string& key : KeysOf(slot)) {
    std::optional<Version> first;
    Version floor;  // what is absent or collected at or below one is the same
    for (Node* node : Holders(slot)) {
      floor = std::max(floor, FloorOf(*node, slot, IncOf(*node, slot)).version);
    }
    for (Node* node : Holders(slot)) {
      const bool known = node->up && node->replica != nullptr && node->boot == node->connected_boot;
      if (!known) continue;
      const Incarnation inc = IncOf(*node, slot);
      const std::optional<v1::Record> record = StoredRecord(*node, key, inc);
      const bool dead = !record.has_value() || record->tombstone();
      Version version = StoredVersion(*node, key, inc);
      if (dead && version <= floor) version = Version{};
      if (!first.has_value()) first = version;
      if (version != *first) {
        Violate("R11: replicas are to vote again, and " + key + " is not the same on all");
      }
    }
  }
}

// The first replica of a slot whose replicas had all lost something votes again.
void SimCluster::CheckUnited(SlotId slot, Node& first) {
  for (const std::string& key : KeysOf(slot)) {
    // Its vote may come late, when the others have gone on: then nothing is decided by it.
    if (first.peer.has_value() && shard_ != nullptr) {
      const std::vector<Peer> behind = shard_->Describe(slot, key).behind;
      if (std::find(behind.begin(), behind.end(), *first.peer) != behind.end()) continue;
    }
    const Incarnation inc = IncOf(first, slot);
    const std::optional<v1::Record> record = StoredRecord(first, key, inc);
    const Version version = StoredVersion(first, key, inc);
    const Version origin = WrittenAs(record);
    if (auto left = left_.find(key); left != left_.end()) {
      // A union that was begun before may have spread a newer write than is left now.
      const bool dead = !record.has_value() || record->tombstone();
      const bool other = origin != left->second.origin && origin <= left->second.version &&
                         !(dead && left->second.dead);
      if (version < left->second.version || other) {
        Violate("R11: version " + left->second.version.ToString() + " (written as " +
                left->second.origin.ToString() + ") of " + key +
                " had survived, and its slot goes on with " + version.ToString() + " (written as " +
                origin.ToString() + ")");
      }
    }
    committed_[key] = record.has_value() ? version : Version{};
    Cut cut;
    cut.at = scheduler_.now();
    if (record.has_value() && !record->tombstone()) cut.value = record->value();
    cuts_[key].push_back(std::move(cut));
  }
}

// Nothing: absent, or collected by the copy's floor.
std::optional<v1::Record> SimCluster::StoredRecord(Node& node, const std::string& key,
                                                   Incarnation inc) {
  RecordKey name{SlotFor(key), inc, key};
  RecordLookup found;
  node.store.MultiGet({&name, 1}, {&found, 1});
  if (!found.found || Collected(found.record, FloorOf(node, name.slot, name.inc))) {
    return std::nullopt;
  }
  return std::move(found.record);
}

Version SimCluster::StoredVersion(Node& node, const std::string& key, Incarnation inc) {
  const std::optional<v1::Record> record = StoredRecord(node, key, inc);
  if (record.has_value()) return FromProto(record->version());
  return FloorOf(node, SlotFor(key), inc).version;
}

Floor SimCluster::FloorOf(Node& node, SlotId slot, Incarnation inc) {
  v1::DiskInstance fact;
  auto bytes = node.store.GetMeta(InstanceMetaName(slot, inc));
  if (bytes.ok()) RINGKV_CHECK(fact.ParseFromString(*bytes), "a fact of the disk can be read");
  return {FromProto(fact.floor()), fact.expired_before_ms()};
}

// I8: the floor moves only when all replicas hold all that is at or below it.
void SimCluster::CheckFloor(const v1::ReplicaOp& op) {
  if (!op.has_set_floor()) return;
  const Version floor = FromProto(op.set_floor().floor());
  for (const auto& [key, version] : committed_) {
    if (SlotFor(key).value() != op.slot() || version > floor) continue;
    for (const v1::ReplicaRef& replica : state_->slots()[op.slot()].replicas()) {
      auto at = std::find_if(nodes_.begin(), nodes_.end(),
                             [&](const auto& n) { return n->id == replica.node(); });
      // A disk that was lost since is filled again before it counts.
      if ((*at)->lost.count(op.slot()) != 0 ||
          StoredVersion(**at, key, Incarnation(replica.inc())) >= version)
        continue;
      Violate("I8: floor " + floor.ToString() + " although " + (*at)->id + " lacks " +
              version.ToString() + " of " + key);
    }
  }
}

// The highest version under which a quorum holds what was written as `origin`.
Version SimCluster::CommittedAs(const std::string& key, Version origin) {
  auto written_back = write_backs_.find({key, origin});
  if (written_back == write_backs_.end()) return origin;
  for (auto version = written_back->second.rbegin(); version != written_back->second.rend();
       ++version) {
    int holders = 0;
    for (const v1::ReplicaRef& replica : state_->slots()[SlotFor(key).value()].replicas()) {
      auto at = std::find_if(nodes_.begin(), nodes_.end(),
                             [&](const auto& n) { return n->id == replica.node(); });
      holders += StoredVersion(**at, key, Incarnation(replica.inc())) >= *version ? 1 : 0;
    }
    if (holders > mix_.replicas / 2) return *version;
  }
  return origin;
}

void SimCluster::OnReleased(const std::string& key, Version origin) {
  LookAtMetadata();  // a transaction of this very event may have made it a commit
  CheckFencing(key);
  const Version version = CommittedAs(key, origin);
  Version& committed = committed_[key];
  if (version < committed) return;
  committed = version;
  CheckCommitted(key, /*released=*/true);
  CheckClean(key);
}

// I2: while the router that gives something out lives, no quorum has promised a later term.
void SimCluster::CheckFencing(const std::string& key) {
  const GroupId group = GroupOf(SlotFor(key), kSlots, state_->identity().groups());
  const uint32_t term = state_->groups()[group.value()].term();
  int later = 0;
  for (const auto& node : nodes_) {
    auto bytes = node->store.GetMeta(PromiseMetaName(group));
    v1::DiskPromise promise;
    if (bytes.ok() && promise.ParseFromString(*bytes) && promise.term() > term) ++later;
  }
  if (later > mix_.replicas / 2) Violate("I2: a fenced owner gave out " + key);
}

void SimCluster::CheckCommitted(const std::string& key, bool released) {
  Version version = committed_[key];
  int quorum = mix_.replicas / 2 + 1;
  int holders = 0, lacking = 0, lost = 0;
  const uint32_t slot = SlotFor(key).value();
  for (const v1::ReplicaRef& replica : state_->slots()[slot].replicas()) {
    auto at = std::find_if(nodes_.begin(), nodes_.end(),
                           [&](const auto& n) { return n->id == replica.node(); });
    if ((*at)->lost.count(slot) != 0) {
      ++lost;
    } else {
      ++(StoredVersion(**at, key, Incarnation(replica.inc())) >= version ? holders : lacking);
    }
  }
  if (lacking >= quorum) Violate("I3: a quorum lacks version " + version.ToString() + " of " + key);
  if (released && holders + lost < quorum) {
    Violate("I5: version " + version.ToString() + " of " + key + " was given out, held by " +
            std::to_string(holders));
  }
}

// I4.
void SimCluster::CheckClean(const std::string& key) {
  if (shard_ == nullptr) return;
  const SlotId slot = SlotFor(key);
  const KeyReport going_on = shard_->Describe(slot, key);
  const SlotReport report = shard_->Describe(slot);
  auto committed = committed_.find(key);
  for (const ReplicaReport& replica : report.replicas) {
    Node& node = *nodes_[static_cast<size_t>(NodeOf(replica.peer))];
    if (!replica.clean || !replica.voting || !replica.reachable) continue;
    if (!node.up || node.replica == nullptr) continue;
    if (node.boot != node.connected_boot) continue;
    const Version stored = StoredVersion(node, key, replica.inc);
    const bool behind = std::find(going_on.behind.begin(), going_on.behind.end(), replica.peer) !=
                        going_on.behind.end();
    if (!behind && committed != committed_.end() && stored < committed->second) {
      Violate("I4: clean " + node.id + " has " + stored.ToString() + " of " + key + ", not " +
              committed->second.ToString());
    }
    if (std::find(going_on.pending.begin(), going_on.pending.end(), stored) !=
        going_on.pending.end()) {
      continue;
    }
    if (stored == FloorOf(node, slot, replica.inc).version) continue;  // nothing is there
    int holders = 0;
    for (const ReplicaReport& other : report.replicas) {
      if (other.learner) continue;
      Node& at = *nodes_[static_cast<size_t>(NodeOf(other.peer))];
      if (at.lost.count(slot.value()) != 0 || StoredVersion(at, key, other.inc) >= stored)
        ++holders;
    }
    if (holders <= mix_.replicas / 2) {
      Violate("I4: clean " + node.id + " has " + stored.ToString() + " of " + key +
              ", which no quorum holds");
    }
  }
}

void SimCluster::CheckAllLoop() {
  scheduler_.After(milliseconds(50), [this] {
    for (const auto& [key, version] : committed_) CheckClean(key);
    CheckAllLoop();
  });
}

// The instance has everything again, as far as its owner knows. What it knows is looked at.
void SimCluster::NoteReinstated(int i, const v1::ReplicaBatch& batch,
                                const std::vector<v1::ReplicaOpReply>& replies) {
  for (const v1::ReplicaOp& op : batch.ops()) {
    if (!op.has_reinstate() || nodes_[i]->lost.count(op.slot()) == 0) continue;
    for (const v1::ReplicaOpReply& reply : replies) {
      if (reply.op() != op.op() || reply.code() != v1::REPLICA_CODE_OK) continue;
      if (AllLost(SlotId(op.slot()))) CheckUnited(SlotId(op.slot()), *nodes_[i]);
      nodes_[i]->lost.erase(op.slot());
      nodes_[i]->emptied.erase(op.slot());
      for (const auto& [key, version] : committed_) {
        if (SlotFor(key).value() == op.slot()) CheckCommitted(key, /*released=*/false);
      }
    }
  }
}

// The replicas that are not what they should be.
std::string SimCluster::DescribeUnfinished() const {
  std::string text;
  for (uint32_t s = 0; s < kSlots; ++s) {
    for (const ReplicaReport& replica : shard_->Describe(SlotId(s)).replicas) {
      if (replica.reachable && replica.clean && replica.voting && replica.behind_keys == 0)
        continue;
      text += "slot " + std::to_string(s) + " on " +
              nodes_[static_cast<size_t>(NodeOf(replica.peer))]->id +
              (replica.reachable ? "" : " unreachable") + (replica.clean ? "" : " not clean") +
              (replica.voting ? "" : " without vote") + (replica.syncing ? " in sync" : "") + ", " +
              std::to_string(replica.behind_keys) + " behind; ";
    }
  }
  return text;
}

std::string SimCluster::CheckQuiet() {
  ShardReport report = shard_->Report();
  if (report.blocked != 0) {
    return std::to_string(report.blocked) + " slots are blocked: " + DescribeUnfinished();
  }
  if (report.calls_in_flight != 0) return "calls are still in flight";
  if (std::string moving = DescribeMoves(); !moving.empty()) return moving;
  if (report.pending_keys != 0)
    return std::to_string(report.pending_keys) + " keys are still pending";
  if (report.fully_replicated != kSlots) {
    return std::to_string(kSlots - report.fully_replicated) +
           " slots are not fully replicated: " + DescribeUnfinished();
  }
  for (uint32_t s = 0; s < kSlots; ++s) {
    // Whether a replica has swept what the highest floor lets go makes no difference.
    Floor floor;
    for (const ReplicaReport& replica : shard_->Describe(SlotId(s)).replicas) {
      floor = std::max(floor, FloorOf(*nodes_[static_cast<size_t>(NodeOf(replica.peer))], SlotId(s),
                                      replica.inc));
    }
    std::map<std::string, std::string> first;
    bool have_first = false;
    for (const ReplicaReport& replica : shard_->Describe(SlotId(s)).replicas) {
      if (!replica.clean) continue;
      Node& node = *nodes_[static_cast<size_t>(NodeOf(replica.peer))];
      if (!replica.reachable || replica.behind_keys != 0) {
        return "slot " + std::to_string(s) + " on " + node.id + " is behind by " +
               std::to_string(replica.behind_keys) + " keys";
      }
      auto page = node.store.Scan(SlotId(s), replica.inc, "", "",
                                  {.max_bytes = 1u << 30, .max_entries = 1u << 30});
      std::map<std::string, std::string> content;
      for (const StoredEntry& entry : page->entries) {
        if (Collected(entry.record, floor)) continue;
        content[entry.key] = entry.record.SerializeAsString();
      }
      if (have_first && content != first)
        return "clean replicas of slot " + std::to_string(s) + " differ";
      first = std::move(content);
      have_first = true;
    }
  }
  return "";
}

ShardStats SimCluster::shard_stats() const {
  ShardStats stats = past_stats_;
  if (shard_ != nullptr) Add(shard_->stats(), &stats);
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
