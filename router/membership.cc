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

constexpr int kMaxAttempts = 5;

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
      on_fatal_(std::move(on_fatal)) {
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
  std::lock_guard lock(view_mutex_);
  view_ = std::move(view);
}

// ---- loading, forming, taking over ------------------------------------------------------------

void Membership::Load() {
  busy_ = true;
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
  state_ = std::make_shared<const ClusterState>(std::move(**loaded));
  Publish();
  if (phase_ == Phase::kStarting) return Take();
  if (RetakeHappened()) return FinishRetake();
  if (!StillOwner()) {
    return Fail(Status::Refused("another router has taken this cluster over"));
  }
  // Whatever was in doubt when this load began is known now.
  for (const auto& [id, node] : state_->nodes()) {
    if (IsMember(node)) TellPeer(node);
  }
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
  data_.SetLeaseUntil(store_.LeaseUntil());
  std::vector<GroupGrant> grants;
  for (const v1::GroupOwnership& group : state_->groups()) grants.push_back(GrantOf(group));
  data_.TakeGroups(std::move(grants));
  Publish();
  phase_ = Phase::kServing;
  RINGKV_LOG(kInfo, "membership", "router {} owns cluster {}: {} slots in {} groups, terms from {}",
             options_.router, Hex(state_->identity().uuid()), state_->identity().slots(),
             state_->identity().groups(), state_->groups().front().term());
  gate_.Open({state_->identity().slots(), state_->identity().groups()});
  Pump();
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
}

void Membership::Fail(Status why) {
  phase_ = Phase::kFailed;
  gate_.Close(why.message());
  while (!waiting_.empty()) AnswerFirst(TryAgain(why.message()));
  while (!retakes_.empty()) AnswerRetake(Status::UnknownOutcome(why.message()));
  on_fatal_(std::move(why));
}

GroupGrant Membership::GrantOf(const v1::GroupOwnership& group) const {
  GroupGrant grant;
  grant.group = GroupId(group.group());
  grant.term = Term(group.term());
  grant.owner = OwnerId(group.owner());
  grant.first_term = group.term() == group.first_term();
  grant.predecessor_gone = store_.PredecessorsGone();
  const v1::ClusterIdentity& cluster = state_->identity();
  const uint32_t each = cluster.slots() / cluster.groups();
  for (uint32_t i = group.group() * each; i < (group.group() + 1) * each; ++i) {
    SlotGrant slot;
    slot.slot = SlotId(i);
    for (const v1::ReplicaRef& replica : state_->slots()[i].replicas()) {
      slot.replicas.push_back({peers_.at(replica.node()), Incarnation(replica.inc())});
    }
    grant.slots.push_back(std::move(slot));
  }
  return grant;
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
  if (waiting_.size() >= options_.max_waiting) {
    return done(TryAgain("too many nodes register at this moment"));
  }
  waiting_.push_back({std::move(request), std::move(done), 0});
  Pump();
}

// One at a time: each is planned on the state that the one before has left. The store may answer
// within the call, so that this must not recurse.
void Membership::Pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!busy_ && phase_ == Phase::kServing) {
    if (!retakes_.empty()) {
      BeginRetake();
    } else if (!waiting_.empty()) {
      BeginFirst();
    } else {
      break;
    }
  }
  pumping_ = false;
}

void Membership::BeginFirst() {
  Waiting& first = waiting_.front();
  if (++first.attempts > kMaxAttempts) return AnswerFirst(TryAgain("the metadata keeps changing"));
  Result<Registration> planned = PlanRegistration(*state_, first.request);
  if (!planned.ok()) return AnswerFirst(planned.status());
  if (!planned->txn.has_value()) return AnswerFirst(std::move(planned->reply));
  busy_ = true;
  store_.Commit(*planned->txn,
                [this, txn = *planned->txn, reply = planned->reply](Result<bool> result) {
                  busy_ = false;
                  OnRegistered(txn, reply, std::move(result));
                });
}

void Membership::OnRegistered(const MetadataTxn& txn, v1::RegisterReply reply,
                              Result<bool> result) {
  if (!result.ok() && result.status().code() != StatusCode::kUnknownOutcome) {
    AnswerFirst(TryAgain("the metadata store does not answer: " + result.status().message()));
    return Pump();
  }
  if (!result.ok() || !*result) return Load();  // and plan again on what is there
  if (!txn.puts.empty()) {
    ClusterState next = *state_;
    if (Status applied = next.Apply(txn); !applied.ok()) return Fail(applied);
    state_ = std::make_shared<const ClusterState>(std::move(next));
  }
  if (reply.outcome() == v1::REGISTER_OUTCOME_REGISTERED) {
    TellPeer(*state_->FindNode(waiting_.front().request.node()));
  }
  Publish();
  AnswerFirst(std::move(reply));
  Pump();
}

void Membership::AnswerFirst(Result<v1::RegisterReply> reply) {
  Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  if (reply.ok()) LogOutcome(first.request, *reply);
  first.done(std::move(reply));
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
