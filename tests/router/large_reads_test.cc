#include "router/large_reads.h"

#include <gtest/gtest.h>

#include "router/retry_budget.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

class LargeReadsTest : public testing::Test {
 protected:
  LargeReads::Turn Ask(uint64_t call, size_t bytes, milliseconds patience = milliseconds(5000)) {
    return reads_.Ask({SlotId(3), call, bytes, now_ + patience}, now_);
  }
  std::vector<uint64_t> Turns() {
    std::vector<uint64_t> calls;
    for (const LargeReads::Reader& reader : reads_.TakeTurns(now_)) calls.push_back(reader.call);
    return calls;
  }

  MonoTime now_ = MonoTime() + std::chrono::seconds(100);
  LargeReads reads_{100};
};

TEST_F(LargeReadsTest, GivesRoomInTheOrderInWhichItIsAskedFor) {
  EXPECT_EQ(Ask(1, 60), LargeReads::Turn::kNow);
  EXPECT_EQ(Ask(2, 50), LargeReads::Turn::kLater);
  EXPECT_EQ(Ask(3, 10), LargeReads::Turn::kLater) << "nobody overtakes";
  EXPECT_EQ(reads_.bytes(), 60u);
  EXPECT_EQ(reads_.bytes_waiting(), 60u);
  EXPECT_EQ(Turns(), std::vector<uint64_t>{});
  reads_.End(1, now_);
  EXPECT_EQ(Turns(), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(reads_.bytes(), 60u);
  EXPECT_FALSE(reads_.waited_for());
}

TEST_F(LargeReadsTest, WhatIsLargerThanTheRoomTakesAllOfIt) {
  EXPECT_EQ(Ask(1, 1000), LargeReads::Turn::kNow);
  EXPECT_EQ(reads_.bytes(), 100u);
  EXPECT_EQ(Ask(2, 1), LargeReads::Turn::kLater);
  reads_.End(1, now_);
  EXPECT_EQ(Turns(), std::vector<uint64_t>{2});
}

TEST_F(LargeReadsTest, WhoGivesUpLeavesTheLine) {
  Ask(1, 100);
  Ask(2, 100);
  Ask(3, 100);
  reads_.End(2, now_);
  EXPECT_EQ(reads_.bytes_waiting(), 100u);
  reads_.End(1, now_);
  EXPECT_EQ(Turns(), std::vector<uint64_t>{3});
  reads_.End(3, now_);
  reads_.End(3, now_);
  EXPECT_EQ(reads_.bytes(), 0u);
}

TEST_F(LargeReadsTest, WhoGaveUpAndComesAgainStandsAtTheEnd) {
  Ask(1, 100);
  Ask(2, 50);
  reads_.End(2, now_);
  Ask(2, 70);
  reads_.End(1, now_);
  EXPECT_EQ(Turns(), std::vector<uint64_t>{2});
  EXPECT_EQ(reads_.bytes(), 70u);
  EXPECT_EQ(reads_.bytes_waiting(), 0u);
}

TEST_F(LargeReadsTest, WhoWouldComeTooLateIsToldAtOnce) {
  for (uint64_t call = 1; call <= 60; ++call) {  // reads take a second each
    Ask(call, 100);
    now_ = now_ + milliseconds(1000);
    reads_.End(call, now_);
  }
  EXPECT_EQ(Ask(100, 100), LargeReads::Turn::kNow) << "who finds room may try";
  EXPECT_EQ(Ask(101, 100, milliseconds(1500)), LargeReads::Turn::kTooLate);
  EXPECT_EQ(Ask(102, 100, milliseconds(2500)), LargeReads::Turn::kLater);
  EXPECT_EQ(Ask(103, 100, milliseconds(2500)), LargeReads::Turn::kTooLate) << "102 comes before";
}

TEST(LargeKeysTest, RemembersWhatItSaw) {
  LargeKeys keys;
  EXPECT_EQ(keys.Find(SlotId(1), "k"), 0u);
  keys.Note(SlotId(1), "k", 12);
  EXPECT_EQ(keys.Find(SlotId(1), "k"), 12u);
  EXPECT_EQ(keys.Find(SlotId(2), "k"), 0u);
  keys.Forget(SlotId(2), "k");
  EXPECT_EQ(keys.Find(SlotId(1), "k"), 12u);
  keys.Forget(SlotId(1), "k");
  EXPECT_EQ(keys.Find(SlotId(1), "k"), 0u);
}

TEST(RetryBudgetTest, AnswersEarnAThirdOfAQuestion) {
  RetryBudget budget(2);
  EXPECT_FALSE(budget.Take(3));
  EXPECT_TRUE(budget.Take(2));
  EXPECT_FALSE(budget.Take(1));
  budget.OnAnswer();
  budget.OnAnswer();
  EXPECT_FALSE(budget.Take(1));
  budget.OnAnswer();
  EXPECT_TRUE(budget.Take(1));
  for (int i = 0; i < 100; ++i) budget.OnAnswer();
  EXPECT_TRUE(budget.Take(2));
  EXPECT_FALSE(budget.Take(1)) << "it holds no more than at first";
}

}  // namespace
}  // namespace ringkv
