// Sequencer, the writing half: R2 (write), R4 (settle, conditions), repairs of what replicas miss.
#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

// ---- R2 -------------------------------------------------------------------------------------

void Sequencer::BeginWrite(Call* call, v1::Record record) {
  if (!QuorumReachable()) {
    return Fail(
        call, v1::ERROR_CODE_UNAVAILABLE,
        "too few replicas of slot " + std::to_string(slot_.value()) + " are reachable; try again");
  }
  if (!record.tombstone() && !QuorumWithout(FullMask())) return FailForFullDisks(call);
  ToProto(Version{term_, ++last_seq_}, record.mutable_version());
  call->stage = Call::Stage::kWriting;
  AddPending(call, std::move(record));
}

void Sequencer::FailForFullDisks(Call* call) {
  std::string nodes;
  for (const Seat& seat : seats_) {
    if (!seat.present || !host_.DiskFull(seat.peer)) continue;
    nodes += (nodes.empty() ? "" : ", ") + host_.Locate(seat.peer).node();
  }
  Fail(call, v1::ERROR_CODE_UNAVAILABLE,
       "too few replicas of slot " + std::to_string(slot_.value()) +
           " have space on their disks (full: " + nodes +
           "); free some, or add a node; reads and deletes go on");
}

// The record, new or written back, is pending and behind everywhere before it is sent anywhere.
void Sequencer::AddPending(Call* call, v1::Record record) {
  Key* key = call->key;
  Pending pending;
  pending.version = FromProto(record.version());
  pending.record = std::move(record);
  pending.call = call->id;
  call->writing = pending.version;
  if (pending.record.tombstone() || pending.record.expires_at_ms() != 0) {
    floor_.garbage = true;
    newest_garbage_ = std::max(newest_garbage_, pending.version);
  }
  if (!IsSmall(pending.record)) {
    host_.large_keys().Note(slot_, key->name, pending.record.value().size());
  }
  RINGKV_CHECK(key->pending.empty() || key->pending.back().version < pending.version,
               "versions of a key become pending in order");
  if (key->pending.empty()) {
    key->pending_index = pending_keys_.size();
    pending_keys_.push_back(key);
  }
  key->pending.push_back(std::move(pending));
  for (size_t i = 0; i < seats_.size(); ++i) {
    MarkBehind(key, static_cast<int>(i), key->pending.back().version);
  }
  SendPending(key, key->pending.back());
}

// To whoever has not acknowledged it.
void Sequencer::SendPending(Key* key, Pending& pending) {
  SendPendingTo(TakersOf(pending.record) & static_cast<Mask>(~pending.acks), key, pending);
}

Sequencer::Mask Sequencer::TakersOf(const v1::Record& record) const {
  const Mask full = FullMask();
  // A write that was begun before too many disks were full, or is a read's, ends there too: they
  // keep half of their reserves for it.
  if (record.tombstone() || !QuorumWithout(full)) return ReachableMask();
  return ReachableMask() & static_cast<Mask>(~full);
}

void Sequencer::SendPendingTo(Mask seats, Key* key, Pending& pending) {
  key->sent = host_.Now();
  pending_due_ = std::min(pending_due_, key->sent + host_.options().retransmit);
  sent_ = std::max(sent_, union_.running ? Sent::kOfAUnion : Sent::kAnything);
  v1::ReplicaOp& op = PrepareApply(*key, pending.record, /*forget=*/false);
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats & (1u << i)) SendApply(op, key, static_cast<int>(i));
  }
}

// For one seat after the other.
v1::ReplicaOp& Sequencer::PrepareApply(const Key& key, const v1::Record& record, bool forget) {
  v1::ReplicaOp& op = host_.ApplyScratch();
  op.mutable_apply()->set_key(key.name);
  *op.mutable_apply()->mutable_record() = record;
  op.mutable_apply()->set_forget(forget);
  return op;
}

