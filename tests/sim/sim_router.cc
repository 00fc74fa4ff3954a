// The router of the simulated cluster: the real Membership over the simulated metadata store, and
// one real Shard as its data plane; what operators order, and what the metadata's rows must keep
// to.
#include <algorithm>

#include "base/rule.h"
#include "router/cluster_txns.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_transport.h"

namespace ringkv {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// What the control loop tells the shard; here without a thread in between.
class SimCluster::Data final : public DataPlane {
 public:
  explicit Data(SimCluster& cluster) : cluster_(cluster) {}

  void SetPeer(const PeerAddress& peer) override {
    DiscoveryUpdate known;
    known.present.push_back({peer.node.value(), peer.address, peer.vnodes});
    RINGKV_CHECK(cluster_.balancer_->Apply(known).ok(), "the metadata's nodes make sense");
    std::vector<int>& nodes = cluster_.node_of_peer_;
    if (nodes.size() <= peer.peer.value()) nodes.resize(peer.peer.value() + 1, -1);
    auto at = std::find_if(cluster_.nodes_.begin(), cluster_.nodes_.end(),
                           [&](const auto& node) { return node->id == peer.node.value(); });
    nodes[peer.peer.value()] = static_cast<int>(at - cluster_.nodes_.begin());
    (*at)->peer = peer.peer;
    cluster_.shard_->AddPeer(peer.peer, peer.node, peer.address);
  }

  void DropPeer(Peer peer, const NodeId& id) override {
    DiscoveryUpdate gone;
    gone.gone.push_back(id.value());
    RINGKV_CHECK(cluster_.balancer_->Apply(gone).ok(), "only members leave");
    Node& node = *cluster_.nodes_[static_cast<size_t>(cluster_.NodeOf(peer))];
    if (node.connected) cluster_.shard_->OnDisconnected(peer);
    node.connected = false;
    node.peer.reset();
  }

  void TakeGroups(std::vector<GroupGrant> grants) override {
    for (const GroupGrant& grant : grants) {
      cluster_.Trace([&] {
        return "router takes group " + std::to_string(grant.group.value()) + ", term " +
               std::to_string(grant.term.value());
      });
      cluster_.shard_->TakeGroup(grant);
    }
  }
  void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) override {
    for (const auto& [group, row] : rows) cluster_.shard_->AdoptRow(group, row);
  }
  void SetLeaseUntil(MonoTime until) override { cluster_.shard_->SetLeaseUntil(until); }
  // Some time passes on the way to the control loop.
  void OnNeedTerm(std::function<void(TermRequest)> ask) override {
    cluster_.shard_->OnNeedTerm([this, ask = std::move(ask)](TermRequest request) {
      SimCluster& cluster = cluster_;
      cluster.scheduler_.After(
          milliseconds(cluster.random_.Between(1, 20)),
          [&cluster, ask, request = std::move(request), router = cluster.router_generation_] {
            if (router != cluster.router_generation_ || cluster.membership_ == nullptr) return;
            cluster.RouterEvent([&] { ask(request); });
          });
    });
  }
  void Gather(std::function<void(std::vector<LoopReport>)> done) override { done({}); }
  void LookAt(GroupId, LookCall call) override { cluster_.shard_->LookAt(std::move(call)); }
  void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) override {
    done(cluster_.shard_->DescribeBlocked());
  }
  void Describe(SlotId slot, GroupId, std::function<void(SlotReport)> done) override {
    done(cluster_.shard_->Describe(slot));
  }

 private:
  SimCluster& cluster_;
};

// ---- the process ----------------------------------------------------------------------------

