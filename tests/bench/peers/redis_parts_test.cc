#include <gtest/gtest.h>

#include "bench/peers/redis_admin.h"
#include "bench/peers/redis_slots.h"
#include "tests/bench/peers/fake_redis.h"

namespace ringkv::bench {
namespace {

// Of the Redis Cluster specification (appendix A) and of the documentation of CLUSTER KEYSLOT.
TEST(RedisSlots, ArePublishedOnes) {
  EXPECT_EQ(RedisSlotOf("123456789"), 0x31C3 % kRedisSlots);
  EXPECT_EQ(RedisSlotOf("somekey"), 11'058);
  EXPECT_EQ(RedisSlotOf("hash_tag"), 2'515);
  EXPECT_EQ(RedisSlotOf("foo"), 12'182);
  EXPECT_EQ(RedisSlotOf("bar"), 5'061);
  EXPECT_EQ(RedisSlotOf(""), 0);
}

TEST(RedisSlots, EverySlotHasTheMasterInWhoseRunItLies) {
  for (const size_t masters : {1, 2, 3, 5, 7, 100}) {
    EXPECT_EQ(FirstRedisSlotOf(0, masters), 0);
    EXPECT_EQ(FirstRedisSlotOf(masters, masters), kRedisSlots);
    for (int slot = 0; slot < kRedisSlots; ++slot) {
      const size_t master = RedisMasterOf(slot, masters);
      ASSERT_LT(master, masters);
      ASSERT_GE(slot, FirstRedisSlotOf(master, masters)) << masters;
      ASSERT_LT(slot, FirstRedisSlotOf(master + 1, masters)) << masters;
    }
  }
}

TEST(RedisInfo, FieldsAreFoundByTheirWholeName) {
  const std::string info =
      "# Replication\r\nrole:slave\r\nmaster_link_status_x:no\r\nmaster_link_status:up\r\n"
      "empty:\r\nlast:a:b";
  EXPECT_EQ(RedisInfoField(info, "role"), "slave");
  EXPECT_EQ(RedisInfoField(info, "master_link_status"), "up");
  EXPECT_EQ(RedisInfoField(info, "empty"), "");
  EXPECT_EQ(RedisInfoField(info, "last"), "a:b");
  EXPECT_EQ(RedisInfoField(info, "link_status"), "");
  EXPECT_EQ(RedisInfoField("", "role"), "");
}

TEST(RedisAdmin, AsksOneCommandAfterTheOther) {
  FakeRedis redis(Misbehaviour::kSplits, 7);
  auto admin = RedisAdmin::Connect(redis.addresses()[0]);
  ASSERT_TRUE(admin.ok());
  EXPECT_EQ(*admin->Call({"SET", "a", "1"}), "OK");
  EXPECT_EQ(*admin->Call({"GET", "a"}), "1");
  EXPECT_EQ(*admin->Call({"WAIT", "1", "0"}), "7");
  const auto refused = admin->Call({"NONSENSE"});
  EXPECT_EQ(refused.status().code(), StatusCode::kRefused);
  EXPECT_EQ(refused.status().message(), "ERR unknown command 'NONSENSE'");
  EXPECT_EQ(*admin->Call({"GET", "a"}), "1");
}

TEST(RedisAdmin, BrokenConnectionsAreUnavailable) {
  for (const Misbehaviour how : {Misbehaviour::kHangUp, Misbehaviour::kGarbage}) {
    FakeRedis redis(how);
    auto admin = RedisAdmin::Connect(redis.addresses()[0]);
    ASSERT_TRUE(admin.ok());
    EXPECT_EQ(admin->Call({"SET", "a", "1"}).status().code(), StatusCode::kUnavailable);
  }
  std::string gone;
  {
    FakeRedis redis;
    gone = redis.addresses()[0];
  }
  EXPECT_EQ(RedisAdmin::Connect(gone).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(RedisAdmin::Connect("nowhere").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(RedisAdmin::Connect("redis.example:1").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ringkv::bench
