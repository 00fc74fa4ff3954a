#include "router/membership.h"

#include <algorithm>
#include <utility>

#include "base/hex.h"
#include "base/logging.h"
#include "ring/hash.h"
#include "router/cluster_txns.h"
#include "router/node_registration.h"

namespace ringkv {
namespace {

v1::RegisterReply TryAgain(std::string why) {
  v1::RegisterReply reply;
  reply.set_outcome(v1::REGISTER_OUTCOME_TRY_AGAIN);
  reply.set_message(std::move(why));
  return reply;
}

}  // namespace

Membership::Membership(MembershipOptions options, const Clock& clock, MetadataStore& store,
                       DataPlane& data, ServingGate& gate, Random random,
                       std::function<void(Status)> on_fatal)
    : options_(std::move(options)),
      clock_(clock),
      store_(store),
      data_(data),
      gate_(gate),
      random_(random),
      on_fatal_(std::move(on_fatal)),
      mover_(options_.moves) {
  Publish();
}

std::shared_ptr<const ClusterView> Membership::view() const {
  std::lock_guard lock(view_mutex_);
  return view_;
}

void Membership::Publish() {
  auto view = std::make_shared<ClusterView>();
  view->router = options_.router;
  view->state = state_;
  view->peers = peer_names_;
  view->heard = heard_;
  std::lock_guard lock(view_mutex_);
  view_ = std::move(view);
}

// ---- loading, forming, taking over ------------------------------------------------------------

void Membership::Load() {
  busy_ = true;
  load_wanted_ = false;
  lease_.asked = lease_.session;
  if (phase_ == Phase::kStarting) gate_.Close("reading the cluster's metadata");
  store_.List("", [this](Result<MetadataStore::Entries> entries) {
    busy_ = false;
    OnLoaded(std::move(entries));
  });
}

void Membership::OnLoaded(Result<MetadataStore::Entries> entries) {
  if (!entries.ok()) return RetryLater(entries.status());
  Result<std::optional<ClusterState>> loaded = ClusterState::Load(*entries);
  if (!loaded.ok()) return Fail(loaded.status());
  if (!loaded->has_value()) {
    if (phase_ == Phase::kServing) return Fail(Status::Corruption("the metadata is gone"));
    return Form();
  }
  const std::shared_ptr<const ClusterState> before =
      std::exchange(state_, std::make_shared<const ClusterState>(std::move(**loaded)));
  Publish();
  if (phase_ == Phase::kStarting) return Take();
  if (const std::vector<uint64_t>* owners = OwnersAfterRetake()) {
    ConfirmLease(lease_.asked);
    TellChanges(*before);
    return FinishRetake(*owners);
  }
  if (!StillOwner()) {
    return Fail(Status::Refused("another router has taken this cluster over"));
  }
  ConfirmLease(lease_.asked);
  // Whatever was in doubt when this load began is known now.
  TellChanges(*before);
  Publish();
  Pump();
}

void Membership::Form() {
  gate_.Close("forming the cluster");
  FormationRequest request;
  request.uuid = RandomUuid();
  request.nodes = options_.nodes;
  request.replicas = options_.replicas;
  request.slots = options_.slots;
  request.now_ms = clock_.WallMillis();
  Result<MetadataTxn> txn = FormCluster(request);
  if (!txn.ok()) return Fail(txn.status().Annotate("cannot form a cluster"));
  busy_ = true;
  store_.Commit(std::move(*txn), [this, uuid = request.uuid](Result<bool> formed) {
    busy_ = false;
    if (formed.ok() && *formed) {
      RINGKV_LOG(kInfo, "membership", "formed cluster {}: {} nodes, {} replicas, {} slots",
                 Hex(uuid), options_.nodes.size(), options_.replicas, options_.slots);
    }
    if (!formed.ok() && formed.status().code() != StatusCode::kUnknownOutcome) {
      return RetryLater(formed.status());
    }
    Load();  // ours, or that of whoever was faster
  });
}

void Membership::Take() {
  gate_.Close("taking ownership of the slots");
  WarnOfIgnoredConfiguration();
  Result<MetadataTxn> txn = TakeOwnership(*state_, options_.router, random_);
  if (!txn.ok()) return Fail(txn.status());
  busy_ = true;
  lease_.asked = lease_.session;
  store_.Commit(*txn, [this, txn = *txn](Result<bool> result) {
    busy_ = false;
    OnTaken(txn, std::move(result));
  });
}

void Membership::OnTaken(const MetadataTxn& txn, Result<bool> result) {
  if (!result.ok() && result.status().code() != StatusCode::kUnknownOutcome) {
    return RetryLater(result.status());
  }
  // In doubt: taken again under fresh terms, which is always right.
  if (!result.ok() || !*result) return Load();
  ClusterState next = *state_;
  if (Status applied = next.Apply(txn); !applied.ok()) return Fail(applied);
  state_ = std::make_shared<const ClusterState>(std::move(next));
  Serve();
}

void Membership::Serve() {
  for (const auto& [id, node] : state_->nodes()) {
    if (IsMember(node)) TellPeer(node);
  }
  owners_.clear();
  for (const v1::GroupOwnership& group : state_->groups()) owners_.push_back(group.owner());
  const bool leases = store_.LeaseTtl().has_value();
  if (leases) {
    data_.SetLeaseUntil(MonoTime{});
    ConfirmLease(lease_.asked);
  } else {
    data_.SetLeaseUntil(kNever);
  }
  std::vector<GroupGrant> grants;
  for (const v1::GroupOwnership& group : state_->groups()) grants.push_back(GrantOf(group));
  data_.TakeGroups(std::move(grants));
  Publish();
  phase_ = Phase::kServing;
  RINGKV_LOG(kInfo, "membership", "router {} owns cluster {}: {} slots in {} groups, terms from {}",
             options_.router, Hex(state_->identity().uuid()), state_->identity().slots(),
             state_->identity().groups(), state_->groups().front().term());
  gate_.Open({state_->identity().slots(), state_->identity().groups()});
  if (leases) RenewLease();  // who else holds one, now that this router is the owner
  Pump();
}

// After a transaction whose outcome is unknown. It may show at once, or later, or never; nothing
// else might make this router read the metadata by then.
void Membership::LoadInDoubt() {
  // Those of an earlier doubt are later for it: the load that follows here looks for that one, too.
  const std::array<Duration, 2> later = {options_.doubt, 6 * options_.doubt};
  for (size_t i = 0; i < later.size(); ++i) {
    timers_.Cancel(doubts_[i]);
    doubts_[i] = timers_.Arm(clock_.Now() + later[i], [this] {
      load_wanted_ = true;
      Pump();
    });
  }
  Load();
}

bool Membership::StillOwner() const {
  for (size_t i = 0; i < owners_.size(); ++i) {
    if (state_->groups()[i].owner() != owners_[i]) return false;
  }
  return true;
}

void Membership::RetryLater(const Status& why) {
  const std::string text = "the metadata store does not answer: " + why.message();
  RINGKV_LOG_EVERY(std::chrono::seconds(5), kWarning, "membership", "{}", text);
  if (phase_ == Phase::kStarting) gate_.Close(text);
  busy_ = true;  // until the load that is to come
  timers_.Arm(clock_.Now() + options_.retry, [this] { Load(); });
  while (!waiting_.empty()) AnswerFirst(TryAgain(text));
  while (!commands_.empty()) AnswerCommand(Status::Unavailable(text));
}

void Membership::Fail(Status why) {
  phase_ = Phase::kFailed;
  gate_.Close(why.message());
  while (!waiting_.empty()) AnswerFirst(TryAgain(why.message()));
  while (!commands_.empty()) AnswerCommand(Status::Unavailable(why.message()));
  while (!retakes_.empty()) AnswerRetake(Status::UnknownOutcome(why.message()));
  on_fatal_(std::move(why));
}

GroupGrant Membership::GrantOf(const v1::GroupOwnership& group) const {
  GroupGrant grant;
  grant.group = GroupId(group.group());
  grant.term = Term(group.term());
  grant.owner = OwnerId(group.owner());
  grant.first_term = group.term() == group.first_term();
  grant.predecessor_gone =
      grant.first_term || !store_.LeaseTtl().has_value() || lease_.predecessors_gone;
  const v1::ClusterIdentity& cluster = state_->identity();
  const uint32_t each = cluster.slots() / cluster.groups();
  for (uint32_t i = group.group() * each; i < (group.group() + 1) * each; ++i) {
    grant.slots.push_back(GrantOf(state_->slots()[i]));
  }
  return grant;
}

SlotGrant Membership::GrantOf(const v1::SlotPlacement& row) const {
  auto grant = [this](const v1::ReplicaRef& replica) {
    return ReplicaGrant{peers_.at(replica.node()), Incarnation(replica.inc())};
  };
  SlotGrant slot;
  slot.slot = SlotId(row.slot());
  slot.epoch = row.epoch();
  for (const v1::ReplicaRef& replica : row.replicas()) slot.replicas.push_back(grant(replica));
  if (row.has_learner()) slot.learner = grant(row.learner());
  if (row.has_replaced()) slot.replaced = grant(row.replaced());
  for (const v1::ReplicaRef& replica : row.retiring()) {
    // Nobody is to be told on a node that was removed by force.
    if (IsMember(*state_->FindNode(replica.node()))) slot.retiring.push_back(grant(replica));
  }
  return slot;
}

// In this order: whoever is named is known.
void Membership::TellChanges(const ClusterState& before) {
  for (const auto& [id, node] : state_->nodes()) {
    const v1::NodeRecord* was = before.FindNode(id);
    const bool same = was != nullptr && was->SerializeAsString() == node.SerializeAsString();
    if (IsMember(node) && !same) TellPeer(node);
    if (!IsMember(node) && was != nullptr && IsMember(*was)) {
      RINGKV_LOG(kInfo, "membership", "node {} has left the cluster", id);
      data_.DropPeer(peers_.at(id), *NodeId::Parse(id));
    }
  }
  std::vector<std::pair<GroupId, SlotGrant>> rows;
  const v1::ClusterIdentity& cluster = state_->identity();
  for (const v1::SlotPlacement& row : state_->slots()) {
    if (row.epoch() == before.slots()[row.slot()].epoch()) continue;
    rows.emplace_back(GroupOf(SlotId(row.slot()), cluster.slots(), cluster.groups()), GrantOf(row));
  }
  if (!rows.empty()) data_.AdoptRows(std::move(rows));
  for (const auto& [id, migration] : state_->migrations()) {
    const auto was = before.migrations().find(id);
    if (was != before.migrations().end() && was->second.state() == migration.state()) continue;
    RINGKV_LOG(kInfo, "membership", "migration {} ({} {}): {}, {} moves", id,
               v1::MigrationKind_Name(migration.kind()), migration.node(),
               v1::MigrationState_Name(migration.state()), migration.moves());
  }
}

void Membership::TellPeer(const v1::NodeRecord& node) {
  auto [found, fresh] = peers_.emplace(node.id(), Peer(static_cast<uint32_t>(peer_names_.size())));
  if (fresh) peer_names_.push_back(node.id());
  PeerAddress peer;
  peer.peer = found->second;
  peer.cluster_uuid = state_->identity().uuid();
  peer.node = *NodeId::Parse(node.id());
  peer.address = node.address();
  peer.store_uuid = node.store_uuid();
  peer.boot = Boot(node.boot());
  peer.vnodes = node.vnodes();
  data_.SetPeer(peer);
}

void Membership::WarnOfIgnoredConfiguration() const {
  auto warn = [](std::string_view what) {
    RINGKV_LOG(kWarning, "membership",
               "the configuration's {}; it counts only when a cluster is formed, and is ignored",
               what);
  };
  if (options_.replicas != state_->placement().replicas()) {
    warn("`replicas` is " + std::to_string(options_.replicas) + " and the cluster's is " +
         std::to_string(state_->placement().replicas()));
  }
  if (options_.slots != state_->identity().slots()) {
    warn("`slots` is " + std::to_string(options_.slots) + " and the cluster's is " +
         std::to_string(state_->identity().slots()));
  }
  for (const NodeEntry& entry : options_.nodes) {
    const v1::NodeRecord* node = state_->FindNode(entry.id.value());
    if (node == nullptr || !IsMember(*node)) {
      warn("`nodes` names " + entry.id.value() + ", which is not part of the cluster");
    } else if (node->vnodes() != entry.vnodes) {
      warn("`nodes` gives " + entry.id.value() + " " + std::to_string(entry.vnodes) +
           " vnodes and it has " + std::to_string(node->vnodes()));
    } else if (node->store_uuid().empty() && node->address() != entry.address) {
      warn("`nodes` has " + entry.id.value() + " at " + entry.address + " and the cluster at " +
           node->address());
    }
  }
}

// ---- registrations ----------------------------------------------------------------------------

void Membership::Register(v1::RegisterRequest request, RegisterDone done) {
  if (phase_ != Phase::kServing) return done(TryAgain(gate_.why_closed()));
  // A node asks again when no answer comes. What it asked before is of no use to it any more: the
  // later one takes its place, or a slow metadata store would be kept busy by old ones for good.
  auto same = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) {
    return !waiting.in_flight && waiting.request.node() == request.node();
  });
  if (same != waiting_.end()) {
    RegisterDone before = std::exchange(same->done, std::move(done));
    same->request = std::move(request);
    return before(TryAgain("the node has asked again since"));
  }
  if (waiting_.size() >= options_.max_waiting) {
    return done(TryAgain("too many nodes register at this moment"));
  }
  waiting_.push_back({std::move(request), std::move(done)});
  Pump();
}