void SimCluster::StartRouter() {
  ++router_generation_;
  for (auto& node : nodes_) {
    node->connected = false;
    node->peer.reset();
  }
  node_of_peer_.clear();
  store_ = std::make_unique<SimulatedMetadata>(metadata_);
  store_->SetManual(mix_.topology);
  scheduled_steps_ = 0;
  seen_commits_ = 0;
  transport_ = std::make_unique<Transport>(*this);
  balancer_ = std::make_unique<LoadBalancer>(ReadBalancing(SimOptions(mix_)));
  shard_ = std::make_unique<Shard>(SimOptions(mix_), scheduler_.clock(), *transport_, *balancer_);
  gate_ = std::make_unique<ServingGate>();
  data_ = std::make_unique<Data>(*this);
  MembershipOptions options;
  options.router = "r1";
  options.replicas = static_cast<uint32_t>(mix_.replicas);
  options.slots = kSlots;
  options.moves.per_node = 4;
  options.moves.lot = 3;
  options.retry = milliseconds(100);
  membership_ = std::make_unique<Membership>(
      options, scheduler_.clock(), *store_, *data_, *gate_, random_,
      [this](const Status& why) { Violate("the router ends: " + why.ToString()); });
  // What it draws for the owners of groups, the run's own randomness does not give again.
  for (uint32_t i = 0; i < kSlots; ++i) random_.Next();
  Trace([&] { return "router starts, generation " + std::to_string(router_generation_); });
  data_->OnNeedTerm([this](TermRequest request) { membership_->NeedTerm(std::move(request)); });
  timer_at_ = kNever;
  RouterEvent([this] { membership_->Start(); });
}

void SimCluster::CrashRouter() { CrashRouterWithTransaction(mix_.topology && random_.Chance(0.5)); }

void SimCluster::CrashRouterWithTransaction(bool done) {
  Trace([&] { return std::string("router dies"); });
  // The metadata store may have got the request, and finds nobody to answer.
  if (done && store_->waiting() > 0) store_->Step();
  Add(shard_->stats(), &past_stats_);
  LookAtMetadata();
  membership_.reset();
  shard_.reset();
  data_.reset();
  gate_.reset();
  store_.reset();
  balancer_.reset();
  transport_.reset();
  ++router_generation_;
}

// ---- the metadata store ---------------------------------------------------------------------

// Each operation takes effect, and is answered, some time after it was asked for.
void SimCluster::ScheduleMetadata() {
  while (scheduled_steps_ < store_->waiting()) {
    ++scheduled_steps_;
    const auto at_most = std::chrono::duration_cast<microseconds>(mix_.metadata_delay).count();
    scheduler_.After(microseconds(random_.Between(50, static_cast<uint64_t>(at_most))),
                     [this, generation = router_generation_] {
                       if (generation == router_generation_ && store_ != nullptr) StepMetadata();
                     });
  }
}

void SimCluster::StepMetadata() {
  --scheduled_steps_;
  if (metadata_held_) {
    ++scheduled_steps_;
    scheduler_.After(milliseconds(10), [this, generation = router_generation_] {
      if (generation == router_generation_ && store_ != nullptr) StepMetadata();
    });
    return;
  }
  if (faults_on_ && random_.Chance(mix_.metadata_faults)) {
    using Fault = SimulatedMetadata::Fault;
    const Fault kinds[] = {Fault::kUnavailable, Fault::kLostApplied, Fault::kLostNotApplied};
    store_->Inject(kinds[random_.Below(3)], 1);
    ++counts_.metadata_faults;
  }
  RouterEvent([this] { store_->Step(); });
}

void SimCluster::LookAtMetadata() {
  if (store_ == nullptr || (state_.has_value() && store_->commits() == seen_commits_)) return;
  seen_commits_ = store_->commits();
  MetadataStore::Entries entries(metadata_->begin(), metadata_->end());
  auto loaded = ClusterState::Load(entries);
  if (!loaded.ok() || !loaded->has_value()) {
    return Violate("the metadata cannot be read: " + loaded.status().ToString());
  }
  std::optional<ClusterState> before = std::exchange(state_, std::move(**loaded));
  if (before.has_value()) CheckRows(*before);
}

