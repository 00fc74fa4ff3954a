// Sequencer, reads that take long (R3): of nodes that are slow to answer, and of values that are
// large.
#include <algorithm>
#include <bit>
#include <utility>

#include "router/sequencer.h"

namespace ringkv {

void Sequencer::TickRead(Call* call) {
  if (MayAskAgain(*call)) return ReadLate(call);
  PutOff(call);
}

void Sequencer::PutOff(Call* call) {
  ++host_.stats().reads_left;
  AskAgainAt(call, host_.Now() + host_.options().hedge_max);
}

// Whether others are asked what was asked already. Nodes that answer, only not this yet, are at
// work on it or on what came before it: what they are asked beside comes out of a budget. Not for
// good: an answer may be lost.
bool Sequencer::MayAskAgain(const Call& call) {
  if (call.stage == Call::Stage::kAwaitingCommit) return true;  // of a quorum, for the first time
  if (host_.Now() - call.asked_since >= host_.options().lost_after) return true;
  uint64_t more = 1;
  const Mask awaited = call.asked & static_cast<Mask>(~call.answered);
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (!(awaited & (1u << i))) continue;
    if (!Reachable(static_cast<int>(i)) || host_.Silent(seats_[i].peer)) return true;
  }
  // A large value takes its time, and there is room for one copy of it.
  const Duration large_patience = host_.options().retransmit * 4;
  if (call.has_room && host_.Now() - call.asked_since < large_patience) return false;
  // After the second one it is a quorum.
  if (call.stage == Call::Stage::kQuorumRead || std::popcount(call.asked) >= 2) {
    const Mask all = VotingMask() & ReachableMask();
    more = static_cast<uint64_t>(std::popcount(all));
  }
  return host_.retry_budget().Take(more);
}

// False: the call waits in line, or has ended.
bool Sequencer::FindRoom(Call* call, bool quorum) {
  if (call->has_room) return true;
  if (call->large_bytes == 0) {
    call->large_bytes = host_.large_keys().Find(slot_, call->key->name);
  }
  if (call->large_bytes == 0) return true;
  if (RefuseIfFull(call)) return false;
  const size_t copies = quorum ? row_.size() : 1;
  const LargeReads::Reader reader{slot_, call->id, call->large_bytes * copies, call->deadline};
  switch (host_.large_reads().Ask(reader, host_.Now())) {
    case LargeReads::Turn::kNow:
      ++host_.stats().large_reads;
      call->has_room = true;
      return true;
    case LargeReads::Turn::kLater:
      ++host_.stats().large_waits;
      ++call->attempt;  // answers to what was asked before say nothing any more
      call->stage = Call::Stage::kAwaitingRoom;
      call->asks_quorum = quorum;
      return false;
    case LargeReads::Turn::kTooLate:
      break;
  }
  ++host_.stats().large_refused;
  Fail(call, v1::ERROR_CODE_OVERLOADED,
       "the router has as many large values to read as it takes; try again after a pause");
  return false;
}

// What is read for a client that does not take its answers would only be dropped.
bool Sequencer::RefuseIfFull(Call* call) {
  if (call->client.caller == nullptr || !call->client.caller->full) return false;
  ++host_.stats().large_refused;
  Fail(call, v1::ERROR_CODE_OVERLOADED,
       "too many answers wait for their client to take them; try again after a pause");
  return true;
}

void Sequencer::OnRoom(uint64_t id) {
  Call* call = FindCall(id);
  if (call == nullptr || call->stage != Call::Stage::kAwaitingRoom) {
    return host_.large_reads().End(id, host_.Now());
  }
  if (RefuseIfFull(call)) return;
  ++host_.stats().large_reads;
  call->has_room = true;
  if (call->asks_quorum) return AskQuorum(call);
  StartRead(call);
}

// A node has found that the value is large, and keeps it back.
void Sequencer::OnLarge(Call* call, const v1::ReplicaOpReply& reply) {
  if (call->has_room || call->kind == Call::Kind::kLook) return;  // not to what it was asked
  call->large_bytes = std::max<size_t>(reply.read().large_bytes(), 1);
  host_.large_keys().Note(slot_, call->key->name, call->large_bytes);
  if (call->stage == Call::Stage::kQuorumRead) return AskQuorum(call);
  if (call->stage == Call::Stage::kSingleRead) return StartRead(call);
}

void Sequencer::LeaveRoom(Call* call) {
  if (call->large_bytes == 0) return;
  host_.large_reads().End(call->id, host_.Now());
  call->has_room = false;
}

// No answer in time, or one that is of no use.
void Sequencer::ReadLate(Call* call) {
  if (call->stage == Call::Stage::kSingleRead && std::popcount(call->asked) < 2) {
    LoadBalancer::Picker::Choice choice = PickSingle(call->key, call->asked);
    if (choice.place >= 0) {
      ++host_.stats().hedged_reads;
      if (AskOne(call, choice.place, std::move(choice.lease))) {
        // Both are at work on it. A large value takes its time; a node that is gone is noticed.
        AskAgainAt(call, host_.Now() + host_.options().retransmit);
        return;
      }
    }
  }
  if (call->stage == Call::Stage::kQuorumRead) ++call->late_rounds;
  AskQuorum(call);
}

}  // namespace ringkv
