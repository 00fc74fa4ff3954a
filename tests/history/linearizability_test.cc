#include "tests/history/linearizability.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace ringkv {
namespace {

using Kind = HistoryOp::Kind;
using Code = LinearizabilityVerdict::Code;

HistoryOp Get(std::optional<std::string> result, int64_t from, int64_t to) {
  HistoryOp op;
  op.result = std::move(result);
  op.invoked = from;
  op.answered = to;
  return op;
}

HistoryOp Write(Kind kind, std::string value, int64_t from, int64_t to, bool applied = true) {
  HistoryOp op;
  op.kind = kind;
  op.argument = std::move(value);
  op.applied = applied;
  op.invoked = from;
  op.answered = to;
  return op;
}

HistoryOp Cas(std::string expected, std::string value, int64_t from, int64_t to, bool applied) {
  HistoryOp op = Write(Kind::kCas, std::move(value), from, to, applied);
  op.expected = std::move(expected);
  return op;
}

HistoryOp Increment(int64_t delta, std::string result, int64_t from, int64_t to) {
  HistoryOp op;
  op.kind = Kind::kIncrement;
  op.delta = delta;
  op.result = std::move(result);
  op.invoked = from;
  op.answered = to;
  return op;
}

HistoryOp Unknown(HistoryOp op) {
  op.unknown = true;
  return op;
}

Code Check(std::vector<HistoryOp> ops) { return CheckLinearizable(std::move(ops)).code; }

TEST(Linearizability, SequentialHistoryPasses) {
  EXPECT_EQ(Check({Get(std::nullopt, 1, 2), Write(Kind::kPut, "a", 3, 4), Get("a", 5, 6),
                   Write(Kind::kDelete, "", 7, 8), Get(std::nullopt, 9, 10)}),
            Code::kOk);
}

TEST(Linearizability, StaleReadIsFound) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Write(Kind::kPut, "b", 3, 4), Get("a", 5, 6)}),
            Code::kViolation);
}

TEST(Linearizability, LostWriteIsFound) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Get(std::nullopt, 3, 4)}), Code::kViolation);
}

TEST(Linearizability, ConcurrentWritesMayTakeEffectInEitherOrder) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 10), Write(Kind::kPut, "b", 2, 9), Get("a", 11, 12)}),
            Code::kOk);
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 10), Write(Kind::kPut, "b", 2, 9), Get("b", 11, 12)}),
            Code::kOk);
}

TEST(Linearizability, ValueThatFlipsBackIsFound) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Unknown(Write(Kind::kPut, "b", 3, 0)),
                   Get("b", 5, 6), Get("a", 7, 8)}),
            Code::kViolation);
}

TEST(Linearizability, UnknownWriteMayTakeEffectLateOrNever) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Unknown(Write(Kind::kPut, "b", 3, 0)),
                   Get("a", 5, 6), Get("b", 7, 8), Get("b", 9, 10)}),
            Code::kOk);
  EXPECT_EQ(Check({Unknown(Write(Kind::kPut, "b", 3, 0)), Get(std::nullopt, 5, 6)}), Code::kOk);
}

TEST(Linearizability, UnknownWriteDoesNotTakeEffectBeforeItWasInvoked) {
  EXPECT_EQ(Check({Get("b", 1, 2), Unknown(Write(Kind::kPut, "b", 3, 0))}), Code::kViolation);
}

TEST(Linearizability, ConditionsAreChecked) {
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Cas("a", "b", 3, 4, true), Get("b", 5, 6)}),
            Code::kOk);
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Cas("a", "b", 3, 4, false)}), Code::kViolation);
  EXPECT_EQ(Check({Write(Kind::kPut, "a", 1, 2), Cas("x", "b", 3, 4, true)}), Code::kViolation);
  EXPECT_EQ(Check({Write(Kind::kPutAbsent, "a", 1, 2), Write(Kind::kPutAbsent, "b", 3, 4)}),
            Code::kViolation);
  EXPECT_EQ(Check({Write(Kind::kPutAbsent, "a", 1, 2), Write(Kind::kPutAbsent, "b", 3, 4, false)}),
            Code::kOk);
  EXPECT_EQ(Check({Write(Kind::kDelete, "", 1, 2)}), Code::kViolation);
  EXPECT_EQ(Check({Write(Kind::kDelete, "", 1, 2, false)}), Code::kOk);
}

TEST(Linearizability, TwoSuccessfulCasFromOneValueAreFound) {
  EXPECT_EQ(
      Check({Write(Kind::kPut, "a", 1, 2), Cas("a", "b", 3, 10, true), Cas("a", "c", 4, 11, true)}),
      Code::kViolation);
}

TEST(Linearizability, CountersAddUp) {
  EXPECT_EQ(Check({Increment(2, "2", 1, 5), Increment(3, "5", 2, 6), Get("5", 7, 8)}), Code::kOk);
  EXPECT_EQ(Check({Increment(2, "2", 1, 5), Increment(3, "3", 2, 6)}), Code::kViolation);
  EXPECT_EQ(Check({Unknown(Increment(2, "", 1, 0)), Increment(3, "5", 2, 6)}), Code::kOk);
}

TEST(Linearizability, SearchThatRunsOutOfStepsIsNotAPass) {
  EXPECT_EQ(CheckLinearizable({Write(Kind::kPut, "a", 1, 2), Get("a", 3, 4)}, 2).code,
            Code::kGaveUp);
}

