#include "router/sequencer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/client_request.h"

namespace ringkv {
namespace {

constexpr Duration kLookForGone = std::chrono::milliseconds(50);

v1::OpStatus MakeStatus(v1::Outcome outcome, v1::ErrorCode code, std::string message) {
  v1::OpStatus status;
  status.set_outcome(outcome);
  status.set_code(code);
  status.set_message(std::move(message));
  return status;
}

}  // namespace

Sequencer::Sequencer(SequencerHost& host, const GroupGrant& group, const SlotGrant& grant)
    : host_(host),
      slot_(grant.slot),
      group_(group.group),
      term_(group.term),
      owner_(group.owner),
      predecessor_gone_(group.predecessor_gone),
      loss_accepted_(grant.loss_accepted) {
  TakeRow(grant);
  unpromised_ = Peers();
  // Before the first term nothing was written: all hold all of it.
  for (int seat : row_) seats_[seat].tracked = seats_[seat].clean = group.first_term;
  for (const ReplicaGrant& replica : grant.replicas) {
    if (replica.in_place_of_lost)
      in_place_of_lost_ |= static_cast<Mask>(1u << SeatOf(replica.peer));
  }
}

Sequencer::~Sequencer() = default;

// ---- seats ----------------------------------------------------------------------------------

int Sequencer::SeatOf(Peer peer) const {
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].present && seats_[i].peer == peer) return static_cast<int>(i);
  }
  return -1;
}

bool Sequencer::HasSeat(Peer peer) const {
  return SeatOf(peer) >= 0 || std::any_of(retiring_.begin(), retiring_.end(),
                                          [peer](const Leaving& l) { return l.peer == peer; });
}

bool Sequencer::IsUsable(Peer peer) const {
  const int seat = SeatOf(peer);
  if (seat >= 0 && !seats_[seat].usable) return false;
  return std::none_of(retiring_.begin(), retiring_.end(), [peer](const Leaving& leaving) {
    return leaving.peer == peer && !leaving.told;
  });
}

bool Sequencer::Reachable(int seat) const {
  return seats_[seat].usable && host_.Responsive(seats_[seat].peer);
}

Sequencer::Mask Sequencer::ReachableMask() const {
  Mask mask = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (Reachable(static_cast<int>(i))) mask |= static_cast<Mask>(1u << i);
  }
  return mask;
}

Sequencer::Mask Sequencer::FullMask() const {
  Mask mask = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].present && host_.DiskFull(seats_[i].peer)) mask |= static_cast<Mask>(1u << i);
  }
  return mask;
}

Sequencer::Mask Sequencer::VotingMask() const {
  Mask counted = set_ | next_set_;
  if (!RINGKV_RULE(kLearnerDoesNotCount) && change_.learner >= 0)
    counted |= static_cast<Mask>(1u << change_.learner);
  Mask mask = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].voting) mask |= static_cast<Mask>(1u << i);
  }
  return mask & counted;
}

bool Sequencer::IsQuorum(Mask seats) const {
  auto majority = [](Mask of, Mask set) {
    return std::popcount(static_cast<Mask>(of & set)) > std::popcount(set) / 2;
  };
  if (!RINGKV_RULE(kLearnerDoesNotCount) && change_.stage == SetChange::Stage::kFilling)
    return std::popcount(seats) > std::popcount(set_) / 2;
  if (!majority(seats, set_)) return false;
  return majority(seats, next_set_) || !RINGKV_RULE(kJointQuorum);
}

// R1: while an earlier owner might still read, every replica that it may read has to promise. Once
// all have, it can read nowhere, and never again: whoever joins the row later, no earlier owner
// knows of.
void Sequencer::NotePromise(Peer peer) {
  std::erase(unpromised_, peer);
  if (unpromised_.empty()) predecessor_gone_ = true;
}

bool Sequencer::QuorumReachable() const { return !deposed_ && MayRelease() && QuorumThere(); }

