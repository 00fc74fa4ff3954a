#include "router/key_look.h"

#include <algorithm>

namespace ringkv {
namespace {

using State = CopyLook::State;

// Garbage at or below the floor of a replica that has collected it stands for the same: the floor
// is on its way to the other.
bool SameAs(const CopyLook& a, const CopyLook& b) {
  const bool a_nothing = a.state == State::kAbsent;
  const bool b_nothing = b.state == State::kAbsent;
  if (a_nothing && b_nothing) return true;
  if (a_nothing) return b.garbage && b.version <= a.version;
  if (b_nothing) return a.garbage && a.version <= b.version;
  return a.version == b.version && a.digest == b.digest;
}

bool Answered(const CopyLook& copy) {
  return copy.state == State::kHolds || copy.state == State::kAbsent;
}

}  // namespace

LookVerdict Judge(const KeyLook& look) {
  if (look.status.outcome() != v1::OUTCOME_DONE) return LookVerdict::kUndecided;
  // Those whose copies have to be the same are measured by one of them.
  const CopyLook* sure = nullptr;
  for (const CopyLook& copy : look.copies) {
    if (!Answered(copy) || !copy.complete || copy.behind) continue;
    if (sure == nullptr) sure = &copy;
    if (!SameAs(*sure, copy)) return LookVerdict::kDifferent;
  }
  bool unreadable = false, silent = false, filling = false, behind = false;
  for (const CopyLook& copy : look.copies) {
    unreadable = unreadable || copy.state == State::kUnreadable;
    silent = silent || copy.state == State::kNoAnswer;
    if (!Answered(copy) || (sure != nullptr && SameAs(*sure, copy))) continue;
    (copy.complete ? behind : filling) = true;
  }
  if (unreadable) return LookVerdict::kUnreadable;
  if (filling) return LookVerdict::kFilling;
  if (silent) return LookVerdict::kUndecided;
  return behind ? LookVerdict::kBehind : LookVerdict::kEqual;
}

}  // namespace ringkv
