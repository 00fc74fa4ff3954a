// Sequencer, a look at all copies of one key (docs/protocol.md, "Check"): under the key's lock and
// settled, so that no version is on its way that a replica might have and another not, but those
// that a replica is known to be behind on.
#include <utility>

#include "base/rule.h"
#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

void Sequencer::SubmitLook(LookCall look) {
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->id = host_.NextCallId();
  call->kind = Call::Kind::kLook;
  call->needs_lock = true;
  call->deadline = look.deadline;
  call->key = UseKey(look.key);
  call->look = std::make_unique<Look>();
  call->look->call = std::move(look);
  AddCall(std::move(owned));
  Start(call);
}

// Every replica that can be reached, whether it votes or not.
void Sequencer::AskAll(Call* call) {
  ++call->attempt;
  call->stage = Call::Stage::kLooking;
  call->asked = 0;
  call->answered = 0;
  Look& look = *call->look;
  look.copies.clear();
  look.place.fill(-1);
  for (int i : row_) {
    look.place[static_cast<size_t>(i)] = static_cast<int>(look.copies.size());
    CopyLook& copy = look.copies.emplace_back();
    copy.peer = seats_[i].peer;
    copy.inc = seats_[i].inc;
    copy.complete = IsComplete(i);
    copy.behind = (call->key->behind_mask & (1u << i)) != 0;
    look.boots[static_cast<size_t>(i)] = seats_[i].boot;
  }
  ++host_.stats().looks;
  for (int i : row_) {
    if (Reachable(i)) AskOne(call, i, host_.Count(seats_[i].peer));
  }
  AskAgainAt(call, host_.Now() + look.call.patience);
  if (call->asked == 0) FinishLook(call);
}

bool Sequencer::IsComplete(int seat) const {
  return seats_[seat].clean && seats_[seat].voting && Reachable(seat);
}

void Sequencer::OnLookAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply) {
  const Mask bit = static_cast<Mask>(1u << seat);
  if (call->answered & bit) return;
  call->answered |= bit;
  const int place = call->look->place[static_cast<size_t>(seat)];
  if (place < 0) return;
  CopyLook& copy = call->look->copies[static_cast<size_t>(place)];
  // What it was before it was asked, it has to be still: else the answer is of neither.
  copy.complete = copy.complete && IsComplete(seat) && reply.voting() &&
                  seats_[seat].boot == call->look->boots[seat];
  if (!RINGKV_RULE(kBehindBeforeAsked)) copy.behind = false;
  copy.behind = copy.behind || (call->key->behind_mask & bit) != 0;
  if (reply.code() == v1::REPLICA_CODE_CORRUPTION) copy.state = CopyLook::State::kUnreadable;
  if (reply.code() == v1::REPLICA_CODE_OK) {
    v1::Record record = reply.read().record();
    copy.state = reply.read().absent() ? CopyLook::State::kAbsent : CopyLook::State::kHolds;
    copy.version = FromProto(record.version());
    copy.tombstone = record.tombstone();
    copy.garbage = !Live(record);
    copy.digest = DigestOf(call->key->name, &record);
  }
  if (call->answered == call->asked) FinishLook(call);
}

void Sequencer::FinishLook(Call* call) {
  FinishCall(call, v1::OUTCOME_DONE, v1::ERROR_CODE_OK, "", nullptr);
}

}  // namespace ringkv
