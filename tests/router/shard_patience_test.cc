// What a slow node has been sent already, and has not answered, is not asked of it again.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

class PatienceTest : public ShardTest {};

// A large value takes long at each of them: asked again and again it would never come.
TEST_F(PatienceTest, BothThatWereAskedForAReadAreWaitedFor) {
  TakeSlot(true);
  ConnectAll();
  const uint64_t get = Get("k");
  const v1::ReplicaOp first = TakeOne(kA);
  Advance(milliseconds(12));
  TakeOne(kB);
  Advance(milliseconds(230));
  EXPECT_EQ(shard_.stats().quorum_reads, 0u);
  AnswerRead(kA, first, 7, 0, "");
  EXPECT_TRUE(Done(get));
}

TEST_F(PatienceTest, QuorumThatIsSlowIsAskedAgainLaterEachTime) {
  TakeSlot(true);
  Connect(kA);
  Connect(kB);
  Connect(kC);
  shard_.SetLeaseUntil(clock_.Now());  // no replica answers alone
  v1::Op op;
  op.mutable_get()->set_key("k");
  Call(op, milliseconds(5000));
  std::vector<uint64_t> rounds;  // asked so far, a second after the other
  for (int second = 0; second < 4; ++second) {
    for (int i = 0; i < 10; ++i) {
      Advance(milliseconds(100));
      for (Peer peer : {kA, kB, kC}) Reply(peer, v1::ReplicaOpReply(), 1'000'000);
    }
    rounds.push_back(shard_.stats().quorum_reads);
  }
  EXPECT_EQ(rounds, (std::vector<uint64_t>{3, 4, 4, 4}));
}

// It is at work on nothing: the time that it would have been given is not its.
TEST_F(PatienceTest, QuorumThatRefusesIsAskedAgainSoon) {
  TakeSlot(true);
  ConnectAll();
  shard_.SetLeaseUntil(clock_.Now());
  v1::Op op;
  op.mutable_get()->set_key("k");
  Call(op, milliseconds(5000));
  for (int i = 0; i < 60; ++i) {
    Advance(milliseconds(10));
    for (Peer peer : {kA, kB, kC}) Reply(peer, v1::ReplicaOpReply(), 1'000'000);
  }
  ASSERT_EQ(shard_.stats().quorum_reads, 3u);  // the next in a second
  v1::ReplicaOpReply refused;
  refused.set_code(v1::REPLICA_CODE_OVERLOADED);
  const auto read = Last(kA, v1::ReplicaOp::kRead);
  ASSERT_TRUE(read.has_value());
  refused.set_attempt(read->attempt());
  Reply(kA, refused, read->op());
  Advance(milliseconds(255));
  EXPECT_EQ(shard_.stats().quorum_reads, 4u);
}

TEST_F(PatienceTest, LoopThatStoodStillSuspectsNobody) {
  TakeSlot(true);
  ConnectAll();
  clock_.Set(clock_.Now() + milliseconds(2000));
  shard_.RunDue();
  const uint64_t put = Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, TakeOne(peer));
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_DONE);
  // And does when it has looked again and again.
  Advance(milliseconds(600));
  const uint64_t refused = Put("k", "w");
  ASSERT_TRUE(Done(refused));
  EXPECT_EQ(results_[refused].put().status().code(), v1::ERROR_CODE_UNAVAILABLE);
}

// Two more questions may be asked beside those that are not answered yet.
class FewRetriesTest : public ShardTest {
 protected:
  FewRetriesTest() : ShardTest(Few()) {}
  static ShardOptions Few() {
    ShardOptions options;
    options.spare_retries = 2;
    return options;
  }

  void SetUp() override {
    TakeSlot(true);
    ConnectAll();
  }

  size_t Reads() {
    size_t reads = 0;
    for (Peer peer : {kA, kB, kC}) {
      for (const v1::ReplicaOp& op : Take(peer)) reads += op.has_read();
    }
    return reads;
  }

  void GetFor(const std::string& key, milliseconds timeout) {
    v1::Op op;
    op.mutable_get()->set_key(key);
    Call(op, timeout);
  }
};

TEST_F(FewRetriesTest, NodesThatAreAtWorkAreAskedLittleMore) {
  for (int i = 0; i < 10; ++i) GetFor("k" + std::to_string(i), milliseconds(8000));
  AdvanceHeard(milliseconds(3000));
  EXPECT_EQ(Reads(), 12u);
  EXPECT_GT(shard_.stats().reads_left, 0u);
}

TEST_F(FewRetriesTest, AnswersAreTakenForLostInTheEnd) {
  for (int i = 0; i < 10; ++i) GetFor("k" + std::to_string(i), milliseconds(8000));
  AdvanceHeard(milliseconds(3900));
  EXPECT_EQ(Reads(), 12u);
  AdvanceHeard(milliseconds(200));
  EXPECT_GE(Reads(), 8u);
}

