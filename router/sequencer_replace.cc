// Sequencer, R6: the set of replicas changes, one at a time (docs/protocol.md, "Replace"). The
// metadata says what the set is; the sequencer says when it may change, and which quorum counts
// until then.
#include <algorithm>
#include <bit>
#include <utility>

#include "base/rule.h"
#include "router/sequencer.h"

namespace ringkv {

using Stage = SetChange::Stage;

// ---- the row --------------------------------------------------------------------------------

std::vector<Peer> Sequencer::Peers() const {
  std::vector<Peer> peers;
  for (const Seat& seat : seats_) {
    if (seat.present) peers.push_back(seat.peer);
  }
  for (const Leaving& leaving : retiring_) peers.push_back(leaving.peer);
  return peers;
}

bool Sequencer::AdoptRow(const SlotGrant& row) {
  if (deposed_ || row.epoch <= epoch_) return false;
  const bool had_learner = change_.learner >= 0;
  const Incarnation learner = had_learner ? seats_[change_.learner].inc : Incarnation();
  TakeRow(row);
  // Only under this term is a row changed while it is held.
  if (change_.learner >= 0 && (!had_learner || seats_[change_.learner].inc != learner)) {
    empty_learner_ = seats_[change_.learner].inc;
  }
  if (had_learner && change_.learner < 0) {
    const bool took_its_place = std::any_of(row_.begin(), row_.end(),
                                            [&](int seat) { return seats_[seat].inc == learner; });
    ++(took_its_place ? host_.stats().flips : host_.stats().abandoned);
  }
  RecheckCommits();
  for (const Leaving& leaving : retiring_) {
    if (leaving.told) SayRetired(leaving);
  }
  if (WantsSync()) host_.QueueSync(this);
  return true;
}

void Sequencer::TakeRow(const SlotGrant& row) {
  RINGKV_CHECK(row.replicas.size() < kMaxSeats, "a slot has at most 7 replicas");
  epoch_ = row.epoch;
  // What was persisted, and told of garbage, may be another set's.
  stable_round_ = {};
  stable_boots_ = {};
  floor_.round = 0;
  floor_.answered = 0;
  floor_.garbage = true;
  auto named = [&row](const Seat& seat) {
    auto is = [&seat](const ReplicaGrant& r) { return r.peer == seat.peer && r.inc == seat.inc; };
    return std::any_of(row.replicas.begin(), row.replicas.end(), is) ||
           (row.learner.has_value() && is(*row.learner));
  };
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].present && !named(seats_[i])) RemoveSeat(static_cast<int>(i));
  }
  row_.clear();
  set_ = 0;
  for (const ReplicaGrant& replica : row.replicas) {
    row_.push_back(SeatFor(replica));
    set_ |= static_cast<Mask>(1u << row_.back());
  }
  next_set_ = set_;
  change_ = {};
  if (row.learner.has_value()) {
    change_.stage = Stage::kFilling;
    change_.learner = SeatFor(*row.learner);
    if (row.replaced.has_value()) change_.replaced = SeatFor(*row.replaced);
    host_.Activate(this);
  }
  std::vector<Leaving> before = std::exchange(retiring_, {});
  for (const ReplicaGrant& replica : row.retiring) {
    Leaving leaving{replica.peer, replica.inc};
    for (const Leaving& known : before) {
      if (known.peer == leaving.peer && known.inc == leaving.inc) leaving.told = known.told;
    }
    retiring_.push_back(leaving);
  }
}

// The seat of the instance; a new one where it has none.
int Sequencer::SeatFor(const ReplicaGrant& replica) {
  const int known = SeatOf(replica.peer);
  if (known >= 0) {
    RINGKV_CHECK(seats_[known].inc == replica.inc, "a row names a node once");
    return known;
  }
  auto place = std::find_if(seats_.begin(), seats_.end(), [](const Seat& s) { return !s.present; });
  if (place == seats_.end()) {
    RINGKV_CHECK(seats_.size() < kMaxSeats, "a slot has at most 7 replicas and a learner");
    place = seats_.insert(seats_.end(), Seat{});
  }
  *place = Seat{};
  place->present = true;
  place->peer = replica.peer;
  place->inc = replica.inc;
  return static_cast<int>(place - seats_.begin());
}