v1::ReplicaOp Sequencer::MakeOp(int seat) const {
  v1::ReplicaOp op;
  Address(&op, seat);
  return op;
}

void Sequencer::Address(v1::ReplicaOp* op, int seat) const {
  op->set_slot(slot_.value());
  op->set_inc(seats_[seat].inc.value());
  op->set_term(term_.value());
  op->set_owner(owner_.value());
}

void Sequencer::Contact(Peer peer, Boot boot) {
  if (deposed_) return;
  NotePromise(peer);
  for (const Leaving& leaving : retiring_) {
    if (leaving.peer == peer && !leaving.told) SendRetire(leaving);
  }
  int i = SeatOf(peer);
  if (i < 0 || (seats_[i].usable && seats_[i].boot == boot)) return;
  Seat& seat = seats_[i];
  if (seat.boot != boot) {
    seat.boot = boot;
    seat.usable = false;
    seat.created = false;
    seat.voting = false;
    const bool united = union_.running && (compared_ & (1u << i));
    const bool bound = united
                           ? RINGKV_RULE(kUnionIsBoundToItsBoots) && RINGKV_RULE(kRestartEndsSync)
                           : RINGKV_RULE(kRestartEndsSync);
    if (!bound) {
      seat.sync.boot = boot;
    } else if (seat.sync.stage != SeatSync::Stage::kNone) {
      AbortSync(i);
    }
    DropAcks(i);
  }
  if (i == change_.learner && !seat.created) return SendCreate(i);
  v1::ReplicaOp op = MakeOp(i);
  op.mutable_contact()->set_handed_out_seq(last_seq_);
  op.mutable_contact()->set_boot(boot.value());
  Expected expected;
  expected.kind = Expected::Kind::kContact;
  expected.slot = slot_;
  host_.Send(peer, op, std::move(expected));
}

void Sequencer::OnContactReply(int i, const v1::ReplicaOpReply& reply) {
  Seat& seat = seats_[i];
  if (reply.code() != v1::REPLICA_CODE_OK) return;
  seat.usable = true;
  // Within a boot a vote is given back and never taken: an answer that says no may be a late one.
  // A disk that was put back from a copy of its present run looks like that run's end. It is known
  // by the W that it has synced for this owner, and lacks: what it says of itself counts for
  // nothing.
  seat.stable_found = FromProto(reply.contact().stable());
  const bool regressed = seat.stable_found < seat.stable;
  seat.voting = seat.voting || (reply.voting() && !regressed);
  seat.lost_tail.reset();
  seat.floor = FromProto(reply.contact().floor());
  if (!seat.voting && !regressed && reply.contact().has_lost_tail()) {
    seat.lost_tail = reply.contact().lost_tail();
  }
  // Without a vote it may have lost what it had acknowledged.
  if (!seat.voting && seat.clean) Untrack(i);
  for (size_t k = 0; k < pending_keys_.size(); ++k) {
    SendPending(pending_keys_[k], pending_keys_[k]->pending.back());
  }
  next_repair_ = host_.Now();
  if (WantsSync()) host_.QueueSync(this);
}

void Sequencer::OnPeerDown(Peer peer) {
  int i = SeatOf(peer);
  if (i < 0) return;
  seats_[i].usable = false;
  ForgetUnanswered(i);
  OnPeerSlow(peer);
}

void Sequencer::OnPeerSlow(Peer peer) {
  int i = SeatOf(peer);
  if (i < 0) return;
  Mask bit = static_cast<Mask>(1u << i);
  for (auto& [id, call] : calls_) {
    bool reading =
        call->stage == Call::Stage::kSingleRead || call->stage == Call::Stage::kQuorumRead;
    if (reading && (call->asked & bit) && !(call->answered & bit)) {
      AskAgainAt(call.get(), host_.Now());
    }
  }
  for (auto& [id, scan] : scans_) {
    if ((scan->asked & bit) && !(scan->answered & bit) && !scan->merged)
      scan->ask_again = host_.Now();
  }
}

