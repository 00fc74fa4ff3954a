// Sequencer, the reading half: R3.
#include <algorithm>
#include <bit>
#include <utility>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {
namespace {

// Until a quorum that is late is asked again, in times that something is sent again. Longer from
// the third time on: what takes long to answer would never be done with questions that it has to
// answer anew.
constexpr int kRounds = 4;
constexpr int kPatience[kRounds] = {1, 1, 4, 16};

}  // namespace

bool Sequencer::LiveAt(const v1::Record& record, uint64_t wall_ms) {
  if (record.tombstone()) return false;
  return record.expires_at_ms() == 0 || wall_ms < record.expires_at_ms();
}

bool Sequencer::IsPending(const Key* key, Version version) const {
  return std::any_of(key->pending.begin(), key->pending.end(),
                     [&](const Pending& pending) { return pending.version == version; });
}

void Sequencer::StartRead(Call* call) {
  call->asked = 0;
  call->late_rounds = 0;
  if (!FindRoom(call, false)) return;
  LoadBalancer::Picker::Choice choice = PickSingle(call->key, 0);
  if (choice.place < 0) {
    if (!host_.LeaseValid()) ++host_.stats().lease_refusals;
    return AskQuorum(call);
  }
  ++call->attempt;
  call->answered = 0;
  call->asked_wall_ms = host_.WallMillis();
  call->asked_since = host_.Now();
  call->stage = Call::Stage::kSingleRead;
  ++host_.stats().single_reads;
  if (!AskOne(call, choice.place, std::move(choice.lease))) AskQuorum(call);
}

// R3(a): the clean replicas that have acknowledged everything sent of the key.
Sequencer::Mask Sequencer::MayAnswerAlone(const Key* key) const {
  if (!host_.LeaseValid() || deposed_ || !MayRelease()) return 0;
  Mask unfit = key->corrupt_mask;
  if (RINGKV_RULE(kBehindAtSingleReads)) unfit |= key->behind_mask;
  Mask fit = 0;
  for (int seat : row_) {
    Mask bit = static_cast<Mask>(1u << seat);
    if (seats_[seat].clean && seats_[seat].voting && !(unfit & bit) && Reachable(seat)) fit |= bit;
  }
  return fit;
}

// Which of them is asked is a matter of load only: the primary, unless it has more than its share.
LoadBalancer::Picker::Choice Sequencer::PickSingle(const Key* key, Mask asked) {
  const Mask fit = MayAnswerAlone(key) & static_cast<Mask>(~asked);
  if (fit == 0) return {};
  std::array<Peer, kMaxSeats> row;
  uint32_t eligible = 0;  // bit i: the i-th of the row
  for (size_t i = 0; i < row_.size(); ++i) {
    row[i] = seats_[row_[i]].peer;
    if (fit & (1u << row_[i])) eligible |= 1u << i;
  }
  LoadBalancer::Picker::Choice choice = host_.Choose({row.data(), row_.size()}, eligible);
  if (choice.place > std::countr_zero(eligible)) ++host_.stats().spread_reads;
  if (choice.place >= 0) choice.place = row_[static_cast<size_t>(choice.place)];
  return choice;
}

bool Sequencer::AskOne(Call* call, int seat, ServerLease load) {
  call->asked |= static_cast<Mask>(1u << seat);
  AskAgainAt(call, host_.Now() + host_.HedgeDelay(seats_[seat].peer));
  v1::ReplicaOp& op = host_.ReadScratch();
  Address(&op, seat);
  op.set_attempt(call->attempt);
  op.mutable_read()->set_key(call->key->name);
  // An operator's look is one call at a time.
  op.mutable_read()->set_large(call->has_room || call->kind == Call::Kind::kLook);
  Expected expected;
  expected.kind = Expected::Kind::kRead;
  expected.slot = slot_;
  expected.call = call->id;
  expected.attempt = call->attempt;
  expected.load = std::move(load);
  ++host_.stats().node_reads;
  return host_.Send(seats_[seat].peer, op, std::move(expected));
}

