#include "bench/peers/redis_load.h"

#include <gtest/gtest.h>

#include <chrono>

#include "bench/peers/redis_slots.h"
#include "tests/bench/peers/fake_redis.h"
#include "tests/bench/peers/load_run.h"

namespace ringkv::bench {
namespace {

RedisTarget TargetOf(const FakeRedis& redis, int wait_for_replicas = 0) {
  return {redis.addresses(), wait_for_replicas};
}

constexpr KeySpace kSpace{500, 40};

TEST(RedisLoad, WritesEachKeyOnceToTheMasterOfItsSlot) {
  for (const LoadShape shape : {LoadShape{1, 1}, LoadShape{5, 16}}) {
    FakeRedis redis;
    RedisLoad load(TargetOf(redis), shape, {"put", 0}, kSpace);
    const Status written = load.WriteAll();
    ASSERT_TRUE(written.ok()) << written.message();
    const auto sets = redis.Sets();
    EXPECT_EQ(sets.size(), kSpace.keys);
    for (const auto& [key, by_master] : sets) {
      std::array<int, FakeRedis::kMasters> wanted{};
      wanted[RedisMasterOf(RedisSlotOf(key), FakeRedis::kMasters)] = 1;
      EXPECT_EQ(by_master, wanted) << key;
    }
    EXPECT_EQ(redis.ValueOf(PathKey(7)).size(), kSpace.value_bytes);
    EXPECT_EQ(redis.waits(), 0u);
  }
}

TEST(RedisLoad, MixesAreAnsweredAndTimed) {
  for (const Misbehaviour how : {Misbehaviour::kNone, Misbehaviour::kSplits}) {
    FakeRedis redis(how);
    ASSERT_TRUE(RedisLoad(TargetOf(redis), {2, 4}, {"put", 0}, kSpace).WriteAll().ok());
    RedisLoad load(TargetOf(redis), {3, 4}, {"50/50", 0.5}, kSpace);
    const LoadFigures figures = RunUntilAnswered(load);
    EXPECT_EQ(figures.failed, 0u) << figures.first_error;
    EXPECT_GE(figures.operations, 200u);
    EXPECT_EQ(figures.latency.count(), figures.operations);
    EXPECT_GT(figures.latency.At(0.5).count(), 0);
    EXPECT_GT(figures.seconds, 0);
  }
}

TEST(RedisLoad, SoManyOperationsAreInFlightAsTheShapeSays) {
  FakeRedis alone;
  ASSERT_TRUE(RedisLoad(TargetOf(alone), {1, 1}, {"put", 0}, kSpace).WriteAll().ok());
  EXPECT_EQ(alone.most_together(), 1u);
  // As many as there may be go out together at first, to three masters.
  FakeRedis many;
  ASSERT_TRUE(RedisLoad(TargetOf(many), {1, 60}, {"put", 0}, kSpace).WriteAll().ok());
  EXPECT_GE(many.most_together(), 20u);
  EXPECT_LE(many.most_together(), 60u);
}

TEST(RedisLoad, ReadOfAKeyThatIsNotThereHasFailed) {
  FakeRedis redis;
  RedisLoad load(TargetOf(redis), {2, 2}, {"get", 1}, kSpace);
  const LoadFigures figures = RunUntilAnswered(load);
  EXPECT_EQ(figures.operations, 0u);
  EXPECT_GT(figures.failed, 0u);
  EXPECT_EQ(figures.first_error, "the key is not there");
}

TEST(RedisLoad, WritesCountOnceTheirReplicasHaveThem) {
  FakeRedis redis(Misbehaviour::kNone, /*wait_answer=*/1);
  RedisLoad load(TargetOf(redis, 1), {2, 8}, {"put", 0}, kSpace);
  const Status written = load.WriteAll();
  EXPECT_TRUE(written.ok()) << written.message();
  EXPECT_EQ(redis.Sets().size(), kSpace.keys);
  EXPECT_GT(redis.waits(), 0u);
  EXPECT_LT(redis.waits(), kSpace.keys) << "what is written together has one WAIT";
}

TEST(RedisLoad, OneWriteAtATimeHasAWaitEach) {
  FakeRedis redis;
  ASSERT_TRUE(RedisLoad(TargetOf(redis, 1), {1, 1}, {"put", 0}, kSpace).WriteAll().ok());
  EXPECT_EQ(redis.waits(), kSpace.keys);
}

TEST(RedisLoad, WritesThatNoReplicaHasHaveFailed) {
  FakeRedis redis(Misbehaviour::kNone, /*wait_answer=*/0);
  RedisLoad load(TargetOf(redis, 1), {2, 2}, {"put", 0}, kSpace);
  const LoadFigures figures = RunUntilAnswered(load);
  EXPECT_EQ(figures.operations, 0u);
  EXPECT_GT(figures.failed, 0u);
  EXPECT_EQ(figures.first_error, "only 0 replicas confirmed it within five seconds");
}

TEST(RedisLoad, WhatAServerDoesWrongIsAFailureWithItsReason) {
  const std::pair<Misbehaviour, const char*> kCases[] = {
      {Misbehaviour::kErrors, "CLUSTERDOWN The cluster is down"},
      {Misbehaviour::kGarbage, "what the server sent is no RESP"},
      {Misbehaviour::kHangUp, "the server closed the connection"}};
  for (const auto& [how, why] : kCases) {
    for (const int wait_for_replicas : {0, 1}) {
      FakeRedis redis(how);
      RedisLoad load(TargetOf(redis, wait_for_replicas), {2, 2}, {"put", 0}, kSpace);
      const LoadFigures figures = RunUntilAnswered(load);
      EXPECT_EQ(figures.operations, 0u) << why;
      EXPECT_GT(figures.failed, 0u) << why;
      EXPECT_EQ(figures.first_error, why);
    }
  }
}

TEST(RedisLoad, SilentServerIsGivenUp) {
  FakeRedis redis(Misbehaviour::kSilence);
  RedisLoad load(TargetOf(redis), {3, 2}, {"put", 0}, kSpace, nullptr,
                 std::chrono::milliseconds(200));
  const Status written = load.WriteAll();
  EXPECT_EQ(written.code(), StatusCode::kUnavailable);
  EXPECT_EQ(written.message(), "no answer for too long");
}

TEST(RedisLoad, NobodyThereIsUnavailable) {
  RedisTarget target;
  target = TargetOf(FakeRedis());
  RedisLoad load(target, {1, 1}, {"put", 0}, kSpace);
  EXPECT_EQ(load.Start().code(), StatusCode::kUnavailable);
}

TEST(RedisLoad, InterruptionEndsIt) {
  FakeRedis redis;
  std::atomic<bool> interrupted{true};
  RedisLoad load(TargetOf(redis), {2, 2}, {"put", 0}, kSpace, &interrupted);
  EXPECT_TRUE(load.WriteAll().ok());
  EXPECT_TRUE(redis.Sets().empty());
}

}  // namespace
}  // namespace ringkv::bench
