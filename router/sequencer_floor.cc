// Sequencer, the floor (docs/protocol.md, R7): what is at or below it is on all replicas for good,
// so that they may remove tombstones and records that expired.
#include <algorithm>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

// W is the floor to be: it was persisted on all replicas, under boots that have not changed since.
// Not while a learner is being filled from one of them.
bool Sequencer::MayRaiseFloor() const {
  return change_.learner < 0 && AllCleanAndQuiet() && LowestMissing() > stable_ &&
         SameBoots(stable_boots_);
}

void Sequencer::AdvanceFloor() {
  const MonoTime now = host_.Now();
  if (now < floor_.next || deposed_ || stable_ == Version{}) return;
  const bool on_all = RINGKV_RULE(kFloorIsOnAllReplicas);
  const Version floor = on_all ? stable_ : Version{term_, last_seq_};
  if (floor_.round != 0 && floor_.answered != set_) floor_.garbage = true;  // somebody may lack it
  if (!floor_.garbage || (on_all && !MayRaiseFloor())) return;
  const auto allowance = std::chrono::duration_cast<std::chrono::milliseconds>(
                             host_.options().clock_skew + host_.options().expiry_grace)
                             .count();
  const uint64_t wall = host_.WallMillis();
  ++host_.stats().floors;
  // What is above it, and may be on its way to all of them, goes with a later one.
  const bool left = newest_garbage_ > floor;
  floor_ = {floor, left, now + host_.options().floor_interval, host_.NextCallId(), 0};
  for (int i : row_) {
    v1::ReplicaOp op = MakeOp(i);
    v1::SetFloor* set = op.mutable_set_floor();
    set->set_boot(seats_[i].boot.value());
    ToProto(floor, set->mutable_floor());
    set->set_expired_before_ms(wall - std::min<uint64_t>(wall, static_cast<uint64_t>(allowance)));
    Expected expected;
    expected.kind = Expected::Kind::kSetFloor;
    expected.slot = slot_;
    expected.call = floor_.round;
    host_.Send(seats_[i].peer, op, std::move(expected));
  }
}

void Sequencer::OnFloorReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply) {
  SeatSync& sync = seats_[seat].sync;
  if (expected.call == sync.id && sync.stage == SeatSync::Stage::kReinstating) {
    if (reply.code() == v1::REPLICA_CODE_WRONG_BOOT) return AbortSync(seat);
    if (reply.code() != v1::REPLICA_CODE_OK) return;
    sync.floor = {};
    sync.next_send = host_.Now();
    if (!seats_[seat].voting) return;  // Reinstate is next
    if (!seats_[seat].tracked && RINGKV_RULE(kGapStartsSyncAnew)) return AbortSync(seat);
    return EndSync(seat);
  }
  if (expected.call != floor_.round || reply.code() != v1::REPLICA_CODE_OK) return;
  floor_.answered |= static_cast<Mask>(1u << seat);
  floor_.garbage |= reply.set_floor().garbage_left();
}

}  // namespace ringkv