bool Sequencer::SendApply(v1::ReplicaOp& op, Key* key, int seat) {
  const Mask bit = static_cast<Mask>(1u << seat);
  Address(&op, seat);
  op.mutable_apply()->set_repair((key->corrupt_mask & bit) != 0);
  Expected expected;
  expected.kind = Expected::Kind::kApply;
  expected.slot = slot_;
  expected.key = key->name;
  expected.version = FromProto(op.apply().record().version());
  if (!host_.Send(seats_[seat].peer, op, std::move(expected))) return false;
  if (key->unanswered == 0) key->unanswered_since = host_.Now();
  key->unanswered |= bit;
  return true;
}

void Sequencer::GiveUpAnswers(Key* key) const {
  if (host_.Now() - key->unanswered_since >= host_.options().lost_after) key->unanswered = 0;
}

// Answers to what was sent there will not come.
void Sequencer::ForgetUnanswered(int i) {
  for (auto& [name, key] : keys_) key.unanswered &= static_cast<Mask>(~(1u << i));
}

void Sequencer::OnApplyReply(int i, const Expected& expected, const v1::ReplicaOpReply& reply) {
  if (FindKey(expected.key) == nullptr) return;
  Key* key = UseKey(expected.key);
  Mask bit = static_cast<Mask>(1u << i);
  key->unanswered &= static_cast<Mask>(~bit);
  if (reply.code() == v1::REPLICA_CODE_CORRUPTION) {
    key->corrupt_mask |= bit;
  } else if (reply.code() == v1::REPLICA_CODE_OK) {
    Version stored = FromProto(reply.apply().stored());
    key->corrupt_mask &= static_cast<Mask>(~bit);
    Acknowledged(key, i, stored);
    if ((reply.voting() && seats_[i].voting) || union_.running) {
      for (Pending& pending : key->pending) {
        if (pending.version <= stored) pending.acks |= bit;
      }
      CommitIfQuorum(key);
    }
  }
  ReleaseKey(key);
}

// Commits the highest pending version that a quorum holds; lower ones are superseded.
void Sequencer::CommitIfQuorum(Key* key) {
  int committed = -1;
  for (size_t p = 0; p < key->pending.size(); ++p) {
    if (union_.running) {
      if (UnionHolds(key->pending[p].acks)) committed = static_cast<int>(p);
      continue;
    }
    Mask votes = key->pending[p].acks & VotingMask();
    bool enough = RINGKV_RULE(kQuorumCommits) ? IsQuorum(votes) : votes != 0;
    if (enough) committed = static_cast<int>(p);
  }
  if (committed < 0) return;
  ++host_.stats().commits;
  Pending done = std::move(key->pending[committed]);
  key->pending.erase(key->pending.begin(), key->pending.begin() + committed + 1);
  if (key->pending.empty()) {
    Key* last = pending_keys_.back();
    pending_keys_[key->pending_index] = last;
    last->pending_index = key->pending_index;
    pending_keys_.pop_back();
  }
  if (!key->readers.empty()) ReleaseReaders(key, done.version, done.record);
  if (Call* call = FindCall(done.call); call != nullptr && call->writing == done.version) {
    if (call->stage == Call::Stage::kWriting) {
      return FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "", &done.record);
    }
    if (call->stage == Call::Stage::kWritingBack) return ReadDone(call, done.record);
  }
  if (!key->pending.empty()) return;
  Call* holder = FindCall(key->locked_by);
  if (holder != nullptr && holder->stage == Call::Stage::kSettling) AfterSettle(holder);
}

// The node's process is another one: what it acknowledged before proves nothing.
void Sequencer::DropAcks(int i) {
  for (size_t k = 0; k < pending_keys_.size(); ++k) {
    Key* key = pending_keys_[k];
    for (Pending& pending : key->pending) {
      pending.acks &= static_cast<Mask>(~(1u << i));
      MarkBehind(key, i, pending.version);
    }
  }
}