void Sequencer::RemoveSeat(int i) {
  if (seats_[i].sync.stage != SeatSync::Stage::kNone) AbortSync(i);
  Untrack(i);
  ForgetAnswersOf(i);
  in_place_of_lost_ &= static_cast<Mask>(~(1u << i));
  stable_boots_[static_cast<size_t>(i)] = Boot();
  seats_[i] = Seat{};
}

// The place may be another instance's next: nothing of the old one may count for it.
void Sequencer::ForgetAnswersOf(int i) {
  const Mask bit = static_cast<Mask>(1u << i);
  const Mask others = static_cast<Mask>(~bit);
  ForgetUnanswered(i);
  for (Key* key : pending_keys_) {
    for (Pending& pending : key->pending) pending.acks &= others;
  }
  std::vector<std::string> unreadable;
  for (auto& [name, key] : keys_) {
    if (key.corrupt_mask & bit) unreadable.push_back(name);
  }
  for (const std::string& name : unreadable) {
    Key* key = UseKey(name);
    key->corrupt_mask &= others;
    ReleaseKey(key);
  }
  for (auto& [id, call] : calls_) {
    call->candidates &= others;
    if (!(call->asked & bit)) continue;
    // What it had answered is asked of the others.
    ++call->attempt;
    call->asked &= others;
    call->answered &= others;
    call->voted &= others;
    AskAgainAt(call.get(), host_.Now());
  }
  for (auto& [id, scan] : scans_) {
    scan->excluded &= others;
    if (!(scan->asked & bit) || scan->merged) continue;
    ++scan->attempt;
    scan->asked &= others;
    scan->answered &= others;
    scan->ask_again = host_.Now();
  }
}

// A smaller set may have made a quorum of what there was.
void Sequencer::RecheckCommits() {
  std::vector<std::string> names;
  for (const Key* key : pending_keys_) names.push_back(key->name);
  for (const std::string& name : names) {
    if (FindKey(name) == nullptr) continue;
    Key* key = UseKey(name);
    if (!key->pending.empty()) CommitIfQuorum(key);
    ReleaseKey(key);
  }
}

// ---- stages ---------------------------------------------------------------------------------

void Sequencer::TickChange() {
  switch (change_.stage) {
    case Stage::kNone:
      return;
    case Stage::kFilling:
      if (MayBeJoint()) EnterJoint();
      return;
    case Stage::kJoint:
      if (!MayBeJoint()) return LeaveJoint();
      if (LearnerHasAll()) AskForFlip();
      return;
    case Stage::kFlipping:
      if (change_.next_ask <= host_.Now()) AskForFlip();
      return;
  }
}

// The learner is as good as a replica, and nothing is refused that the old set alone would do.
bool Sequencer::MayBeJoint() const {
  // Where an earlier owner may read is not changed before it cannot any more.
  if (!MayRelease()) return false;
  const Seat& seat = seats_[change_.learner];
  const bool ready = seat.clean && seat.voting && Reachable(change_.learner) &&
                     seat.sync.stage == SeatSync::Stage::kNone;
  if (!ready) return false;
  Mask next = set_ | static_cast<Mask>(1u << change_.learner);
  if (change_.replaced >= 0) next &= static_cast<Mask>(~(1u << change_.replaced));
  Mask voting = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].voting && (next >> i & 1)) voting |= static_cast<Mask>(1u << i);
  }
  return std::popcount(static_cast<Mask>(voting & ReachableMask())) > std::popcount(next) / 2;
}

