// Sequencer, R5: making replicas clean (docs/protocol.md, "Sync"). The replicas compare and copy
// among themselves; the owner says who pulls from whom, tracks what it sends meanwhile, resolves
// what they disagree about, and gives the vote back.
#include <algorithm>
#include <bit>
#include <utility>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

using Stage = SeatSync::Stage;

bool Sequencer::syncing() const {
  return std::any_of(seats_.begin(), seats_.end(),
                     [](const Seat& seat) { return seat.sync.stage != Stage::kNone; });
}

// One that waits for a node that is gone takes nobody's time: the others need not wait for it.
bool Sequencer::TakesSyncPlace() const {
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    const SeatSync& sync = seats_[i].sync;
    if (sync.stage == Stage::kNone || !Reachable(i)) continue;
    if (sync.stage != Stage::kPulling || Reachable(sync.source)) return true;
  }
  return false;
}

bool Sequencer::WantsSync() const {
  return !deposed_ && !union_.running &&
         std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
           return seat.usable && !seat.clean && seat.sync.stage == Stage::kNone;
         });
}

// ---- start ----------------------------------------------------------------------------------

bool Sequencer::MaySourceFor(int target, int source) const {
  const Seat& seat = seats_[source];
  return source != target && seat.clean && seat.voting && Reachable(source);
}

// A clean replica; one other than `unlike` if there is one. -1: none. A learner copies from the one
// that it replaces, so that slots that move together come from one node.
int Sequencer::PickSource(int target, int unlike) const {
  if (target >= 0 && target == change_.learner && change_.replaced >= 0 &&
      change_.replaced != unlike && MaySourceFor(target, change_.replaced)) {
    return change_.replaced;
  }
  int found = -1;
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    if (MaySourceFor(target, i) && (found < 0 || found == unlike)) found = i;
  }
  return found;
}

void Sequencer::StartSyncs() {
  if (deposed_ || union_.running) return;
  if (PickSource(-1, -1) < 0 && compared_ == 0) {
    // Keys can be resolved by a quorum only.
    if (!QuorumReachable()) return ConsiderUnion();
    BeginComparison();
  }
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    if (!Reachable(i) || seats_[i].clean || seats_[i].sync.stage != Stage::kNone) continue;
    if (int source = PickSource(i, -1); source >= 0) BeginPull(i, source);
  }
}

// From here on everything sent to the replica is tracked; so is what is on its way already and,
// with a source, what that one lacks. False: too much.
bool Sequencer::Track(int i, int source) {
  Untrack(i);
  seats_[i].tracked = true;
  if (!RINGKV_RULE(kBehindOfSourceTakenOver)) return true;
  if (source >= 0) TakeBehindOver(i, source);
  for (size_t k = 0; k < pending_keys_.size(); ++k) {
    for (const Pending& pending : pending_keys_[k]->pending) {
      MarkBehind(pending_keys_[k], i, pending.version);
    }
  }
  return seats_[i].tracked;
}

void Sequencer::TakeBehindOver(int i, int source) {
  const Mask bit = static_cast<Mask>(1u << source);
  std::vector<std::string> names;
  for (const auto& [name, key] : keys_) {
    if (key.behind_mask & bit) names.push_back(name);
  }
  for (const std::string& name : names) {
    Key* key = UseKey(name);
    MarkBehind(key, i, key->missing[source]);
    MarkBehind(key, i, key->behind[source]);
    ReleaseKey(key);
  }
}

void Sequencer::BeginPull(int target, int source) {
  if (!Track(target, source)) return;
  ++host_.stats().syncs;
  if (target == change_.learner) empty_learner_ = Incarnation();
  SeatSync& sync = seats_[target].sync;
  sync = {};
  sync.stage = Stage::kPulling;
  sync.id = host_.NextCallId();
  sync.boot = seats_[target].boot;
  sync.source = source;
  sync.source_boot = seats_[source].boot;
  sync.last_step = sync.progress = host_.Now();
  host_.Activate(this);
  SendPull(target);
}

