// The router of the simulated cluster: the real Membership over the simulated metadata store, and
// one real Shard as its data plane; and what the metadata's rows must keep to.
#include <algorithm>

#include "base/rule.h"
#include "router/cluster_txns.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_transport.h"

namespace ringkv {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// Leases allow for a hundredth between the clocks of a router and of the metadata store.
constexpr int64_t kMostDriftPpm = 9'000;

}  // namespace

// What the control loop tells the shard; here without a thread in between.
class SimCluster::Data final : public DataPlane {
 public:
  Data(SimCluster& cluster, Router& router) : cluster_(cluster), router_(router) {}

  void SetPeer(const PeerAddress& peer) override {
    DiscoveryUpdate known;
    known.present.push_back({peer.node.value(), peer.address, peer.vnodes});
    RINGKV_CHECK(router_.balancer->Apply(known).ok(), "the metadata's nodes make sense");
    std::vector<int>& nodes = router_.node_of_peer;
    if (nodes.size() <= peer.peer.value()) nodes.resize(peer.peer.value() + 1, -1);
    auto at = std::find_if(cluster_.nodes_.begin(), cluster_.nodes_.end(),
                           [&](const auto& node) { return node->id == peer.node.value(); });
    nodes[peer.peer.value()] = static_cast<int>(at - cluster_.nodes_.begin());
    LinkTo(peer.peer).peer = peer.peer;
    router_.shard->AddPeer(peer.peer, peer.node, peer.address);
  }

  void DropPeer(Peer peer, const NodeId& id) override {
    DiscoveryUpdate gone;
    gone.gone.push_back(id.value());
    RINGKV_CHECK(router_.balancer->Apply(gone).ok(), "only members leave");
    Router::Link& link = LinkTo(peer);
    if (link.connected) router_.shard->OnDisconnected(peer);
    link.connected = false;
    link.peer.reset();
  }

  void TakeGroups(std::vector<GroupGrant> grants) override {
    for (const GroupGrant& grant : grants) {
      cluster_.Trace([&] {
        return "router takes group " + std::to_string(grant.group.value()) + ", term " +
               std::to_string(grant.term.value());
      });
      const bool again = router_.shard->Describe(grant.slots.front().slot).term != Term();
      if (again && grant.slots.size() > 1) ++cluster_.counts_.retakes;
      router_.shard->TakeGroup(grant);
    }
  }
  void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) override {
    for (const auto& [group, row] : rows) router_.shard->AdoptRow(group, row);
  }
  void SetLeaseUntil(MonoTime until) override {
    router_.lease_until = until;
    router_.shard->SetLeaseUntil(until);
  }
  void PredecessorsGone() override {
    cluster_.Trace([&] {
      return "router " + std::to_string(router_.generation) + ": earlier owners are gone";
    });
    router_.shard->PredecessorsGone();
  }
  // Some time passes on the way to the control loop.
  void OnNeedTerm(std::function<void(TermRequest)> ask) override {
    router_.shard->OnNeedTerm([this, ask = std::move(ask)](TermRequest request) {
      SimCluster& cluster = cluster_;
      cluster.scheduler_.After(
          milliseconds(cluster.random_.Between(1, 20)),
          [&cluster, ask, request = std::move(request), router = router_.generation] {
            cluster.OnRouter(router, [&cluster, ask, request](Router& at) {
              cluster.RouterEvent(at, [&] { ask(request); });
            });
          });
    });
  }
  void Gather(std::function<void(std::vector<LoopReport>)> done) override { done({}); }
  void LookAt(GroupId, LookCall call) override { router_.shard->LookAt(std::move(call)); }
  void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) override {
    done(router_.shard->DescribeBlocked());
  }
  void Describe(SlotId slot, GroupId, std::function<void(SlotReport)> done) override {
    done(router_.shard->Describe(slot));
  }

 private:
  Router::Link& LinkTo(Peer peer) {
    return router_.links[static_cast<size_t>(router_.NodeOf(peer))];
  }

  SimCluster& cluster_;
  Router& router_;
};

SimCluster::Router::Router(uint64_t number, size_t nodes) : generation(number), links(nodes) {}
SimCluster::Router::~Router() = default;

// ---- processes ------------------------------------------------------------------------------

SimCluster::Router* SimCluster::RouterOf(uint64_t generation) const {
  if (router_ != nullptr && router_->generation == generation) return router_.get();
  if (former_ != nullptr && former_->generation == generation) return former_.get();
  return nullptr;
}