// R3(b): asks anew; answers to what was asked before no longer count.
void Sequencer::AskQuorum(Call* call) {
  if (!call->in_union && !QuorumReachable()) {
    return Fail(
        call, v1::ERROR_CODE_UNAVAILABLE,
        "too few replicas of slot " + std::to_string(slot_.value()) + " are reachable; try again");
  }
  if (!FindRoom(call, true)) return;
  // What is known to be unreadable is not asked, unless without it there is no quorum: it may be
  // readable again (the node's list of damaged records is older than what it has written since).
  const bool intact = QuorumWithout(call->key->corrupt_mask);
  ++call->attempt;
  call->asked_wall_ms = host_.WallMillis();
  call->asked_since = host_.Now();
  call->stage = Call::Stage::kQuorumRead;
  call->asked = 0;
  call->answered = 0;
  call->voted = 0;
  call->unreadable = 0;
  call->best.Clear();
  call->best_version = Version{};
  ++host_.stats().quorum_reads;
  bool all_sent = true;
  for (size_t i = 0; i < seats_.size(); ++i) {
    int seat = static_cast<int>(i);
    const bool passed_by = intact && (call->key->corrupt_mask & (1u << i)) != 0;
    const bool awaited = (call->candidates & (1u << i)) != 0;
    if (!(awaited || (Votes(seat) && !passed_by)) || !Reachable(seat)) continue;
    if (!AskOne(call, seat, host_.Count(seats_[i].peer))) all_sent = false;
  }
  const int round = all_sent ? std::min(call->late_rounds, kRounds - 1) : 0;
  AskAgainAt(call, host_.Now() + host_.options().retransmit * kPatience[round]);
}

void Sequencer::OnReadReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply) {
  Call* call = FindCall(expected.call);
  if (call == nullptr) return;
  if (call->attempt != expected.attempt && RINGKV_RULE(kReplyOfItsAttempt)) return;
  if (reply.code() == v1::REPLICA_CODE_CORRUPTION) {
    // Remembered until a repair mends it: the key is read elsewhere.
    call->key->corrupt_mask |= static_cast<Mask>(1u << seat);
  } else if (reply.code() == v1::REPLICA_CODE_OK) {
    call->key->corrupt_mask &= static_cast<Mask>(~(1u << seat));
    if (call->large_bytes != 0 && IsSmall(reply.read().record())) {
      host_.large_keys().Forget(slot_, call->key->name);
    }
  }
  if (reply.code() == v1::REPLICA_CODE_LARGE) return OnLarge(call, reply);
  if (call->stage == Call::Stage::kSingleRead) return OnSingleAnswer(call, seat, reply);
  if (call->stage == Call::Stage::kQuorumRead) return OnQuorumAnswer(call, seat, reply);
  if (call->stage == Call::Stage::kLooking) return OnLookAnswer(call, seat, reply);
}

void Sequencer::OnSingleAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply) {
  if (reply.code() == v1::REPLICA_CODE_OVERLOADED) {
    // To ask it or another one again at once is what it does not need.
    call->asked &= static_cast<Mask>(~(1u << seat));
    if (!host_.retry_budget().Take(1)) return PutOff(call);
  }
  if (reply.code() != v1::REPLICA_CODE_OK) return ReadLate(call);
  const v1::Record& record = reply.read().record();
  const bool counts =
      reply.voting() && seats_[seat].voting && seats_[seat].clean && host_.LeaseValid();
  if (!counts) {
    if (!host_.LeaseValid()) ++host_.stats().lease_refusals;
    return AskQuorum(call);
  }
  const Version version = FromProto(record.version());
  if (IsPending(call->key, version) && RINGKV_RULE(kPendingIsNotReleased)) {
    // A write that someone waits for is soon known to be committed, or overtaken.
    return call->key->locked_by != 0 ? AwaitCommit(call, version) : AskQuorum(call);
  }
  ReadDone(call, record);
}

// Bounded: then a quorum is asked.
void Sequencer::AwaitCommit(Call* call, Version version) {
  ++call->attempt;  // a second replica that was asked is not heard any more
  call->stage = Call::Stage::kAwaitingCommit;
  call->awaited = version;
  AskAgainAt(call, host_.Now() + host_.options().retransmit);
  call->key->readers.push_back(call->id);
  ++host_.stats().awaited_commits;
}

// Those who have read the version that is committed now have what a quorum holds, as its writer
// has. What was read and overtaken is nobody's.
void Sequencer::ReleaseReaders(Key* key, Version committed, const v1::Record& record) {
  std::vector<uint64_t> readers;
  readers.swap(key->readers);
  for (uint64_t id : readers) {
    Call* call = FindCall(id);
    if (call == nullptr || call->stage != Call::Stage::kAwaitingCommit) continue;
    if (call->awaited == committed) {
      ReadDone(call, record);
    } else if (call->awaited < committed) {
      AskQuorum(call);
    } else {
      key->readers.push_back(id);
    }
  }
}

