#include "router/untaken_answers.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

constexpr size_t kSmall = UntakenAnswers::kSmallAnswerBytes;

TEST(UntakenAnswersTest, HasRoomUpToTheBoundAndForOneInAnyCase) {
  UntakenAnswers untaken(100);
  EXPECT_TRUE(untaken.HasRoomFor(1000));
  untaken.Add(60);
  EXPECT_TRUE(untaken.HasRoomFor(40));
  EXPECT_FALSE(untaken.HasRoomFor(41));
  untaken.Remove(60);
  EXPECT_TRUE(untaken.HasRoomFor(1000));
}

TEST(UntakenAnswersTest, OnlyWhatReadsFoundIsDropped) {
  v1::OpResult get;
  get.mutable_get()->set_value(std::string(kSmall, 'v'));
  EXPECT_EQ(DroppableBytes(get), 0u);
  get.mutable_get()->set_value(std::string(kSmall + 1, 'v'));
  EXPECT_EQ(DroppableBytes(get), kSmall + 1);
  v1::OpResult scan;
  scan.mutable_scan()->add_entries()->set_value(std::string(kSmall + 1, 'v'));
  EXPECT_GT(DroppableBytes(scan), kSmall);
  v1::OpResult put;
  put.mutable_put()->mutable_status()->set_message(std::string(2 * kSmall, 'm'));
  EXPECT_EQ(DroppableBytes(put), 0u) << "it was written: the client has to be told";
}

TEST(UntakenAnswersTest, WhatIsDroppedSaysToTryAgain) {
  v1::OpResult get;
  get.set_id(7);
  get.mutable_get()->set_value("v");
  DropAnswer("", &get);
  EXPECT_EQ(get.id(), 7u);
  EXPECT_TRUE(get.get().value().empty());
  EXPECT_EQ(get.get().status().code(), v1::ERROR_CODE_OVERLOADED);
  EXPECT_EQ(get.get().status().outcome(), v1::OUTCOME_NOT_APPLIED);

  v1::OpResult scan;
  scan.mutable_scan()->add_entries()->set_key("k");
  scan.mutable_scan()->set_cursor("behind k");
  DropAnswer("before k", &scan);
  EXPECT_EQ(scan.scan().entries_size(), 0);
  EXPECT_EQ(scan.scan().cursor(), "before k") << "the page is not lost";
  EXPECT_EQ(scan.scan().status().code(), v1::ERROR_CODE_OVERLOADED);
}

}  // namespace
}  // namespace ringkv