// One at a time: each is planned on the state that the one before has left. In turns: no kind waits
// for more than one transaction of each other. The store may answer within the call, so that this
// must not recurse.
void Membership::Pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!busy_ && phase_ == Phase::kServing && BeginNext()) {
  }
  pumping_ = false;
}

bool Membership::BeginNext() {
  if (load_wanted_) return Load(), true;
  constexpr int kKinds = 4;
  for (int i = 0; i < kKinds; ++i) {
    const int kind = std::exchange(turn_, (turn_ + 1) % kKinds);
    if (kind == 0 && !retakes_.empty()) return BeginRetake(), true;
    if (kind == 1 && !waiting_.empty()) return BeginFirst(), true;
    if (kind == 2 && !commands_.empty()) return BeginCommand(), true;
    if (kind == 3 && BeginMove()) return true;
  }
  return false;
}

void Membership::BeginFirst() {
  Waiting& first = waiting_.front();
  if (++first.attempts > kMaxAttempts) return AnswerFirst(TryAgain("the metadata keeps changing"));
  Result<Registration> planned = PlanRegistration(*state_, first.request);
  if (!planned.ok()) return AnswerFirst(planned.status());
  if (!planned->txn.has_value()) {
    if (!store_.LeaseTtl().has_value()) return AnswerFirst(std::move(planned->reply));
    // Another router may have taken over and let the node start meanwhile: what rests on old
    // metadata would turn a good disk away.
    planned->txn.emplace();
    ExpectOwnership(&*planned->txn);
    state_->Expect(NodeName(first.request.node()), &*planned->txn);
  }
  busy_ = true;
  first.in_flight = true;
  store_.Commit(*planned->txn,
                [this, txn = *planned->txn, reply = planned->reply](Result<bool> result) {
                  busy_ = false;
                  OnRegistered(txn, reply, std::move(result));
                });
}