void Sequencer::OnQuorumAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply) {
  Mask bit = static_cast<Mask>(1u << seat);
  const bool awaited_here = (call->candidates & bit) != 0;
  bool votes = call->in_union ? awaited_here : reply.voting() && Votes(seat);
  if (reply.code() != v1::REPLICA_CODE_OK || (!votes && !awaited_here)) {
    if (reply.code() != v1::REPLICA_CODE_CORRUPTION) {
      // It is not at work on it: however patient the call was to be, it may be another one soon.
      AskAgainAt(call, std::min(call->ask_again, host_.Now() + host_.options().retransmit));
      return;
    }
    call->unreadable |= bit;
    return OnUnreadable(call);
  }
  if (call->answered & bit) return;
  call->answered |= bit;
  if (votes) call->voted |= bit;
  const v1::Record& record = reply.read().record();
  Version version = FromProto(record.version());
  call->versions[seat] = version;
  if (std::popcount(call->answered) == 1 || version > call->best_version) {
    call->best = record;
    call->best_version = version;
  }
  DecideRead(call);
}

// Once a quorum, and every candidate, has answered.
void Sequencer::DecideRead(Call* call) {
  if (!call->in_union && !IsQuorum(call->voted)) return;
  // An unreadable record is no candidate.
  Mask awaited = call->candidates & static_cast<Mask>(~call->answered & ~call->unreadable);
  if (awaited != 0 && RINGKV_RULE(kCandidateIsAwaited)) return;
  if (call->in_union) {
    if (!UnionMayDecide(call->unreadable)) {
      return Fail(call, v1::ERROR_CODE_CORRUPTION,
                  "too few replicas have an intact copy of the record");
    }
    // Nothing was ever committed: an unreadable leftover stands for nothing.
    if (call->best_version.term.value() == 0) return ReadDone(call, v1::Record(call->best));
  }
  Mask holders = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    Mask held = static_cast<Mask>(call->voted & (1u << i));
    if (held != 0 && call->versions[i] == call->best_version) holders |= held;
  }
  if (call->in_union ? holders == call->candidates : IsQuorum(holders)) {
    if (call->candidates != 0) MarkLacking(*call);
    v1::Record best = std::move(call->best);
    return ReadDone(call, best);
  }
  if (call->key->locked_by == call->id) {
    // Settled, read again, and still no quorum holds it.
    return WriteBack(call);
  }
  ++call->attempt;
  call->needs_lock = true;
  Start(call);
}

// One that was asked cannot read its record. With those that were passed by there may be a quorum,
// or one that may answer alone has it; else it is an error.
void Sequencer::OnUnreadable(Call* call) {
  if (call->in_union || QuorumWithout(call->key->corrupt_mask)) return DecideRead(call);
  const Mask passed_by = VotingMask() & ReachableMask() & static_cast<Mask>(~call->asked);
  if (passed_by != 0) return AskQuorum(call);
  if (IsQuorum(VotingMask() & static_cast<Mask>(~call->unreadable))) return DecideRead(call);
  if (call->candidates == 0 && MayAnswerAlone(call->key) != 0) return StartRead(call);
  Fail(call, v1::ERROR_CODE_CORRUPTION, "too few replicas have an intact copy of the record");
}

// A version of this term goes out again as it is. One of an older term gets a version of this one,
// as a value is proposed again under the new ballot in Paxos: else a leftover between the two,
// whose write never saw this value, would win wherever it turns up (docs/decisions/0010).
void Sequencer::WriteBack(Call* call) {
  ++host_.stats().write_backs;
  call->stage = Call::Stage::kWritingBack;
  v1::Record record = std::move(call->best);
  if (call->best_version.term < term_ && RINGKV_RULE(kWriteBackUnderThisTerm)) {
    if (!record.has_origin()) *record.mutable_origin() = record.version();
    ToProto(Version{term_, ++last_seq_}, record.mutable_version());
  }
  AddPending(call, std::move(record));
}

void Sequencer::ReadDone(Call* call, const v1::Record& record) {
  // It was live when it was asked for, and something else may have been written before it expired,
  // by another owner also under this one's lock: then the key was never absent. Asked anew, it has
  // expired before.
  const bool expired_meanwhile = !Live(record) && LiveAt(record, call->asked_wall_ms);
  if (expired_meanwhile && call->kind != Call::Kind::kInternalRead &&
      RINGKV_RULE(kReadAgainIfItExpired)) {
    if (call->key->locked_by == call->id) return StartRead(call);
    ++call->attempt;
    return Start(call);
  }
  switch (call->kind) {
    case Call::Kind::kGet:
      if (Live(record)) return FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "", &record);
      return FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_NOT_FOUND, "the key is not there",
                        nullptr);
    case Call::Kind::kInternalRead:
      return FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "", &record);
    default:
      return Decide(call, record);
  }
}

}  // namespace ringkv