// No clean source: a quorum of voting replicas, one of which the others compare themselves with.
// Another one each time, so that a pair that cannot reach each other is not tried for ever.
void Sequencer::BeginComparison() {
  // Whoever counts in the joint stage could not be compared: it is left, or its flip is awaited.
  if (change_.stage == SetChange::Stage::kJoint) LeaveJoint();
  if (set_ != next_set_) return;
  std::vector<int> voters;
  for (int i : row_) {
    const Seat& seat = seats_[i];
    if (seat.voting && !seat.clean && Reachable(i) && seat.sync.stage == Stage::kNone)
      voters.push_back(i);
  }
  const size_t quorum = row_.size() / 2 + 1;
  if (voters.size() < quorum) return;
  std::rotate(voters.begin(), voters.begin() + comparisons_ % voters.size(), voters.end());
  voters.resize(quorum);
  ++comparisons_;
  ++host_.stats().comparisons;
  for (int seat : voters) {
    if (!Track(seat, -1)) return;
  }
  for (int seat : voters) JoinComparison(seat, voters[0]);
  host_.Activate(this);
  FinishComparison();  // one replica is a quorum of one
}

void Sequencer::JoinComparison(int i, int reference) {
  compared_ |= static_cast<Mask>(1u << i);
  SeatSync& sync = seats_[i].sync;
  sync = {};
  sync.stage = i == reference ? Stage::kReference : Stage::kPulling;
  sync.id = host_.NextCallId();
  sync.boot = seats_[i].boot;
  sync.last_step = host_.Now();
  if (i == reference) return;
  sync.source = reference;
  sync.source_boot = seats_[reference].boot;
  sync.compare_only = true;
  SendPull(i);
}

// ---- end ------------------------------------------------------------------------------------

void Sequencer::EndSync(int i) {
  seats_[i].clean = true;
  seats_[i].sync = {};
  ++host_.stats().syncs_done;
}

void Sequencer::AbortSync(int i) {
  if (compared_ & (1u << i)) return AbortComparison();
  ++host_.stats().syncs_aborted;
  // It may vote by now: contact tells.
  if (seats_[i].sync.stage == Stage::kReinstating) seats_[i].usable = false;
  seats_[i].sync = {};
  if (!seats_[i].clean) Untrack(i);
}

void Sequencer::AbortComparison() {
  ++host_.stats().syncs_aborted;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (!(compared_ & (1u << i))) continue;
    seats_[i].sync = {};
    Untrack(static_cast<int>(i));
  }
  compared_ = 0;
  union_.running = false;
  EndUnionCalls();
}

// All of them are clean together, or none.
void Sequencer::FinishComparison() {
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (!(compared_ & (1u << i))) continue;
    const Stage stage = seats_[i].sync.stage;
    if (stage != Stage::kReference && stage != Stage::kPulled) return;
    const bool gap = !seats_[i].tracked && !union_.running;
    if (gap && RINGKV_RULE(kGapStartsSyncAnew)) return AbortComparison();
  }
  if (union_.running) return FinishUnion();
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (compared_ & (1u << i)) EndSync(static_cast<int>(i));
  }
  compared_ = 0;
  host_.QueueSync(this);  // the others have a source now
}

// ---- the owner's clock ----------------------------------------------------------------------

void Sequencer::TickSync() {
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    SeatSync& sync = seats_[i].sync;
    if (sync.stage == Stage::kNone) continue;
    const bool gap = !seats_[i].tracked && !union_.running;
    if (gap && RINGKV_RULE(kGapStartsSyncAnew)) {
      AbortSync(i);
      continue;
    }
    if (sync.stage == Stage::kPulling) TickPull(i);
    if (sync.stage == Stage::kCatchingUp && CaughtUp(i)) {
      if (seats_[i].voting && sync.floor == Version{}) {
        EndSync(i);
      } else {
        sync.stage = Stage::kReinstating;
        sync.next_send = host_.Now();
      }
    }
    if (sync.stage == Stage::kReinstating && sync.next_send <= host_.Now()) SendReinstate(i);
  }
  if (union_.running) FinishComparison();
  TickPatience();
}