void Sequencer::OnReply(Peer peer, const Expected& expected, const v1::ReplicaOpReply& reply) {
  if (deposed_) return;
  if (expected.kind == Expected::Kind::kRetire) return OnRetireReply(peer, expected, reply);
  int i = SeatOf(peer);
  // The node may hold another instance of the slot by now.
  if (i < 0 || seats_[i].inc != expected.inc) return;
  switch (reply.code()) {
    case v1::REPLICA_CODE_NEED_PROMISE:
    case v1::REPLICA_CODE_NO_INSTANCE:
    case v1::REPLICA_CODE_NOT_READY:
    case v1::REPLICA_CODE_IO_ERROR:
      seats_[i].usable = false;  // the shard makes contact again
      seats_[i].created = false;
      break;
    default:
      break;
  }
  switch (expected.kind) {
    case Expected::Kind::kContact:
      if (reply.code() == v1::REPLICA_CODE_NO_INSTANCE) return SendCreate(i);
      return OnContactReply(i, reply);
    case Expected::Kind::kApply:
      return OnApplyReply(i, expected, reply);
    case Expected::Kind::kRead:
      return OnReadReply(i, expected, reply);
    case Expected::Kind::kScan:
      return OnScanReply(i, expected, reply);
    case Expected::Kind::kPull:
      return OnPullReply(i, expected, reply);
    case Expected::Kind::kReinstate:
      return OnReinstateReply(i, expected, reply);
    case Expected::Kind::kPersist:
      return OnPersistReply(i, expected, reply);
    case Expected::Kind::kCreate:
      return OnCreateReply(i, reply);
    case Expected::Kind::kSetFloor:
      return OnFloorReply(i, expected, reply);
    case Expected::Kind::kSetStable:  // one that did not arrive is made up for by the next
      if (reply.code() == v1::REPLICA_CODE_OK) {
        seats_[i].stable = std::max(seats_[i].stable, expected.version);
      }
      return;
    default:
      RINGKV_CHECK(false, "promises and statistics are the shard's");
  }
}

SlotReport Sequencer::Report() const {
  SlotReport report;
  report.slot = slot_;
  report.term = term_;
  report.epoch = epoch_;
  report.joint = set_ != next_set_;
  report.blocked = WhyBlocked();
  bool lease = host_.LeaseValid();
  std::vector<int> shown = row_;
  if (change_.learner >= 0) shown.push_back(change_.learner);
  for (int i : shown) {
    const Seat& seat = seats_[i];
    ReplicaReport replica;
    replica.peer = seat.peer;
    replica.inc = seat.inc;
    replica.learner = i == change_.learner;
    replica.responds = host_.Responsive(seat.peer);
    replica.reachable = Reachable(i);
    replica.clean = seat.clean;
    replica.voting = seat.voting;
    replica.syncing = seat.sync.stage != SeatSync::Stage::kNone;
    replica.serves = replica.reachable && seat.clean && seat.voting && lease && !replica.learner;
    replica.behind_keys = seat.behind_keys;
    replica.lost_tail = seat.lost_tail;
    report.replicas.push_back(replica);
  }
  return report;
}

KeyReport Sequencer::Report(const std::string& name) const {
  KeyReport report;
  auto found = keys_.find(name);
  if (found == keys_.end()) return report;
  const Key& key = found->second;
  for (const Pending& pending : key.pending) report.pending.push_back(pending.version);
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (key.behind_mask & (1u << i)) report.behind.push_back(seats_[i].peer);
  }
  return report;
}

// ---- keys -----------------------------------------------------------------------------------

Sequencer::Key* Sequencer::FindKey(const std::string& name) {
  auto found = keys_.find(name);
  return found == keys_.end() ? nullptr : &found->second;
}