void Membership::ExpectOwnership(MetadataTxn* txn) const {
  for (const v1::GroupOwnership& group : state_->groups()) {
    state_->Expect(GroupName(GroupId(group.group())), txn);
  }
}

void Membership::OnRegistered(const MetadataTxn& txn, v1::RegisterReply reply,
                              Result<bool> result) {
  if (!result.ok() && result.status().code() != StatusCode::kUnknownOutcome) {
    AnswerFirst(TryAgain("the metadata store does not answer: " + result.status().message()));
    return Pump();
  }
  if (!result.ok()) return LoadInDoubt();  // and plan again on what is there
  if (!*result) return Load();
  if (!txn.puts.empty() && !Apply(txn)) return;
  if (reply.outcome() == v1::REGISTER_OUTCOME_NOT_A_MEMBER) {
    heard_[waiting_.front().request.node()] = clock_.Now();
  }
  if (reply.outcome() == v1::REGISTER_OUTCOME_REGISTERED) {
    TellPeer(*state_->FindNode(waiting_.front().request.node()));
  }
  Publish();
  AnswerFirst(std::move(reply));
  Pump();
}

// False: what was committed makes no sense, and this router has ended.
bool Membership::Apply(const MetadataTxn& txn) {
  ClusterState next = *state_;
  if (Status applied = next.Apply(txn); !applied.ok()) {
    Fail(applied);
    return false;
  }
  state_ = std::make_shared<const ClusterState>(std::move(next));
  return true;
}