// I11. Looked at after every transaction.
void SimCluster::CheckRows(const ClusterState& before) {
  for (const v1::SlotPlacement& row : state_->slots()) {
    const v1::SlotPlacement& was = before.slots()[row.slot()];
    if (row.SerializeAsString() == was.SerializeAsString()) continue;
    Trace([&] { return "row " + row.ShortDebugString(); });
    const std::string name = "row of slot " + std::to_string(row.slot());
    if (row.epoch() != was.epoch() + 1) Violate("I11: the " + name + " skips an epoch");
    if (row.last_inc() < was.last_inc())
      Violate("I11: the " + name + " gives an incarnation again");
    int left = 0, came = 0, instead = 0;
    for (const v1::ReplicaRef& replica : was.replicas()) {
      left += std::any_of(row.replicas().begin(), row.replicas().end(),
                          [&](const auto& r) {
                            return r.inc() == replica.inc() && r.node() == replica.node();
                          })
                  ? 0
                  : 1;
    }
    for (const v1::ReplicaRef& replica : row.replicas()) {
      const bool stayed = std::any_of(
          was.replicas().begin(), was.replicas().end(),
          [&](const auto& r) { return r.inc() == replica.inc() && r.node() == replica.node(); });
      if (stayed) continue;
      ++came;
      // An empty copy in the place of one that an operator gave up.
      const bool given_up = std::any_of(
          was.replicas().begin(), was.replicas().end(),
          [&](const auto& r) { return r.node() == replica.node() && r.inc() < replica.inc(); });
      if (given_up && loss_accepted_.contains(SlotId(row.slot()))) {
        ++instead;
        continue;
      }
      if (replica.inc() != was.learner().inc() || replica.node() != was.learner().node()) {
        Violate("I11: the " + name + " has a replica that was no learner");
      }
    }
    if (came != left || left - instead > 1)
      Violate("I11: the " + name + " changes more than one replica");
    for (const auto& [key, version] : committed_) {
      if (SlotFor(key).value() == row.slot()) CheckCommitted(key, /*released=*/false);
    }
  }
}

std::string SimCluster::RowText(SlotId slot) const {
  const v1::SlotPlacement& row = state_->slots()[slot.value()];
  std::string text;
  for (const v1::ReplicaRef& replica : row.replicas()) text += replica.node() + " ";
  if (row.has_learner()) text += "+" + row.learner().node() + " -" + row.replaced().node() + " ";
  for (const v1::ReplicaRef& replica : row.retiring()) text += "!" + replica.node() + " ";
  text.pop_back();
  return text;
}

// What is not at rest in the placement.
std::string SimCluster::DescribeMoves() const {
  if (const v1::MigrationRecord* migration = state_->CurrentMigration()) {
    if (migration->state() != v1::MIGRATION_STATE_PAUSED) {
      std::string text = "migration is not over: " + migration->ShortDebugString();
      for (uint32_t s = 0; s < kSlots; ++s)
        text += "; " + std::to_string(s) + ": " + RowText(SlotId(s));
      return text;
    }
  }
  for (const v1::SlotPlacement& row : state_->slots()) {
    if (row.has_learner() || row.retiring_size() > 0) {
      return "slot " + std::to_string(row.slot()) + " still moves: " + RowText(SlotId(row.slot()));
    }
  }
  return "";
}

// ---- what operators order -------------------------------------------------------------------

bool SimCluster::Change(const v1::PlanChangeRequest& change, bool force, std::string* why) {
  Trace([&] { return "operator: " + change.ShortDebugString() + (force ? " by force" : ""); });
  if (membership_ == nullptr) return false;
  auto answer = std::make_shared<std::optional<Status>>();
  MigrationStart start;
  start.change = change;
  start.force = force;
  start.now_ms = scheduler_.clock().WallMillis();
  RouterEvent([&] {
    membership_->StartChange(start, [this, answer](Result<uint64_t> id) {
      *answer = id.status();
      ++(id.ok() ? counts_.changes : counts_.changes_refused);
      Trace([&] { return "change: " + id.status().ToString(); });
    });
  });
  if (!answer->has_value()) return true;  // under way
  if (why != nullptr) *why = (*answer)->message();
  return (*answer)->ok();
}

