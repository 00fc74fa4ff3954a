// AnswerHold: how long the answers of one stream wait for others that are about to come. A message
// costs some 20 us at each end whatever is in it, so that few full ones carry several times what
// many small ones do; and nobody should wait for that who would notice.
//
// An answer waits for at most an eighth of what its operation took, and at most kMost: it comes
// 12.5 % later at the worst. One that was quick is not held at all.
//
// Thread-compatible.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace ringkv {

class AnswerHold {
 public:
  static constexpr Duration kMost = std::chrono::milliseconds(5);
  static constexpr Duration kLeast = std::chrono::microseconds(100);  // less is no wait at all

  // An answer is there, to an operation that took so long.
  void Note(MonoTime now, Duration took) {
    const Duration wait = std::min(took / 8, kMost);
    due_ = std::min(due_, wait < kLeast ? now : now + wait);
  }
  // When those that are there leave at the latest; kNever: none is there.
  MonoTime due() const { return due_; }
  void Sent() { due_ = kNever; }

 private:
  MonoTime due_ = kNever;
};

}  // namespace ringkv
