// Sequencer, R11 (docs/protocol.md, "Union"): no quorum of the replicas votes, as after a loss of
// power of the whole cluster. When all are back they are made equal, the highest version of each
// key everywhere, and then all vote again. What was acknowledged and lost by all of them is gone.
//
// It works as a comparison without a clean source does (sequencer_sync.cc), with all replicas in
// the quorum's place. Nothing is acknowledged to clients meanwhile, so that nothing has to be
// tracked.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/rule.h"
#include "router/sequencer.h"

namespace ringkv {

using Stage = SeatSync::Stage;

// Whose copies a union is made of: all, but those that stand in the place of given-up ones.
Sequencer::Mask Sequencer::UnionMembers() const {
  return set_ & static_cast<Mask>(~in_place_of_lost_);
}

BlockedBy Sequencer::WhyBlocked() const {
  if (QuorumReachable()) return BlockedBy::kNothing;
  // A quorum is there, and waits for replicas that an earlier owner may still read, or for the end
  // of its lease.
  if (!deposed_ && QuorumThere()) return BlockedBy::kAbsence;
  const Mask members = UnionMembers();
  for (int i : row_) {
    if ((members & (1u << i)) && !Reachable(i)) return BlockedBy::kAbsence;
  }
  if (deposed_ || members == 0) return BlockedBy::kAbsence;
  if (PickSource(-1, -1) >= 0) {
    // The others are filled from it, those that are there.
    for (int i : row_) {
      if (!Reachable(i)) return BlockedBy::kAbsence;
    }
    return BlockedBy::kUnion;
  }
  return UnionMayDecide(0) ? BlockedBy::kUnion : BlockedBy::kLoss;
}

// What was acknowledged and synced is on a quorum of replicas that voted then. One of them still
// has it if those that may lack anything (and those whose record cannot be read) are no quorum.
bool Sequencer::UnionMayDecide(Mask unreadable) const {
  if (loss_accepted_) return true;
  const Mask members = UnionMembers();
  int unsure = 0;
  for (int i : row_) {
    const Mask bit = static_cast<Mask>(1u << i);
    const bool keeps = (members & bit) && (seats_[i].voting || seats_[i].lost_tail.has_value());
    if (!keeps || (unreadable & bit)) ++unsure;
  }
  return unsure < MajorityOfRow();
}

// A fresh term fences everything that is still on its way under the present one: late messages
// would bring back at one replica what the union has found to be lost. A learner that may have
// something is dropped with the old term: what it has counted for nothing. One that was recorded
// since has nothing, and stays: it would be recorded again before the union's turn comes, and the
// group be taken again for it, time after time.
void Sequencer::ConsiderUnion() {
  if (union_.running || WhyBlocked() != BlockedBy::kUnion) return;
  for (int i : row_) {
    if (seats_[i].sync.stage == Stage::kReinstating)
      return;  // one is done: the votes are on their way
  }
  bool fresh = sent_ == Sent::kNothing;
  if (sent_ == Sent::kOfAUnion) {
    fresh = std::all_of(row_.begin(), row_.end(),
                        [this](int i) { return seats_[i].boot == union_.boots[i]; });
  }
  const bool empty = change_.learner >= 0 && seats_[change_.learner].inc == empty_learner_;
  if (change_.learner >= 0 && !empty) return host_.NeedTerm(group_);
  if (!fresh && RINGKV_RULE(kUnionTakesAFreshTerm)) return host_.NeedTerm(group_);
  BeginUnion();
}

void Sequencer::BeginUnion() {
  std::vector<int> members;
  for (int i : row_) {
    union_.boots[i] = seats_[i].boot;
    Untrack(i);
    if (UnionMembers() & (1u << i)) members.push_back(i);
  }
  // Another reference each time, so that a pair that cannot reach each other is not tried for ever.
  std::rotate(members.begin(), members.begin() + comparisons_ % members.size(), members.end());
  ++comparisons_;
  ++host_.stats().unions_begun;
  union_.running = true;
  for (int seat : members) JoinComparison(seat, members[0]);
  host_.Activate(this);
}

// All that was reported is resolved: every key is everywhere, once what is on its way has arrived.
void Sequencer::FinishUnion() {
  if (!pending_keys_.empty()) return;
  // Whoever has gone may be back as another process, which the next contact tells.
  for (size_t i = 0; i < seats_.size(); ++i) {
    if ((compared_ & (1u << i)) && !Reachable(static_cast<int>(i))) return;
  }
  const Mask members = std::exchange(compared_, Mask{0});
  union_.running = false;
  EndUnionCalls();
  ShardStats& stats = host_.stats();
  ++stats.unions;
  if (loss_accepted_) ++stats.unions_accepted;
  stats.last_union_ms = host_.WallMillis();
  Version floor;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (members & (1u << i)) floor = std::max(floor, seats_[i].floor);
  }
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    if (!(members & (1u << i))) continue;
    Seat& seat = seats_[i];
    if (!seat.voting) {
      const uint64_t window = seat.lost_tail.has_value() ? seat.lost_tail->window_ms() : 0;
      stats.union_window_ms = std::max(stats.union_window_ms,
                                       window == 0 ? std::numeric_limits<uint64_t>::max() : window);
    }
    // From here on what is sent is tracked: the first of them may form a quorum and serve.
    (void)Track(i, -1);
    if (seat.voting) {
      EndSync(i);
    } else {
      seat.sync.stage = Stage::kReinstating;
      seat.sync.next_send = host_.Now();
      // What the others collected it never held: without their floor its absent keys would read as
      // never written. Not sooner: what it lacks below the floor would read as collected.
      if (seat.floor < floor) seat.sync.floor = floor;
    }
  }
  host_.QueueSync(this);  // those that were no members have a source soon
}

// Calls that resolve keys for a union that is over, one way or the other.
void Sequencer::EndUnionCalls() {
  std::vector<uint64_t> over;
  for (const auto& [id, call] : calls_) {
    if (call->in_union) over.push_back(id);
  }
  for (uint64_t id : over) {
    if (Call* call = FindCall(id)) Fail(call, v1::ERROR_CODE_UNAVAILABLE, "the union is over");
  }
}

// A complete replica fills the others also without a quorum, and nothing is lost. Where the two
// cannot do without a quorum (they disagree about a key), it stands still, and the union is taken
// after a while.
void Sequencer::TickPatience() {
  if (deposed_ || union_.running || WhyBlocked() != BlockedBy::kUnion) return;
  if (PickSource(-1, -1) < 0) return ConsiderUnion();
  if (!FillsWithoutAQuorum()) host_.NeedTerm(group_);
}

bool Sequencer::FillsWithoutAQuorum() const {
  if (deposed_ || union_.running || QuorumReachable() || PickSource(-1, -1) < 0) return false;
  if (queued) return true;  // its turn comes
  for (int i = 0; i < static_cast<int>(seats_.size()); ++i) {
    const SeatSync& sync = seats_[i].sync;
    if (sync.stage == Stage::kNone || !Reachable(i)) continue;
    if (host_.Now() - sync.progress < host_.options().union_patience) return true;
  }
  return false;
}

bool Sequencer::UnionHolds(Mask acks) const {
  const Mask members = UnionMembers();
  if (RINGKV_RULE(kUnionReachesAll)) return (acks & members) == members;
  return std::popcount(static_cast<Mask>(acks & members)) >= MajorityOfRow();
}

}  // namespace ringkv