SimCluster::Router* SimCluster::AnyRouter() {
  if (former_ != nullptr && (router_ == nullptr || random_.Chance(0.3))) return former_.get();
  return router_.get();
}

bool SimCluster::RouterUp() const { return router_ != nullptr && router_->membership->serving(); }

uint64_t SimCluster::router_generation() const {
  return router_ == nullptr ? 0 : router_->generation;
}

uint64_t SimCluster::former_generation() const {
  return former_ == nullptr ? 0 : former_->generation;
}

int SimCluster::NodeOf(Peer peer) const { return router_ == nullptr ? -1 : router_->NodeOf(peer); }

// Some stay with the one that they know, as long as it is there.
uint64_t SimCluster::ChooseRouter(uint64_t before) {
  if (former_ != nullptr && former_->membership->serving() &&
      (!RouterUp() || random_.Chance(former_->generation == before ? 0.9 : 0.1))) {
    return former_->generation;
  }
  return RouterUp() ? router_->generation : 0;
}

void SimCluster::InjectMetadata(SimulatedMetadata::Fault fault, int times) {
  router_->store->Inject(fault, times);
}

void SimCluster::OnRouter(uint64_t generation, std::function<void(Router&)> event) {
  Router* router = RouterOf(generation);
  if (router == nullptr) return;
  if (router->paused) {
    router->queued.push_back(std::move(event));
  } else {
    event(*router);
  }
}

void SimCluster::StartRouter() {
  router_ = std::make_unique<Router>(++last_generation_, nodes_.size());
  Router& router = *router_;
  router.store = std::make_shared<SimulatedMetadata>(metadata_);
  router.store->SetManual(ManualMetadata());
  if (mix_.takeover) {
    router.store->HoldLeases(scheduler_.clock(), mix_.lease_ttl);
    // Between the moment at which something takes effect and the router's knowing of it.
    router.store->SetDelivery([this, generation = router.generation](std::function<void()> answer) {
      scheduler_.After(microseconds(random_.Between(50, 2000)), [this, generation, answer] {
        OnRouter(generation, [this, answer](Router& at) { RouterEvent(at, answer); });
      });
    });
  }
  Duration began{};
  int64_t fast_ppm = 0;
  if (mix_.clocks) {
    began = milliseconds(random_.Below(100'000'000));
    fast_ppm = static_cast<int64_t>(random_.Below(2 * kMostDriftPpm + 1)) - kMostDriftPpm;
  }
  router.clock =
      std::make_unique<Router::MachineClock>(scheduler_.clock(), began, fast_ppm, clock_skew_);
  widest_clock_skew_ = std::max(widest_clock_skew_, std::chrono::abs(clock_skew_));
  router.transport = std::make_unique<Transport>(*this, router);
  router.balancer = std::make_unique<LoadBalancer>(ReadBalancing(SimOptions(mix_)));
  router.shard =
      std::make_unique<Shard>(SimOptions(mix_), *router.clock, *router.transport, *router.balancer);
  router.gate = std::make_unique<ServingGate>();
  router.data = std::make_unique<Data>(*this, router);
  MembershipOptions options;
  options.router = "r1";
  options.replicas = static_cast<uint32_t>(mix_.replicas);
  options.slots = kSlots;
  options.moves.per_node = 4;
  options.moves.lot = 3;
  options.retry = milliseconds(100);
  options.lease_margin = milliseconds(50);
  router.membership = std::make_unique<Membership>(
      options, *router.clock, *router.store, *router.data, *router.gate, random_,
      [this, generation = router.generation](const Status& why) {
        OnRouterFailed(generation, why);
      });
  // What it draws for the owners of groups, the run's own randomness does not give again.
  for (uint32_t i = 0; i < kSlots; ++i) random_.Next();
  Trace([&] { return "router starts, generation " + std::to_string(router.generation); });
  router.data->OnNeedTerm(
      [&router](TermRequest request) { router.membership->NeedTerm(std::move(request)); });
  RouterEvent(router, [&] { router.membership->Start(); });
}