void Membership::AnswerFirst(Result<v1::RegisterReply> reply) {
  Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  if (reply.ok()) LogOutcome(first.request, *reply);
  first.done(std::move(reply));
}

// ---- changes of the placement -----------------------------------------------------------------

void Membership::StartChange(MigrationStart start, ChangeDone done) {
  if (phase_ != Phase::kServing) return done(Status::Unavailable(gate_.why_closed()));
  if (commands_.size() >= options_.max_waiting)
    return done(Status::Overloaded("too many commands"));
  auto plan = [start = std::move(start)](const ClusterState& state) {
    return StartMigration(state, start);
  };
  commands_.push_back({std::move(plan), std::move(done), 0});
  Pump();
}

void Membership::OrderChange(uint64_t migration, MigrationOrder order, ChangeDone done) {
  if (phase_ != Phase::kServing) return done(Status::Unavailable(gate_.why_closed()));
  if (commands_.size() >= options_.max_waiting)
    return done(Status::Overloaded("too many commands"));
  auto plan = [migration, order](const ClusterState& state) -> Result<StartedMigration> {
    Result<MetadataTxn> txn = OrderMigration(state, migration, order);
    if (!txn.ok()) return txn.status();
    return StartedMigration{migration, std::move(*txn)};
  };
  commands_.push_back({std::move(plan), std::move(done), 0});
  Pump();
}

