#include "router/answer_hold.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr MonoTime kNow{1'000'000'000};

TEST(AnswerHold, HoldsNothingWhereNothingIs) {
  AnswerHold hold;
  EXPECT_EQ(hold.due(), kNever);
  hold.Note(kNow, milliseconds(8));
  hold.Sent();
  EXPECT_EQ(hold.due(), kNever);
}

TEST(AnswerHold, WaitsForAnEighthOfWhatTheOperationTook) {
  AnswerHold hold;
  hold.Note(kNow, milliseconds(8));
  EXPECT_EQ(hold.due(), kNow + milliseconds(1));
}

TEST(AnswerHold, NeverWaitsLongerThanItsMost) {
  AnswerHold hold;
  hold.Note(kNow, std::chrono::seconds(4));
  EXPECT_EQ(hold.due(), kNow + AnswerHold::kMost);
}

TEST(AnswerHold, LetsAQuickAnswerGoAtOnceAndThoseBeforeItToo) {
  AnswerHold hold;
  hold.Note(kNow, milliseconds(16));
  hold.Note(kNow + microseconds(50), microseconds(300));
  EXPECT_EQ(hold.due(), kNow + microseconds(50));
}

TEST(AnswerHold, LaterAnswersDoNotPutOffTheFirst) {
  AnswerHold hold;
  hold.Note(kNow, milliseconds(8));
  hold.Note(kNow + microseconds(900), milliseconds(8));
  EXPECT_EQ(hold.due(), kNow + milliseconds(1));
}

}  // namespace
}  // namespace ringkv