// Only another owner ends one, and then it really is none.
void SimCluster::OnRouterFailed(uint64_t generation, const Status& why) {
  const bool alone = last_generation_ == 1 || !mix_.takeover;
  if (alone || why.code() != StatusCode::kRefused) Violate("the router ends: " + why.ToString());
  Trace([&] { return "router " + std::to_string(generation) + " ends: " + why.ToString(); });
  ++counts_.former_ended;
  scheduler_.After(milliseconds(1), [this, generation] {
    if (former_ != nullptr && former_->generation == generation) return EndRouter(former_);
    if (router_ == nullptr || router_->generation != generation) return;
    EndRouter(router_);
    // The one that it had taken over from was taking over itself.
    if (former_ != nullptr) {
      router_ = std::move(former_);
    } else {
      StartRouter();
    }
  });
}

void SimCluster::EndRouter(std::unique_ptr<Router>& router) {
  Add(router->shard->stats(), &past_stats_);
  LookAtMetadata();
  if (router->store->sessions_begun() > 1)
    counts_.leases_ended += router->store->sessions_begun() - 1;
  router.reset();
}

void SimCluster::TakeOver() {
  RINGKV_CHECK(router_ != nullptr && former_ == nullptr, "one router takes over from one");
  ++counts_.takeovers;
  former_ = std::move(router_);
  Trace([&] { return "router " + std::to_string(former_->generation) + " is taken over"; });
  StartRouter();
}

void SimCluster::PauseRouter(uint64_t generation) {
  Trace([&] { return "router " + std::to_string(generation) + " pauses"; });
  RouterOf(generation)->paused = true;
}

void SimCluster::ResumeRouter(uint64_t generation) {
  Router* router = RouterOf(generation);
  if (router == nullptr || !router->paused) return;
  Trace([&] { return "router " + std::to_string(generation) + " goes on"; });
  router->paused = false;
  std::deque<std::function<void(Router&)>> queued = std::exchange(router->queued, {});
  for (const auto& event : queued) OnRouter(generation, event);
}

void SimCluster::CutRouterOff(uint64_t generation, int node, bool cut_off) {
  Router& router = *RouterOf(generation);
  if (cut_off) {
    router.cut_off.insert(node);
  } else {
    router.cut_off.erase(node);
  }
}

void SimCluster::SetMetadataAway(uint64_t generation, bool away) {
  if (Router* router = RouterOf(generation)) router->metadata_away = away;
}

void SimCluster::RestoreMetadata(const SimulatedMetadata::Contents& contents) {
  *metadata_ = contents;
  state_.reset();
  LookAtMetadata();
}

// ---- faults of routers ----

// What the former owner does meanwhile: it works as ever, is paused, or is without the metadata
// store, without some nodes; and the new one may not reach some of them either.
void SimCluster::TakeOverForAWhile(Duration outage) {
  if (!RouterUp() || former_ != nullptr) return;
  TakeOver();
  const uint64_t former = former_->generation, present = router_->generation;
  const double dice = random_.Unit();
  if (dice < 0.35) {
    PauseForAWhile(former, outage);
  } else if (dice < 0.7) {
    SendMetadataAway(former, outage * 3);
  }
  for (uint64_t generation : {former, present}) {
    if (!random_.Chance(generation == former ? 0.3 : 0.5)) continue;
    const int node = static_cast<int>(random_.Below(nodes_.size()));
    CutRouterOff(generation, node, true);
    scheduler_.After(outage, [this, generation, node] {
      if (RouterAlive(generation)) CutRouterOff(generation, node, false);
    });
  }
}

// The first goes on, or is paused and comes back, without the metadata store, and reaches what the
// others do not.
void SimCluster::TakeOverAndRemove(Duration outage) {
  if (!RouterUp() || former_ != nullptr) return;
  TakeOver();
  ++counts_.removals;
  const uint64_t first = former_->generation, second = router_->generation;
  SendMetadataAway(first, outage + mix_.lease_ttl);
  if (random_.Chance(0.5)) PauseForAWhile(first, milliseconds(random_.Between(50, 900)));
  const int node = static_cast<int>(random_.Below(nodes_.size()));
  CutRouterOff(second, node, true);
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (i != node && random_.Chance(0.7)) CutRouterOff(first, i, true);
  }
  const Duration ordered = milliseconds(random_.Between(20, 500));
  scheduler_.After(ordered, [this, node] { RemoveNode(node, /*force=*/true); });
  scheduler_.After(ordered + milliseconds(random_.Between(20, 900)), [this, second, node, outage] {
    if (router_generation() != second) return;
    CrashRouter();
    StartRouter();
    const uint64_t third = router_->generation;
    CutRouterOff(third, node, true);
    scheduler_.After(outage, [this, third, node] {
      if (RouterAlive(third)) CutRouterOff(third, node, false);
    });
  });
}