// Histories made by a real register, with a random moment of effect inside each call, pass; the
// same ones with one read changed to a value that was overwritten before or never written do not.
TEST(Linearizability, GeneratedHistoriesPassAndTheirMutantsDoNot) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    std::vector<HistoryOp> ops;
    std::optional<std::string> state;
    int64_t time = 0;
    for (int i = 0; i < 60; ++i) {
      time += 10;
      int64_t from = time - static_cast<int64_t>(random.Below(25));
      int64_t to = time + static_cast<int64_t>(random.Below(25));
      if (random.Chance(0.5)) {
        ops.push_back(Get(state, from, to));
      } else {
        state = "v" + std::to_string(i);
        ops.push_back(Write(Kind::kPut, *state, from, to));
      }
    }
    ASSERT_EQ(Check(ops), Code::kOk) << "seed " << seed;
    std::vector<size_t> reads;
    for (size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].kind == Kind::kGet) reads.push_back(i);
    }
    HistoryOp& mutated = ops[reads[random.Below(reads.size())]];
    mutated.result = "never-written";
    EXPECT_EQ(Check(ops), Code::kViolation) << "seed " << seed;
  }
}

// Tries every subset of the unknown operations in every order.
bool FitsByTryingAll(const std::vector<HistoryOp>& ops) {
  std::vector<size_t> order(ops.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  do {
    // In this order, the unknown ones after `taken` did not happen.
    for (size_t taken = 0; taken <= order.size(); ++taken) {
      std::optional<std::string> state;
      bool fits = true;
      for (size_t at = 0; at < order.size() && fits; ++at) {
        const HistoryOp& op = ops[order[at]];
        if (at >= taken) {
          fits = op.unknown;
          continue;
        }
        for (size_t later = at + 1; later < order.size() && fits; ++later) {
          const HistoryOp& other = ops[order[later]];
          fits = other.unknown || other.answered >= op.invoked;
        }
        if (op.kind == Kind::kGet) fits = fits && op.result == state;
        if (op.kind == Kind::kCas && (op.applied || op.unknown))
          fits = fits && state == op.expected;
        if (op.kind == Kind::kCas && !op.applied && !op.unknown)
          fits = fits && state != op.expected;
        const bool writes = op.kind == Kind::kPut || (op.kind == Kind::kCas && op.applied);
        if (writes) state = op.argument;
      }
      if (fits) return true;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return false;
}

TEST(Linearizability, AgreesWithTryingAllOrdersOnSmallHistories) {
  Random random(20261125);
  int fitting = 0;
  constexpr int kHistories = 3000;
  for (int history = 0; history < kHistories; ++history) {
    std::vector<HistoryOp> ops;
    for (int i = 0; i < 6; ++i) {
      const auto from = static_cast<int64_t>(random.Below(20));
      const int64_t to = from + 1 + static_cast<int64_t>(random.Below(8));
      const std::string value = "v" + std::to_string(random.Below(3));
      const double dice = random.Unit();
      if (dice < 0.4) {
        ops.push_back(Get(random.Chance(0.2) ? std::nullopt : std::optional(value), from, to));
      } else if (dice < 0.75) {
        ops.push_back(Write(Kind::kPut, value, from, to));
      } else {
        ops.push_back(
            Cas(value, "v" + std::to_string(random.Below(3)), from, to, random.Chance(0.7)));
      }
      if (ops.back().kind != Kind::kGet && random.Chance(0.3)) {
        ops.back().unknown = true;
        ops.back().applied = true;
      }
    }
    const bool fits = FitsByTryingAll(ops);
    fitting += fits ? 1 : 0;
    ASSERT_EQ(Check(ops) == Code::kOk, fits) << "history " << history;
  }
  EXPECT_GT(fitting, kHistories / 20);
  EXPECT_LT(fitting, kHistories * 19 / 20);
}

TEST(Linearizability, LongHistoryWithUnknownWritesIsCheckedInOneGo) {
  Random random(3);
  std::vector<HistoryOp> ops;
  std::optional<std::string> state;
  for (int64_t i = 0; i < 100'000; ++i) {
    const int64_t time = 10 * (i + 10);
    const auto from = time - static_cast<int64_t>(random.Below(40));
    const auto to = time + static_cast<int64_t>(random.Below(40));
    if (random.Chance(0.5)) {
      ops.push_back(Get(state, from, to));
    } else {
      const std::string value = "v" + std::to_string(i);
      if (i % 1000 == 0) {
        ops.push_back(Unknown(Write(Kind::kPut, value, from, 0)));
        if (random.Chance(0.5)) continue;  // it is never seen
      } else {
        ops.push_back(Write(Kind::kPut, value, from, to));
      }
      state = value;
    }
  }
  const LinearizabilityVerdict verdict = CheckLinearizable(ops);
  EXPECT_EQ(verdict.code, Code::kOk) << verdict.explanation;
  ops[ops.size() / 2] =
      Write(Kind::kPutAbsent, "never", ops[ops.size() / 2].invoked, ops[ops.size() / 2].answered);
  EXPECT_NE(CheckLinearizable(ops, 200'000).code, Code::kOk);
}

}  // namespace
}  // namespace ringkv
