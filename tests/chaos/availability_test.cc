#include "tests/chaos/availability.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;
using Function = HistoryEvent::Function;

constexpr int64_t kPatience = 1000;

ClientOperation Op(Function function, int64_t from, int64_t to, Outcome outcome,
                   const std::string& key = "k") {
  ClientOperation operation;
  operation.function = function;
  operation.key = key;
  operation.outcome = outcome;
  operation.op.invoked = from;
  operation.ended_ns = to;
  return operation;
}
ClientOperation Get(int64_t from, int64_t to, Outcome outcome = Outcome::kDone) {
  return Op(Function::kGet, from, to, outcome);
}
ClientOperation Put(int64_t from, int64_t to, Outcome outcome = Outcome::kDone) {
  return Op(Function::kPut, from, to, outcome);
}

int64_t Longest(const std::vector<ClientOperation>& operations, Access access) {
  const std::vector<Gap> gaps = FindGaps(operations, kPatience);
  const Gap* gap = LongestGap(gaps, access, [](const Stretch&) { return true; });
  return gap == nullptr ? -1 : gap->length_ns();
}

TEST(Availability, OneSlowTryIsAGapOfItsLength) {
  EXPECT_EQ(Longest({Get(0, 10), Get(100, 350), Get(400, 410)}, Access::kRead), 250);
}

TEST(Availability, SuccessOfAnotherEndsTheGapOfASlowTry) {
  EXPECT_EQ(Longest({Get(100, 900), Get(120, 130)}, Access::kRead), 130 - 100)
      << "the try at 100 could have had an answer at 130";
}

TEST(Availability, FailedTriesUntilTheFirstSuccessAreOneGap) {
  EXPECT_EQ(Longest({Put(0, 5), Put(10, 20, Outcome::kNotApplied), Put(30, 40, Outcome::kUnknown),
                     Put(700, 710, Outcome::kNotApplied), Put(800, 820), Put(900, 905)},
                    Access::kWrite),
            820 - 10);
}

TEST(Availability, ReadsAndWritesAndKeysAreCountedApart) {
  std::vector<ClientOperation> operations = {Get(0, 10), Put(0, 500), Get(20, 30)};
  operations.push_back(Op(Function::kGet, 0, 300, Outcome::kDone, "other"));
  EXPECT_EQ(Longest(operations, Access::kWrite), 500);
  EXPECT_EQ(Longest(operations, Access::kRead), 300);
}

TEST(Availability, TimeInWhichNobodyTriedIsNotCounted) {
  EXPECT_EQ(Longest({Get(0, 100, Outcome::kNotApplied), Get(50'000, 50'010)}, Access::kRead), 100);
  EXPECT_EQ(Longest({Get(0, 100, Outcome::kNotApplied), Get(900, 910)}, Access::kRead), 910);
}

TEST(Availability, KeyThatNeverSucceedsIsGoneUntilTheLastTryEnds) {
  EXPECT_EQ(Longest({Get(0, 100, Outcome::kNotApplied), Get(200, 450, Outcome::kNotApplied)},
                    Access::kRead),
            450);
}

TEST(Availability, ConditionThatDidNotHoldSaysNothingOfWriting) {
  EXPECT_EQ(Longest({Op(Function::kCas, 0, 1000, Outcome::kConditionFailed)}, Access::kWrite), -1);
  EXPECT_EQ(Longest({Put(0, 100, Outcome::kNotApplied),
                     Op(Function::kCas, 110, 120, Outcome::kConditionFailed), Put(300, 310)},
                    Access::kWrite),
            310);
}

TEST(Availability, LongestIsOfThoseThatCount) {
  const std::vector<Gap> gaps = FindGaps({Get(0, 10), Get(90, 150), Get(300, 320)}, kPatience);
  auto longest = [&](const std::function<bool(const Stretch&)>& counts) {
    const Gap* gap = LongestGap(gaps, Access::kRead, counts);
    return gap == nullptr ? -1 : gap->length_ns();
  };
  EXPECT_EQ(longest([](const Stretch& gap) { return Touch(gap, {100, 200}); }), 60);
  EXPECT_EQ(longest([](const Stretch& gap) { return Touch(gap, {200, 250}); }), -1);
  EXPECT_EQ(longest([](const Stretch& gap) { return IsWithin(gap, {100, 200}); }), -1);
  EXPECT_EQ(longest([](const Stretch& gap) { return IsWithin(gap, {290, 400}); }), 20);
}

}  // namespace
}  // namespace ringkv