void SimCluster::PauseForAWhile(uint64_t generation, Duration outage) {
  if (RouterOf(generation)->paused) return;
  ++counts_.pauses;
  PauseRouter(generation);
  scheduler_.After(outage, [this, generation] { ResumeRouter(generation); });
}

void SimCluster::SendMetadataAway(uint64_t generation, Duration outage) {
  if (RouterOf(generation)->metadata_away) return;
  ++counts_.metadata_away;
  Trace([&] { return "no metadata store for router " + std::to_string(generation); });
  SetMetadataAway(generation, true);
  scheduler_.After(outage, [this, generation] { SetMetadataAway(generation, false); });
}

void SimCluster::RestartRouter() {
  if (router_ != nullptr) CrashRouter();
  StartRouter();
}

void SimCluster::CrashRouter() {
  const bool done = ManualMetadata() && random_.Chance(0.5);
  if (done && mix_.late_transactions && random_.Chance(0.5))
    router_->store->Inject(SimulatedMetadata::Fault::kLate, 1);
  CrashRouterWithTransaction(done);
}

void SimCluster::CrashRouterWithTransaction(bool done) {
  Trace([&] { return std::string("router dies"); });
  // The metadata store may have got the request, and finds nobody to answer.
  if (done && router_->store->waiting() > 0) StepStore(*router_);
  EndRouter(router_);
}

// ---- the metadata store ---------------------------------------------------------------------

// Each operation takes effect, and is answered, some time after it was asked for.
void SimCluster::ScheduleMetadata(Router& router) {
  while (router.scheduled_steps < router.store->waiting()) {
    ++router.scheduled_steps;
    const auto at_most = std::chrono::duration_cast<microseconds>(mix_.metadata_delay).count();
    scheduler_.After(microseconds(random_.Between(50, static_cast<uint64_t>(at_most))),
                     [this, generation = router.generation] {
                       if (Router* at = RouterOf(generation)) StepMetadata(*at);
                     });
  }
}

void SimCluster::StepMetadata(Router& router) {
  --router.scheduled_steps;
  if (metadata_held_) {
    ++router.scheduled_steps;
    scheduler_.After(milliseconds(10), [this, generation = router.generation] {
      if (Router* at = RouterOf(generation)) StepMetadata(*at);
    });
    return;
  }
  if (router.metadata_away || (faults_on_ && random_.Chance(mix_.metadata_faults))) {
    using Fault = SimulatedMetadata::Fault;
    const Fault kinds[] = {Fault::kUnavailable, Fault::kLostApplied, Fault::kLostNotApplied,
                           Fault::kLate};
    const Fault kind = kinds[random_.Below(mix_.late_transactions ? 4 : 3)];
    // Nothing gets to a store that is away.
    router.store->Inject(router.metadata_away ? Fault::kUnavailable : kind, 1);
    ++counts_.metadata_faults;
  }
  // An operation takes effect whatever its router does meanwhile; its answer is delivered later.
  if (mix_.takeover) {
    StepStore(router);
    return LookAtMetadata();
  }
  RouterEvent(router, [&] { StepStore(router); });
}

// A transaction may take effect long after its router was told that nobody knows its outcome.
void SimCluster::StepStore(Router& router) {
  const std::shared_ptr<SimulatedMetadata> store = router.store;
  const size_t late = store->late();
  store->Step();
  if (store->late() == late) return;
  Trace([&] { return std::string("a transaction is late"); });
  scheduler_.After(milliseconds(random_.Between(1, 3000)), [this, store] {
    const uint64_t before = store->commits();
    store->ApplyLate();
    Trace([&] {
      return std::string("a late transaction ") +
             (store->commits() == before ? "holds no more" : "takes effect");
    });
    if (store->commits() == before) return;
    ++counts_.late_transactions;
    metadata_changed_ = true;
    LookAtMetadata();
  });
}

void SimCluster::LookAtMetadata() {
  bool changed = std::exchange(metadata_changed_, false) || !state_.has_value();
  for (Router* router : {router_.get(), former_.get()}) {
    if (router == nullptr) continue;
    changed |= router->store->commits() != router->seen_commits;
    router->seen_commits = router->store->commits();
  }
  if (!changed) return;
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

}  // namespace ringkv
