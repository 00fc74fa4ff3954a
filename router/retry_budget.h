// RetryBudget: what may be asked a second time of nodes that have not answered yet. Every answer
// earns a part of a question, so that a store that is slow because it has too much to do is not
// given more: second questions are a third of all answers at most, beyond a number that are free.
//
// As in gRPC's retry throttling (gRFC A6). Thread-compatible.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ringkv {

class RetryBudget {
 public:
  static constexpr uint64_t kAnswersForOne = 3;

  // Begins with as many as it ever holds.
  explicit RetryBudget(uint64_t most) : most_(most * kAnswersForOne), answers_(most_) {}

  void OnAnswer() { answers_ = std::min(answers_ + 1, most_); }

  // False: not now; nothing was taken.
  bool Take(uint64_t questions) {
    if (answers_ < questions * kAnswersForOne) return false;
    answers_ -= questions * kAnswersForOne;
    return true;
  }

 private:
  const uint64_t most_;
  uint64_t answers_;
};

}  // namespace ringkv