void Sequencer::TickPull(int i) {
  SeatSync& sync = seats_[i].sync;
  const bool stalled = host_.Now() - sync.last_step >= host_.options().sync_stall;
  if (sync.compare_only) {
    const Seat& reference = seats_[sync.source];
    const bool same = reference.boot == sync.source_boot ||
                      (union_.running && !RINGKV_RULE(kUnionIsBoundToItsBoots));
    if (stalled || !same || (!reference.voting && !union_.running)) return AbortComparison();
  } else if (stalled || !MaySourceFor(i, sync.source) ||
             seats_[sync.source].boot != sync.source_boot) {
    ChangeSource(i);
    if (sync.stage != Stage::kPulling) return;
  }
  std::vector<std::string> waiting;
  for (const auto& [name, running] : sync.unresolved) {
    if (!running) waiting.push_back(name);
  }
  for (const std::string& name : waiting) Resolve(i, name);
  if (sync.stage == Stage::kPulling && sync.next_send <= host_.Now()) SendPull(i);
}

// What was compared with the old source stays compared: the replica has been tracked all the while,
// and lacks at most what one of its sources lacked.
void Sequencer::ChangeSource(int i) {
  SeatSync& sync = seats_[i].sync;
  const MonoTime now = host_.Now();
  const bool stalled = now - sync.last_step >= host_.options().sync_stall;
  const int next = PickSource(i, sync.source);
  if (next < 0) {
    // A replica that votes can be compared with others that do.
    if (stalled && seats_[i].voting) AbortSync(i);
    return;
  }
  if (next == sync.source && seats_[next].boot == sync.source_boot) {
    sync.last_step = now;
    return;
  }
  ++host_.stats().source_changes;
  TakeBehindOver(i, next);
  sync.source = next;
  sync.source_boot = seats_[next].boot;
  sync.last_step = now;
  sync.next_send = now;
}

// ---- pull -----------------------------------------------------------------------------------

void Sequencer::SendPull(int i) {
  SeatSync& sync = seats_[i].sync;
  sync.next_send = host_.Now() + host_.options().sync_poll;
  if (!Reachable(i)) return;
  v1::ReplicaOp op = MakeOp(i);
  v1::Pull* pull = op.mutable_pull();
  pull->set_id(sync.id);
  pull->set_boot(sync.boot.value());
  *pull->mutable_source() = host_.Locate(seats_[sync.source].peer);
  pull->mutable_source()->set_inc(seats_[sync.source].inc.value());
  pull->mutable_source()->set_boot(sync.source_boot.value());
  pull->set_compare_only(sync.compare_only);
  pull->set_reports_taken(sync.reports_taken);
  pull->set_in_union(union_.running);
  sent_ = std::max(sent_, union_.running ? Sent::kOfAUnion : Sent::kAnything);
  Expected expected;
  expected.kind = Expected::Kind::kPull;
  expected.slot = slot_;
  expected.call = sync.id;
  host_.Send(seats_[i].peer, op, std::move(expected));
}

void Sequencer::OnPullReply(int i, const Expected& expected, const v1::ReplicaOpReply& reply) {
  SeatSync& sync = seats_[i].sync;
  if (sync.stage != Stage::kPulling || expected.call != sync.id) return;
  if (reply.code() == v1::REPLICA_CODE_WRONG_BOOT || reply.code() == v1::REPLICA_CODE_INVALID) {
    return AbortSync(i);
  }
  if (reply.code() != v1::REPLICA_CODE_OK || reply.pull().id() != sync.id) return;
  const v1::PullReply& pull = reply.pull();
  if (pull.steps() > sync.steps) {
    sync.steps = pull.steps();
    sync.last_step = sync.progress = host_.Now();
  }
  TakeReports(i, pull);
  if (sync.stage != Stage::kPulling || sync.id != pull.id()) return;
  if (pull.state() != v1::PULL_STATE_DONE || pull.reports_total() != sync.reports_taken ||
      !sync.unresolved.empty()) {
    return;
  }
  if (sync.compare_only) {
    sync.stage = Stage::kPulled;
    return FinishComparison();
  }
  sync.stage = Stage::kCatchingUp;
  sync.catch_up = Version{term_, last_seq_};
  sync.floor = FromProto(pull.floor_left());
}

// A batch of reported keys; the next one when these are resolved.
void Sequencer::TakeReports(int i, const v1::PullReply& reply) {
  SeatSync& sync = seats_[i].sync;
  if (!sync.unresolved.empty() || reply.reports_from() != sync.reports_taken) return;
  sync.reports_taken += static_cast<uint64_t>(reply.reported_size());
  std::vector<std::string> names(reply.reported().begin(), reply.reported().end());
  for (const std::string& name : names) sync.unresolved[name] = false;
  for (const std::string& name : names) Resolve(i, name);
}