// Keeps the key until ReleaseKey.
Sequencer::Key* Sequencer::UseKey(const std::string& name) {
  auto [at, made] = keys_.try_emplace(name);
  if (made) at->second.name = name;
  ++at->second.users;
  host_.Activate(this);
  return &at->second;
}

void Sequencer::ReleaseKey(Key* key) {
  RINGKV_CHECK(key->users > 0, "a key is released once for each use");
  --key->users;
  bool nothing = key->users == 0 && key->pending.empty() && key->behind_mask == 0 &&
                 key->corrupt_mask == 0 && key->locked_by == 0 && key->repair == 0;
  if (nothing) keys_.erase(keys_.find(key->name));
}

void Sequencer::MarkBehind(Key* key, int i, Version version) {
  Seat& seat = seats_[i];
  if (!seat.tracked) return;
  Mask bit = static_cast<Mask>(1u << i);
  if (!(key->behind_mask & bit)) {
    if (!host_.TrackBehind(seat.peer)) {
      ++host_.stats().overflows;
      if (RINGKV_RULE(kGapStartsSyncAnew)) return Untrack(i);
      if (seat.clean) return Untrack(i);
      return;
    }
    key->behind_mask |= bit;
    key->behind[i] = Version{};
    key->missing[i] = version;
    ++seat.behind_keys;
  }
  key->behind[i] = std::max(key->behind[i], version);
  key->missing[i] = std::min(key->missing[i], version);
}

// The replica holds at least this version of the key.
void Sequencer::Acknowledged(Key* key, int i, Version stored) {
  if (!(key->behind_mask & (1u << i))) return;
  if (key->behind[i] <= stored) return UnmarkBehind(key, i);
  key->missing[i] = std::max(key->missing[i], Version{stored.term, stored.seq + 1});
}

// What it lacks is not known any more. A sync of it notices and begins again.
void Sequencer::Untrack(int i) {
  seats_[i].clean = false;
  seats_[i].tracked = false;
  ClearBehind(i);
}

void Sequencer::UnmarkBehind(Key* key, int i) {
  Mask bit = static_cast<Mask>(1u << i);
  if (!(key->behind_mask & bit)) return;
  key->behind_mask &= static_cast<Mask>(~bit);
  --seats_[i].behind_keys;
  host_.UntrackBehind(seats_[i].peer, 1);
}

void Sequencer::ClearBehind(int i) {
  Mask bit = static_cast<Mask>(1u << i);
  host_.UntrackBehind(seats_[i].peer, seats_[i].behind_keys);
  seats_[i].behind_keys = 0;
  std::vector<std::string> names;
  for (auto& [name, key] : keys_) {
    if (!(key.behind_mask & bit)) continue;
    key.behind_mask &= static_cast<Mask>(~bit);
    names.push_back(name);
  }
  for (const std::string& name : names) ReleaseKey(UseKey(name));
}

// ---- calls ----------------------------------------------------------------------------------

Sequencer::Call* Sequencer::FindCall(uint64_t id) {
  auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second.get();
}

void Sequencer::Submit(ClientCall client) {
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->id = host_.NextCallId();
  call->deadline = client.deadline;
  switch (client.op.op_case()) {
    case v1::Op::kGet:
      call->kind = Call::Kind::kGet;
      break;
    case v1::Op::kPut:
      call->kind = Call::Kind::kPut;
      break;
    case v1::Op::kDel:
      call->kind = Call::Kind::kDelete;
      break;
    default:
      call->kind = Call::Kind::kIncrement;
      break;
  }
  call->needs_lock = call->kind != Call::Kind::kGet;
  call->key = UseKey(std::string(KeyOf(client.op)));
  call->client = std::move(client);
  AddCall(std::move(owned));
  // Not behind a lock that a union holds: it would run much later than it could be refused.
  if (union_.running) {
    return Fail(call, v1::ERROR_CODE_UNAVAILABLE,
                "the replicas of slot " + std::to_string(slot_.value()) +
                    " are being made equal after a loss; try again");
  }
  Start(call);
}