void Sequencer::TickPending() {
  const MonoTime now = host_.Now();
  if (now < pending_due_) return;
  pending_due_ = kNever;
  for (size_t k = 0; k < pending_keys_.size(); ++k) {
    Key* key = pending_keys_[k];
    const MonoTime due = key->sent + host_.options().retransmit;
    pending_due_ = std::min(pending_due_, due);
    if (now < due) continue;
    GiveUpAnswers(key);
    Pending& pending = key->pending.back();
    const Mask seats =
        TakersOf(pending.record) & static_cast<Mask>(~pending.acks & ~key->unanswered);
    if (seats == 0) continue;
    ++host_.stats().retransmits;
    SendPendingTo(seats, key, pending);
  }
}

// ---- what replicas miss ---------------------------------------------------------------------

void Sequencer::TickRepairs() {
  MonoTime now = host_.Now();
  if (now < next_repair_) return;
  next_repair_ = now + host_.options().retransmit;
  Mask reachable = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (Reachable(static_cast<int>(i))) reachable |= static_cast<Mask>(1u << i);
  }
  reachable &= static_cast<Mask>(~FullMask());  // when they have space again
  std::vector<std::string> names;
  for (auto& [name, key] : keys_) {
    GiveUpAnswers(&key);
    const Mask idle = reachable & static_cast<Mask>(~key.unanswered);
    bool wanting = ((key.behind_mask | key.corrupt_mask) & idle) != 0;
    if (!wanting || !key.pending.empty() || key.repair != 0 || key.locked_by != 0) continue;
    if (now - key.sent < host_.options().retransmit) continue;
    if (!host_.BeginRepair()) {
      next_repair_ = now;  // as soon as one ends
      break;
    }
    names.push_back(name);
  }
  for (const std::string& name : names) {
    Key* key = UseKey(name);
    StartRepair(key);
    ReleaseKey(key);
  }
}

void Sequencer::StartRepair(Key* key) {
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->id = host_.NextCallId();
  call->kind = Call::Kind::kInternalRead;
  call->deadline = host_.Now() + std::max(host_.options().retransmit * 4, InternalPatience());
  call->key = UseKey(key->name);
  key->repair = call->id;
  call->internal_done = [this, name = key->name](const v1::OpStatus& status,
                                                 const v1::Record* record) {
    host_.EndRepair();
    Key* at = FindKey(name);
    if (at == nullptr) return;
    at->repair = 0;
    at->sent = host_.Now();
    if (status.outcome() == v1::OUTCOME_DONE && record != nullptr) SendRepair(name, *record);
  };
  AddCall(std::move(owned));
  Start(call);
}

void Sequencer::SendRepair(const std::string& name, const v1::Record& record) {
  Key* key = FindKey(name);
  const Mask idle = static_cast<Mask>(~key->unanswered);
  // Nothing was ever committed: an unreadable leftover there stands for nothing.
  const bool forget = record.version().term() == 0;
  sent_ = Sent::kAnything;
  v1::ReplicaOp& op = PrepareApply(*key, record, forget);
  for (size_t i = 0; i < seats_.size(); ++i) {
    Mask bit = static_cast<Mask>(1u << i);
    int seat = static_cast<int>(i);
    const Mask wanting = forget ? key->corrupt_mask : key->behind_mask | key->corrupt_mask;
    if (!(wanting & bit & idle) || !Reachable(seat)) continue;
    if (SendApply(op, key, seat)) ++host_.stats().repairs;
  }
}

// Mended with the next repairs, if it is still so then.
void Sequencer::OnDamaged(Peer peer, Incarnation inc, const std::string& name) {
  const int i = SeatOf(peer);
  if (i < 0 || deposed_ || seats_[i].inc != inc || !seats_[i].usable) return;
  Key* key = UseKey(name);
  key->corrupt_mask |= static_cast<Mask>(1u << i);
  ReleaseKey(key);
}

// ---- R4 -------------------------------------------------------------------------------------

// Drives the key's highest pending version to commit. The call holds the lock.
void Sequencer::Settle(Call* call) {
  Key* key = call->key;
  call->stage = Call::Stage::kSettling;
  if (key->pending.empty() || !RINGKV_RULE(kSettleBeforeCondition)) return AfterSettle(call);
  SendPending(key, key->pending.back());
}