void Sequencer::EnterJoint() {
  ++host_.stats().joints;
  stable_round_ = {};
  change_.stage = Stage::kJoint;
  change_.joint_from = Version{term_, last_seq_};
  next_set_ |= static_cast<Mask>(1u << change_.learner);
  if (change_.replaced >= 0) next_set_ &= static_cast<Mask>(~(1u << change_.replaced));
}

// Nobody was told of the new set yet: every commit so far was one of the old set.
void Sequencer::LeaveJoint() {
  ++host_.stats().joints_left;
  change_.stage = Stage::kFilling;
  next_set_ = set_;
  RecheckCommits();
}

// All that was committed, or may still be, without the learner's being asked.
bool Sequencer::LearnerHasAll() const {
  if (!RINGKV_RULE(kLearnerHasAllBeforeFlip)) return true;
  const Mask bit = static_cast<Mask>(1u << change_.learner);
  return std::none_of(keys_.begin(), keys_.end(), [&](const auto& entry) {
    const Key& key = entry.second;
    if (key.corrupt_mask & bit) return true;
    return (key.behind_mask & bit) && key.missing[change_.learner] <= change_.joint_from;
  });
}

void Sequencer::AskForFlip() {
  change_.stage = Stage::kFlipping;
  change_.next_ask = host_.Now() + host_.options().retransmit * 4;
  RowRequest request;
  request.kind = RowRequest::Kind::kFlip;
  request.slot = slot_;
  request.term = term_;
  request.epoch = epoch_;
  host_.Ask(request);
}

// ---- instances ------------------------------------------------------------------------------

// The node has not heard of the copy that the metadata names: a learner, or what an operator has
// put in the place of a lost one. Empty, it waits for its turn to be filled.
void Sequencer::SendCreate(int i) {
  v1::ReplicaOp op = MakeOp(i);
  op.mutable_create()->set_voting(false);
  Expected expected;
  expected.kind = Expected::Kind::kCreate;
  expected.slot = slot_;
  host_.Send(seats_[i].peer, op, std::move(expected));
}

void Sequencer::OnCreateReply(int i, const v1::ReplicaOpReply& reply) {
  if (i != change_.learner) return;  // contact is made again, and tells
  if (reply.code() == v1::REPLICA_CODE_NO_INSTANCE && change_.stage == Stage::kFilling) {
    RowRequest request;
    request.kind = RowRequest::Kind::kAbandon;
    request.slot = slot_;
    request.term = term_;
    request.epoch = epoch_;
    return host_.Ask(request);
  }
  if (reply.code() != v1::REPLICA_CODE_OK) return;
  seats_[i].created = true;
  if (!seats_[i].usable) Contact(seats_[i].peer, seats_[i].boot);
}

void Sequencer::SendRetire(const Leaving& leaving) {
  v1::ReplicaOp op;
  op.set_slot(slot_.value());
  op.set_inc(leaving.inc.value());
  op.set_term(term_.value());
  op.set_owner(owner_.value());
  op.mutable_retire()->set_epoch(epoch_);
  Expected expected;
  expected.kind = Expected::Kind::kRetire;
  expected.slot = slot_;
  host_.Send(leaving.peer, op, std::move(expected));
}

void Sequencer::OnRetireReply(Peer peer, const Expected& expected,
                              const v1::ReplicaOpReply& reply) {
  if (reply.code() != v1::REPLICA_CODE_OK) return;
  for (Leaving& leaving : retiring_) {
    if (leaving.peer != peer || leaving.inc != expected.inc) continue;
    if (!leaving.told) ++host_.stats().retired;
    leaving.told = true;
    SayRetired(leaving);
  }
}

void Sequencer::SayRetired(const Leaving& leaving) {
  RowRequest request;
  request.kind = RowRequest::Kind::kRetired;
  request.slot = slot_;
  request.term = term_;
  request.replica = {leaving.peer, leaving.inc};
  host_.Ask(request);
}

}  // namespace ringkv