// Runs the call now, or when those before it on its key are done.
void Sequencer::Start(Call* call) {
  LeaveRoom(call);  // nobody waits for a lock with it: the one who has the lock may be in line
  if (call->key->locked_by != 0 || !call->key->queue.empty()) {
    call->stage = Call::Stage::kQueued;
    call->key->queue.push_back(call->id);
    return;
  }
  Run(call);
}

void Sequencer::Run(Call* call) {
  if (!call->needs_lock) return StartRead(call);
  if (!call->in_union && !QuorumReachable()) {
    return Fail(
        call, v1::ERROR_CODE_UNAVAILABLE,
        "too few replicas of slot " + std::to_string(slot_.value()) + " are reachable; try again");
  }
  call->key->locked_by = call->id;
  if (call->kind == Call::Kind::kPut) {
    const v1::PutRequest& put = call->client.op.put();
    if (!put.if_absent() && !put.has_if_version() && !put.retry()) {
      return Decide(call, v1::Record());
    }
  }
  Settle(call);
}

void Sequencer::Unlock(Key* key) {
  key->locked_by = 0;
  RunQueue(key);
}

// A loop, not a recursion: calls that end at once come back here.
void Sequencer::RunQueue(Key* key) {
  if (key->draining) return;
  key->draining = true;
  ++key->users;
  while (key->locked_by == 0 && !key->queue.empty()) {
    uint64_t id = key->queue.front();
    key->queue.pop_front();
    if (Call* call = FindCall(id)) Run(call);
  }
  key->draining = false;
  ReleaseKey(key);
}

void Sequencer::Fail(Call* call, v1::ErrorCode code, std::string message) {
  FinishCall(call, v1::OUTCOME_NOT_APPLIED, code, std::move(message), nullptr);
}

void Sequencer::FinishCall(Call* call, v1::Outcome outcome, v1::ErrorCode code, std::string message,
                           const v1::Record* record) {
  auto node = calls_.extract(call->id);
  Key* key = call->key;
  LeaveRoom(call);
  v1::OpStatus status = MakeStatus(outcome, code, std::move(message));
  if (outcome == v1::OUTCOME_UNKNOWN) ++host_.stats().unknown;
  if (call->kind == Call::Kind::kInternalRead) {
    call->internal_done(status, record);
  } else if (call->kind == Call::Kind::kLook) {
    call->look->call.done({std::move(status), std::move(call->look->copies)});
  } else {
    v1::OpResult result;
    result.set_id(call->client.op.id());
    if (call->kind == Call::Kind::kGet) {
      v1::GetResponse* get = result.mutable_get();
      get->mutable_status()->Swap(&status);
      if (record != nullptr) {
        get->set_value(record->value());
        *get->mutable_version() = OriginOf(*record);
        get->set_expires_at_ms(record->expires_at_ms());
      }
    } else if (call->kind == Call::Kind::kPut) {
      result.mutable_put()->mutable_status()->Swap(&status);
      if (record != nullptr) *result.mutable_put()->mutable_version() = OriginOf(*record);
    } else if (call->kind == Call::Kind::kDelete) {
      result.mutable_del()->mutable_status()->Swap(&status);
      if (record != nullptr) *result.mutable_del()->mutable_version() = OriginOf(*record);
    } else {
      result.mutable_increment()->mutable_status()->Swap(&status);
      result.mutable_increment()->set_value(call->number);
      if (record != nullptr) *result.mutable_increment()->mutable_version() = OriginOf(*record);
    }
    call->client.done(std::move(result));
  }
  if (key->locked_by == call->id) Unlock(key);
  ReleaseKey(key);
}

void Sequencer::Tick() {
  if (deposed_) return;
  TickCalls();
  TickPending();
  TickScans();
  TickRepairs();
  TickSync();
  TickChange();
}