bool SimCluster::CommitElsewhere(const MetadataTxn& txn) {
  SimulatedMetadata elsewhere(metadata_);
  bool done = false;
  elsewhere.Commit(txn, [&](Result<bool> result) { done = result.ok() && *result; });
  return done;
}

bool SimCluster::AddNode(int node, std::string* why) {
  v1::PlanChangeRequest change;
  change.mutable_add_node()->set_node(nodes_[static_cast<size_t>(node)]->id);
  return Change(change, /*force=*/false, why);
}

bool SimCluster::RemoveNode(int node, bool force, std::string* why) {
  v1::PlanChangeRequest change;
  change.mutable_remove_node()->set_node(nodes_[static_cast<size_t>(node)]->id);
  return Change(change, force, why);
}

bool SimCluster::Order(MigrationOrder order) {
  const v1::MigrationRecord* current = state_->CurrentMigration();
  if (membership_ == nullptr || current == nullptr) return false;
  Trace([&] { return "operator: order " + std::to_string(static_cast<int>(order)); });
  RouterEvent(
      [&] { membership_->OrderChange(current->id(), order, [](const Result<uint64_t>&) {}); });
  return true;
}

// Copies that do not answer are given up.
bool SimCluster::AcceptLoss(SlotId slot) {
  const SlotReport report = shard_->Describe(slot);
  if (report.blocked != BlockedBy::kAbsence && report.blocked != BlockedBy::kLoss) return false;
  AcceptedLoss loss;
  loss.slot = slot;
  std::vector<Node*> kept;
  for (const ReplicaReport& replica : report.replicas) {
    if (replica.learner) continue;
    Node& node = *nodes_[static_cast<size_t>(NodeOf(replica.peer))];
    v1::ReplicaRef ref;
    ref.set_node(node.id);
    ref.set_inc(replica.inc.value());
    (replica.reachable ? loss.kept : loss.given_up).push_back(ref);
    if (replica.reachable) {
      kept.push_back(&node);
    } else {
      node.lost.insert(slot.value());
    }
  }
  if (kept.empty()) return false;
  loss_accepted_.insert(slot);
  auto done = std::make_shared<std::optional<Status>>();
  RouterEvent([&] {
    membership_->AcceptLoss({loss}, [done](Status status) { *done = std::move(status); });
  });
  if (!done->has_value() || !(*done)->ok()) return false;
  NoteWhatIsLeft(slot, kept);
  return true;
}

void SimCluster::ChangeTopology() {
  if (membership_ == nullptr) return;
  if (const v1::MigrationRecord* current = state_->CurrentMigration()) {
    const bool paused = current->state() == v1::MIGRATION_STATE_PAUSED;
    if (paused || random_.Chance(0.3)) {
      Order(paused                ? MigrationOrder::kResume
            : random_.Chance(0.5) ? MigrationOrder::kPause
                                  : MigrationOrder::kAbort);
    }
    // A node that leaves and is dead holds nobody up once an operator says so.
    const std::string leaving = LeavingNode(*current);
    if (leaving.empty() || !random_.Chance(0.2)) return;
    v1::PlanChangeRequest change;
    change.mutable_remove_node()->set_node(leaving);
    Change(change, /*force=*/true);
    return;
  }
  const int i = static_cast<int>(random_.Below(nodes_.size()));
  Node& node = *nodes_[static_cast<size_t>(i)];
  const v1::NodeRecord* record = state_->FindNode(node.id);
  if (record == nullptr || record->state() == v1::NODE_STATE_WAITING) {
    AddNode(i);
  } else if (record->state() == v1::NODE_STATE_REMOVED) {
    // It may come again, with an empty disk.
    Trace([&] { return node.id + " is emptied after it left"; });
    if (node.up) CrashNode(i, Disk::kWiped);
    if (!node.up) StartNode(i);
  } else if (random_.Chance(0.3)) {
    v1::PlanChangeRequest change;
    change.mutable_set_vnodes()->set_node(node.id);
    change.mutable_set_vnodes()->set_vnodes(static_cast<uint32_t>(random_.Between(64, 256)));
    Change(change, /*force=*/false);
  } else {
    RemoveNode(i, /*force=*/!node.up || random_.Chance(0.3));
  }
}