void Sequencer::AfterSettle(Call* call) {
  if (call->kind == Call::Kind::kLook) return AskAll(call);
  bool read_only = call->kind == Call::Kind::kGet || call->kind == Call::Kind::kInternalRead;
  // A read is here because a quorum disagreed: it asks a quorum again.
  if (read_only) return AskQuorum(call);
  StartRead(call);
}

void Sequencer::Decide(Call* call, const v1::Record& current) {
  bool live = Live(current);
  v1::Record record;
  const v1::RequestId* request = nullptr;
  bool retry = false;
  if (call->kind == Call::Kind::kPut) {
    const v1::PutRequest& put = call->client.op.put();
    request = &put.request_id();
    retry = put.retry();
  } else if (call->kind == Call::Kind::kDelete) {
    request = &call->client.op.del().request_id();
    retry = call->client.op.del().retry();
  } else {
    request = &call->client.op.increment().request_id();
    retry = call->client.op.increment().retry();
  }
  bool same_request = request->client() != 0 &&
                      current.request_id().client() == request->client() &&
                      current.request_id().number() == request->number();
  if (retry && same_request && RINGKV_RULE(kRetryIsLookedFor)) {  // an earlier attempt was applied
    ++host_.stats().retries_found;
    std::from_chars(current.value().data(), current.value().data() + current.value().size(),
                    call->number);
    return FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "", &current);
  }
  if (call->kind == Call::Kind::kIncrement) return DecideIncrement(call, current, live);

  *record.mutable_request_id() = *request;
  if (call->kind == Call::Kind::kDelete) {
    const v1::DeleteRequest& del = call->client.op.del();
    if (!live) {
      return Fail(call, v1::ERROR_CODE_NOT_FOUND, "the key is not there");
    }
    if (del.has_if_version() && FromProto(del.if_version()) != FromProto(OriginOf(current))) {
      return FinishCall(call, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_CONDITION_FAILED,
                        "the key's version is " + FromProto(OriginOf(current)).ToString(),
                        &current);
    }
    record.set_tombstone(true);
    return BeginWrite(call, std::move(record));
  }
  const v1::PutRequest& put = call->client.op.put();
  if (put.if_absent() && live) {
    return FinishCall(call, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_CONDITION_FAILED,
                      "the key is there, with version " + FromProto(OriginOf(current)).ToString(),
                      &current);
  }
  if (put.has_if_version() &&
      !(live && FromProto(put.if_version()) == FromProto(OriginOf(current)))) {
    std::string why = live ? "the key's version is " + FromProto(OriginOf(current)).ToString()
                           : std::string("the key is not there");
    return FinishCall(call, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_CONDITION_FAILED, why,
                      live ? &current : nullptr);
  }
  record.set_expires_at_ms(put.ttl_ms() != 0 ? host_.WallMillis() + put.ttl_ms()
                                             : put.expires_at_ms());
  record.set_value(put.value());
  BeginWrite(call, std::move(record));
}

void Sequencer::DecideIncrement(Call* call, const v1::Record& current, bool live) {
  const v1::IncrementRequest& increment = call->client.op.increment();
  int64_t number = 0;
  if (live) {
    const std::string& text = current.value();
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      return FinishCall(call, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_NOT_AN_INTEGER,
                        "the value is no decimal integer of 64 bits", &current);
    }
  }
  if (__builtin_add_overflow(number, increment.delta(), &call->number)) {
    return FinishCall(call, v1::OUTCOME_NOT_APPLIED, v1::ERROR_CODE_NOT_AN_INTEGER,
                      "the result does not fit into 64 bits", live ? &current : nullptr);
  }
  v1::Record record;
  *record.mutable_request_id() = increment.request_id();
  record.set_value(std::to_string(call->number));
  if (live) record.set_expires_at_ms(current.expires_at_ms());
  BeginWrite(call, std::move(record));
}

}  // namespace ringkv