void Sequencer::AddCall(std::unique_ptr<Call> call) {
  calls_due_ = std::min(calls_due_, call->deadline);
  calls_.emplace(call->id, std::move(call));
}

void Sequencer::AskAgainAt(Call* call, MonoTime at) {
  call->ask_again = at;
  calls_due_ = std::min(calls_due_, at);
}

MonoTime Sequencer::DueOf(const Call& call) {
  const bool reading =
      call.stage == Call::Stage::kSingleRead || call.stage == Call::Stage::kAwaitingCommit ||
      call.stage == Call::Stage::kQuorumRead || call.stage == Call::Stage::kLooking;
  return reading ? std::min(call.deadline, call.ask_again) : call.deadline;
}

// All calls are looked at only when one may be due: there are many, and nearly all end before.
void Sequencer::TickCalls() {
  const MonoTime now = host_.Now();
  if (now < calls_due_ && now < next_look_for_gone_) return;
  next_look_for_gone_ = now + kLookForGone;
  calls_due_ = kNever;
  std::vector<uint64_t> due;
  for (const auto& [id, call] : calls_) {
    const MonoTime at = DueOf(*call);
    if (at <= now || HasGone(*call)) {
      due.push_back(id);
    } else {
      calls_due_ = std::min(calls_due_, at);
    }
  }
  for (uint64_t id : due) {
    if (Call* call = FindCall(id)) TickCall(call);
    if (Call* call = FindCall(id)) calls_due_ = std::min(calls_due_, DueOf(*call));
  }
}

// Its client is not there any more, and nothing was begun that has to be ended.
bool Sequencer::HasGone(const Call& call) {
  const bool waits = call.stage == Call::Stage::kQueued || call.stage == Call::Stage::kAwaitingRoom;
  return waits && call.client.caller != nullptr && call.client.caller->gone;
}

void Sequencer::TickCall(Call* call) {
  if (HasGone(*call)) return Fail(call, v1::ERROR_CODE_DEADLINE, "the client went away");
  // Not for long: the key's writers wait for it.
  if (call->stage == Call::Stage::kLooking) return FinishLook(call);
  if (call->deadline <= host_.Now()) {
    if (call->stage == Call::Stage::kWriting) {
      return FinishCall(call, v1::OUTCOME_UNKNOWN, v1::ERROR_CODE_TIMED_OUT,
                        "no quorum acknowledged the write in time; it may still be applied",
                        nullptr);
    }
    return Fail(call, v1::ERROR_CODE_DEADLINE, "ran out of time; nothing was changed");
  }
  if (call->stage == Call::Stage::kSingleRead || call->stage == Call::Stage::kQuorumRead ||
      call->stage == Call::Stage::kAwaitingCommit) {
    TickRead(call);
  }
}

void Sequencer::Depose() {
  deposed_ = true;
  while (!calls_.empty()) {
    Call* call = calls_.begin()->second.get();
    call->key->queue.clear();
    if (call->stage == Call::Stage::kWriting) {
      FinishCall(call, v1::OUTCOME_UNKNOWN, v1::ERROR_CODE_TIMED_OUT,
                 "another router took the slot over; the write may or may not be applied", nullptr);
    } else {
      Fail(call, v1::ERROR_CODE_UNAVAILABLE, "another router owns the slot now; try again");
    }
  }
  while (!scans_.empty()) {
    Scan* scan = scans_.begin()->second.get();
    scan->failure = MakeStatus(v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_UNAVAILABLE,
                               "another router owns the slot now; try again");
    FinishScan(scan);
  }
  for (size_t i = 0; i < seats_.size(); ++i) {
    host_.UntrackBehind(seats_[i].peer, seats_[i].behind_keys);
    seats_[i].behind_keys = 0;
    seats_[i].usable = false;
    seats_[i].sync = SeatSync{};
  }
  compared_ = 0;
  change_ = {};
  union_ = {};
  pending_keys_.clear();
  keys_.clear();
}

}  // namespace ringkv