void Membership::BeginCommand() {
  Command& first = commands_.front();
  if (++first.attempts > kMaxAttempts) {
    return AnswerCommand(Status::Unavailable("the metadata keeps changing"));
  }
  Result<StartedMigration> planned = first.plan(*state_);
  if (!planned.ok()) return AnswerCommand(planned.status());
  // What a former owner orders, nobody carries out: the present one does not read it.
  ExpectOwnership(&planned->txn);
  busy_ = true;
  store_.Commit(planned->txn, [this, txn = planned->txn, id = planned->id](Result<bool> result) {
    busy_ = false;
    OnCommanded(txn, id, std::move(result));
  });
}

void Membership::OnCommanded(const MetadataTxn& txn, uint64_t id, Result<bool> result) {
  if (!result.ok()) {
    AnswerCommand(result.status().Annotate("the metadata store does not answer"));
    // Perhaps it was done: what is there now is known after a load.
    return result.status().code() == StatusCode::kUnknownOutcome ? LoadInDoubt() : Pump();
  }
  if (!*result) return Load();  // and plan again on what is there
  const std::shared_ptr<const ClusterState> before = state_;
  if (!Apply(txn)) return;
  TellChanges(*before);
  Publish();
  AnswerCommand(id);
  Pump();
}

void Membership::AnswerCommand(Result<uint64_t> id) {
  Command first = std::move(commands_.front());
  commands_.pop_front();
  first.done(std::move(id));
}

void Membership::OnRowRequests(const std::vector<RowRequest>& requests) {
  for (const RowRequest& request : requests) {
    const bool names_one = request.kind == RowRequest::Kind::kRetired;
    mover_.Take(request, names_one ? peer_names_[request.replica.peer.value()] : "");
  }
  Pump();
}

bool Membership::MayChangeRows() const {
  return !store_.LeaseTtl().has_value() || lease_.predecessors_gone;
}

// False: nothing is to be done.
bool Membership::BeginMove() {
  if (!MayChangeRows() || clock_.Now() < next_move_) return false;
  std::optional<MetadataTxn> txn = mover_.Next(*state_, clock_.WallMillis());
  if (!txn.has_value()) return false;
  ExpectOwnership(&*txn);
  busy_ = true;
  store_.Commit(*txn, [this, txn = *txn](Result<bool> result) {
    busy_ = false;
    OnMoved(txn, std::move(result));
  });
  return true;
}

void Membership::OnMoved(const MetadataTxn& txn, Result<bool> result) {
  if (!result.ok() && result.status().code() != StatusCode::kUnknownOutcome) {
    RINGKV_LOG_EVERY(std::chrono::seconds(5), kWarning, "membership",
                     "the metadata store does not take the next step of what moves: {}",
                     result.status().message());
    next_move_ = clock_.Now() + options_.retry;
    timers_.Arm(next_move_, [this] { Pump(); });
    return Pump();
  }
  if (!result.ok()) return LoadInDoubt();
  if (!*result) return Load();  // what is there, and whose it is
  const std::shared_ptr<const ClusterState> before = state_;
  if (!Apply(txn)) return;
  TellChanges(*before);
  Publish();
  Pump();
}

void Membership::LogOutcome(const v1::RegisterRequest& request,
                            const v1::RegisterReply& reply) const {
  if (reply.outcome() == v1::REGISTER_OUTCOME_REGISTERED) {
    RINGKV_LOG(kInfo, "membership", "node {} at {} registered: boot {}, store {}{}, {} instances",
               request.node(), request.address(), reply.boot(), Hex(request.store_uuid()),
               reply.first_disk() ? " (its first disk)" : "", reply.instances_size());
    return;
  }
  RINGKV_LOG_EVERY(std::chrono::seconds(5), kWarning, "membership",
                   "node {} at {} did not register: {}: {}", request.node(), request.address(),
                   v1::RegisterOutcome_Name(reply.outcome()), reply.message());
}

}  // namespace ringkv
