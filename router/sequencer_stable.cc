// Sequencer, the stable watermark W (docs/protocol.md): everything up to it is on all replicas,
// synced. What lies above it is all that replicas have to compare after a takeover.
#include <algorithm>

#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

bool Sequencer::AllCleanAndQuiet() const {
  if (deposed_ || set_ != next_set_) return false;
  return std::all_of(row_.begin(), row_.end(), [this](int i) {
    const Seat& seat = seats_[i];
    return seat.clean && seat.voting && Reachable(i) && seat.sync.stage == SeatSync::Stage::kNone;
  });
}

// The lowest version that a replica lacks, or that is not committed.
Version Sequencer::LowestMissing() const {
  Version lowest{term_, last_seq_ + 1};
  for (const auto& [name, key] : keys_) {
    if (key.corrupt_mask != 0) return {};
    if (!key.pending.empty()) lowest = std::min(lowest, key.pending.front().version);
    for (int i : row_) {
      if (key.behind_mask & (1u << i)) lowest = std::min(lowest, key.missing[i]);
    }
  }
  return lowest;
}

bool Sequencer::SameBoots(const std::array<Boot, kMaxSeats>& boots) const {
  return std::all_of(row_.begin(), row_.end(), [&](int i) { return seats_[i].boot == boots[i]; });
}

void Sequencer::AdvanceStable() {
  if (!AllCleanAndQuiet()) return;
  const Version lowest = LowestMissing();
  // Below a version of an earlier term nothing is known of what that term gave out.
  if (lowest.term != term_) return;
  const Version stable{term_, lowest.seq - 1};
  if (stable < stable_ || (stable == stable_ && SameBoots(stable_boots_))) return;
  stable_round_ = {};
  stable_round_.id = host_.NextCallId();
  stable_round_.stable = stable;
  for (int i : row_) {
    stable_round_.boots[i] = seats_[i].boot;
    v1::ReplicaOp op = MakeOp(i);
    op.mutable_persist()->set_boot(seats_[i].boot.value());
    Expected expected;
    expected.kind = Expected::Kind::kPersist;
    expected.slot = slot_;
    expected.call = stable_round_.id;
    host_.Send(seats_[i].peer, op, std::move(expected));
  }
}

void Sequencer::OnPersistReply(int seat, const Expected& expected,
                               const v1::ReplicaOpReply& reply) {
  StableRound& round = stable_round_;
  if (round.id == 0 || expected.call != round.id || reply.code() != v1::REPLICA_CODE_OK) return;
  if (seats_[seat].boot != round.boots[seat]) return;
  round.answered |= static_cast<Mask>(1u << seat);
  if (round.answered != set_) return;
  // Everything that the choice rested on has to hold still, under the boots that answered.
  if (AllCleanAndQuiet() && LowestMissing() > round.stable && SameBoots(round.boots)) {
    GiveStable();
  } else {
    ++host_.stats().stable_dropped;
    round = {};
  }
}

void Sequencer::GiveStable() {
  ++host_.stats().stable_rounds;
  stable_ = stable_round_.stable;
  stable_boots_ = stable_round_.boots;
  for (int i : row_) {
    v1::ReplicaOp op = MakeOp(i);
    op.mutable_set_stable()->set_boot(stable_round_.boots[i].value());
    ToProto(stable_, op.mutable_set_stable()->mutable_stable());
    Expected expected;
    expected.kind = Expected::Kind::kSetStable;
    expected.slot = slot_;
    expected.version = stable_;
    host_.Send(seats_[i].peer, op, std::move(expected));
  }
  stable_round_ = {};
}

}  // namespace ringkv