// ---- instances ------------------------------------------------------------------------------

bool SimCluster::Names(SlotId slot, const std::string& node, uint64_t inc) const {
  const v1::SlotPlacement& row = state_->slots()[slot.value()];
  auto is = [&](const v1::ReplicaRef& r) { return r.node() == node && r.inc() == inc; };
  return std::any_of(row.replicas().begin(), row.replicas().end(), is) ||
         (row.has_learner() && is(row.learner()));
}

// The instance that the row names on the node; the first one that there was, if none.
Incarnation SimCluster::InstanceOn(int node, SlotId slot) const {
  const v1::SlotPlacement& row = state_->slots()[slot.value()];
  const std::string& id = nodes_[static_cast<size_t>(node)]->id;
  for (const v1::ReplicaRef& replica : row.replicas()) {
    if (replica.node() == id) return Incarnation(replica.inc());
  }
  return Incarnation(row.learner().node() == id ? row.learner().inc() : 1);
}

size_t SimCluster::InstancesOnDisk(int node) {
  const auto facts = nodes_[static_cast<size_t>(node)]->store.ListMeta("instance/");
  size_t live = 0;
  for (const auto& [name, bytes] : *facts) {
    v1::DiskInstance fact;
    live += fact.ParseFromString(bytes) && !fact.retired() ? 1 : 0;
  }
  return live;
}

// Only slots that the node holds can have lost something there.
void SimCluster::ForgetLostElsewhere(Node& node) {
  std::erase_if(node.lost, [&](uint32_t slot) {
    const v1::SlotPlacement& row = state_->slots()[slot];
    auto here = [&](const v1::ReplicaRef& replica) { return replica.node() == node.id; };
    return std::none_of(row.replicas().begin(), row.replicas().end(), here) &&
           !(row.has_learner() && here(row.learner()));
  });
}

// I10.
void SimCluster::NoteRetired(int i, const v1::ReplicaBatch& batch,
                             const std::vector<v1::ReplicaOpReply>& replies) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  for (const v1::ReplicaOp& op : batch.ops()) {
    const bool about_an_instance = op.inc() != 0;
    if (!about_an_instance) continue;
    for (const v1::ReplicaOpReply& reply : replies) {
      if (reply.op() != op.op() || reply.code() != v1::REPLICA_CODE_OK) continue;
      if (op.has_retire()) {
        node.retired.insert({op.slot(), op.inc()});
        if (Names(SlotId(op.slot()), node.id, op.inc())) {
          Violate("I10: " + node.id + " retires an instance of slot " + std::to_string(op.slot()) +
                  " that its row names");
        }
      } else if (node.retired.contains({op.slot(), op.inc()})) {
        Violate("I10: " + node.id + " serves a retired instance of slot " +
                std::to_string(op.slot()));
      }
    }
  }
}

// The records of retired instances go some time later, in the life of this process or of another.
void SimCluster::DropLater(int i) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  for (const InstanceName& name : node.replica->TakeDrops()) {
    scheduler_.After(
        milliseconds(random_.Between(1, 200)), [this, i, name, generation = node.generation] {
          Node& at = *nodes_[static_cast<size_t>(i)];
          if (at.generation != generation || !at.up || at.replica == nullptr) return;
          if (Names(name.slot, at.id, name.inc.value())) {
            Violate("I10: " + at.id + " drops what a row names, slot " +
                    std::to_string(name.slot.value()));
          }
          const uint64_t others =
              at.store.Stats().keys -
              at.store.Scan(name.slot, name.inc, "", "", {.max_entries = 1u << 30})->entries.size();
          RINGKV_CHECK(at.store.DropInstance(name.slot, name.inc).ok() && at.store.Sync().ok() &&
                           at.replica->OnDropped(name).ok(),
                       "the simulated disk works");
          if (at.store.Stats().keys != others)
            Violate("I10: a drop took records of another instance");
        });
  }
}

}  // namespace ringkv