// The replicas disagree: under the key's lock, settled, a quorum is asked, and whoever may hold
// more is one of the candidates, vote or not.
void Sequencer::Resolve(int i, const std::string& name) {
  SeatSync& sync = seats_[i].sync;
  sync.unresolved[name] = true;
  ++host_.stats().resolved;
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->id = host_.NextCallId();
  call->kind = Call::Kind::kInternalRead;
  call->needs_lock = true;
  call->deadline = host_.Now() + std::max(host_.options().retransmit * 8, InternalPatience());
  call->candidates = static_cast<Mask>(1u << i);
  if (sync.compare_only) call->candidates |= static_cast<Mask>(1u << sync.source);
  if (union_.running) {
    call->candidates = UnionMembers();
    call->in_union = true;
  }
  call->key = UseKey(name);
  call->internal_done = [this, i, id = sync.id, name](const v1::OpStatus& status,
                                                      const v1::Record*) {
    SeatSync& at = seats_[i].sync;
    if (at.stage != Stage::kPulling || at.id != id) return;
    if (status.outcome() != v1::OUTCOME_DONE) {
      at.unresolved[name] = false;  // again, with the next tick
      return;
    }
    at.unresolved.erase(name);
    at.last_step = at.progress = host_.Now();
    if (at.unresolved.empty()) at.next_send = host_.Now();
  };
  AddCall(std::move(owned));
  Start(call);
}

// The version is held by a quorum; whoever is not known to be in it gets it like a write.
void Sequencer::MarkLacking(const Call& call) {
  if (call.best_version.term.value() == 0 || !RINGKV_RULE(kResultGoesToAll)) return;
  for (size_t i = 0; i < seats_.size(); ++i) {
    const bool holds = (call.answered & (1u << i)) && call.versions[i] >= call.best_version;
    if (!holds) MarkBehind(call.key, static_cast<int>(i), call.best_version);
  }
}

// ---- catching up, reinstating ---------------------------------------------------------------

bool Sequencer::CaughtUp(int i) const {
  if (!RINGKV_RULE(kReinstateAfterCatchUp)) return true;
  const Mask bit = static_cast<Mask>(1u << i);
  if (seats_[i].behind_keys == 0) return true;
  return std::none_of(keys_.begin(), keys_.end(), [&](const auto& entry) {
    const Key& key = entry.second;
    return (key.behind_mask & bit) && key.missing[i] <= seats_[i].sync.catch_up;
  });
}

void Sequencer::SendReinstate(int i) {
  SeatSync& sync = seats_[i].sync;
  sync.next_send = host_.Now() + host_.options().retransmit;
  if (!Reachable(i)) return;
  v1::ReplicaOp op = MakeOp(i);
  Expected expected;
  if (sync.floor != Version{}) {
    op.mutable_set_floor()->set_boot(sync.boot.value());
    ToProto(sync.floor, op.mutable_set_floor()->mutable_floor());
    expected.kind = Expected::Kind::kSetFloor;
  } else {
    // Complete, whatever its disk has lost: what that lacks of W is held against it no more.
    seats_[i].stable = seats_[i].stable_found;
    op.mutable_reinstate()->set_boot(sync.boot.value());
    expected.kind = Expected::Kind::kReinstate;
  }
  expected.slot = slot_;
  expected.call = sync.id;
  host_.Send(seats_[i].peer, op, std::move(expected));
}

void Sequencer::OnReinstateReply(int i, const Expected& expected, const v1::ReplicaOpReply& reply) {
  const SeatSync& sync = seats_[i].sync;
  if (sync.stage != Stage::kReinstating || expected.call != sync.id) return;
  if (reply.code() == v1::REPLICA_CODE_WRONG_BOOT) return AbortSync(i);
  if (reply.code() != v1::REPLICA_CODE_OK) return;
  seats_[i].voting = true;
  seats_[i].lost_tail.reset();
  // More fell behind meanwhile than is tracked: it votes, rightly, and is not clean.
  if (!seats_[i].tracked && RINGKV_RULE(kGapStartsSyncAnew)) return AbortSync(i);
  EndSync(i);
}

}  // namespace ringkv