TEST_F(FewRetriesTest, AnswersEarnMore) {
  GetFor("a", milliseconds(5000));
  const v1::ReplicaOp first = TakeOne(kA);
  GetFor("b", milliseconds(5000));
  GetFor("c", milliseconds(5000));
  AdvanceHeard(milliseconds(500));
  ASSERT_EQ(Reads(), 4u);  // b, c, and two of them at others
  AnswerRead(kA, first, 7, 0, "v");
  for (int i = 0; i < 2; ++i) {
    GetFor("d" + std::to_string(i), milliseconds(5000));
    AnswerRead(kA, TakeOne(kA), 7, 0, "v");
  }
  AdvanceHeard(milliseconds(100));
  EXPECT_EQ(Reads(), 1u);
}

// A node that is not heard of may be gone; what is asked of others is no burden to it.
TEST_F(FewRetriesTest, SilentNodeIsNotWaitedFor) {
  for (int i = 0; i < 10; ++i) GetFor("k" + std::to_string(i), milliseconds(8000));
  size_t asked = 0;
  for (int i = 0; i < 20; ++i) {
    Advance(milliseconds(10));
    for (Peer peer : {kB, kC}) Reply(peer, v1::ReplicaOpReply(), 1'000'000);
    asked += Reads();
  }
  EXPECT_EQ(asked, 20u);
}

// To ask it or another one again at once is what nodes do not need that have too much to do.
TEST_F(FewRetriesTest, NodesThatRefuseAreGivenTime) {
  size_t asked = 0;
  for (int i = 0; i < 10; ++i) GetFor("k" + std::to_string(i), milliseconds(8000));
  for (int step = 0; step < 20; ++step) {
    for (Peer peer : {kA, kB, kC}) {
      for (const v1::ReplicaOp& op : Take(peer)) {
        if (!op.has_read()) continue;
        ++asked;
        v1::ReplicaOpReply refused;
        refused.set_code(v1::REPLICA_CODE_OVERLOADED);
        refused.set_attempt(op.attempt());
        Reply(peer, refused, op.op());
      }
    }
    Advance(milliseconds(10));
  }
  EXPECT_GT(asked, 10u);
  // Refusals are answers: each earns a third of a question, and so do the answers to these.
  EXPECT_LE(asked, 10u + 2 + (10 + 2) / 2 + 3);
  GetFor("other", milliseconds(1000));
  const v1::ReplicaOp read = TakeOne(kA);
  AnswerRead(kA, read, 7, 0, "v");
}

// n3 comes back and misses a write. The nodes answer, but for what they were sent.
class SlowNodeTest : public ShardTest {
 protected:
  void SetUp() override {
    TakeSlot(true);
    ConnectAll();
    shard_.OnDisconnected(kC);
    Put("k", "v");
    Acknowledge(kA, TakeOne(kA));
    Acknowledge(kB, TakeOne(kB));
    Connect(kC, Boot(2));
  }

  void AdvanceAlive(milliseconds by) {
    for (milliseconds gone(0); gone < by; gone += milliseconds(15)) {
      Advance(milliseconds(15));
      Reply(kA, v1::ReplicaOpReply(), kNoOperation);
      Reply(kB, v1::ReplicaOpReply(), kNoOperation);
      Reply(kC, v1::ReplicaOpReply(), kNoOperation, Boot(2));
    }
  }

  // What n3 is sent within the time, once n1 has said what there is.
  std::optional<v1::ReplicaOp> RepairWithin(milliseconds limit) {
    for (milliseconds gone(0); gone < limit; gone += milliseconds(15)) {
      AdvanceAlive(milliseconds(15));
      if (const auto read = Last(kA, v1::ReplicaOp::kRead)) AnswerRead(kA, *read, 7, 1, "v");
      if (auto repair = Last(kC, v1::ReplicaOp::kApply)) return repair;
    }
    return std::nullopt;
  }

  uint64_t Behind() { return shard_.Describe(SlotId(0)).replicas[2].behind_keys; }

  static constexpr uint64_t kNoOperation = 1'000'000;
};

TEST_F(SlowNodeTest, RepairThatIsNotAnsweredIsSentAgainInTheNextSession) {
  ASSERT_TRUE(RepairWithin(milliseconds(300)).has_value());
  EXPECT_FALSE(RepairWithin(milliseconds(3000)).has_value());
  EXPECT_EQ(Behind(), 1u);
  shard_.OnDisconnected(kC);
  Connect(kC, Boot(2));
  const auto again = RepairWithin(milliseconds(300));
  ASSERT_TRUE(again.has_value());
  Acknowledge(kC, *again, Boot(2));
  EXPECT_EQ(Behind(), 0u);
}

// A session loses nothing that is under way in it. If one did, the key would not stay behind for
// good.
TEST_F(SlowNodeTest, RepairThatIsNeverAnsweredIsSentAgainInTheEnd) {
  ASSERT_TRUE(RepairWithin(milliseconds(300)).has_value());
  const auto again = RepairWithin(milliseconds(10000));
  ASSERT_TRUE(again.has_value());
  Acknowledge(kC, *again, Boot(2));
  EXPECT_EQ(Behind(), 0u);
}

}  // namespace
}  // namespace ringkv
