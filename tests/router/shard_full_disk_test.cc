// Nodes whose disks are full take no values: what the owner does then.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

class FullDiskTest : public ShardTest {
 protected:
  void SetUp() override {
    TakeSlot(true);
    ConnectAll();
  }

  // Until its next statistics have told it; the others answer, too.
  void SetFull(Peer peer, bool full) {
    says_full_[peer] = full;
    for (int i = 0; i < 400; ++i) {
      Advance(milliseconds(5));
      if (AnswerStatistics().count(peer) != 0) return;
    }
    FAIL() << "n" << peer.value() + 1 << " was not asked for its statistics";
  }

  // Who was asked.
  std::set<Peer> AnswerStatistics() {
    std::set<Peer> asked;
    for (Peer peer : {kA, kB, kC}) {
      std::vector<uint64_t> ops;
      std::erase_if(sent_[peer], [&ops](const v1::ReplicaOp& op) {
        if (op.has_stats()) ops.push_back(op.op());
        return op.has_stats();
      });
      for (uint64_t op : ops) {
        v1::ReplicaOpReply reply;
        reply.mutable_stats()->set_disk_full(says_full_[peer]);
        Reply(peer, reply, op);
        asked.insert(peer);
      }
    }
    return asked;
  }

  std::vector<v1::ReplicaOp> Applies(Peer peer) {
    std::vector<v1::ReplicaOp> applies;
    for (v1::ReplicaOp& op : Take(peer)) {
      if (op.has_apply()) applies.push_back(std::move(op));
    }
    return applies;
  }

  const v1::OpStatus& PutStatus(uint64_t call) { return results_.at(call).put().status(); }

  std::map<Peer, bool> says_full_;
};

TEST_F(FullDiskTest, TheOthersTakeTheWriteAndTheFullOneGetsItWhenItHasSpace) {
  SetFull(kC, true);
  const uint64_t put = Put("k", "v");
  EXPECT_TRUE(Applies(kC).empty());
  for (Peer peer : {kA, kB}) {
    const auto applies = Applies(peer);
    ASSERT_EQ(applies.size(), 1u);
    Acknowledge(peer, applies[0]);
  }
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(PutStatus(put).outcome(), v1::OUTCOME_DONE);
  for (int i = 0; i < 200; ++i) {
    Advance(milliseconds(10));
    AnswerStatistics();
  }
  EXPECT_TRUE(Applies(kC).empty()) << "sent again and again to a node that cannot take it";
  SetFull(kC, false);
  bool repaired = false;
  for (int i = 0; i < 200 && !repaired; ++i) {
    Advance(milliseconds(5));
    AnswerStatistics();
    for (Peer peer : {kA, kB}) {
      for (const v1::ReplicaOp& op : Take(peer)) {
        if (op.has_read()) AnswerRead(peer, op, 7, 1, "v");
      }
    }
    repaired = !Applies(kC).empty();
  }
  EXPECT_TRUE(repaired);
}

TEST_F(FullDiskTest, WithoutAQuorumThatHasSpaceAWriteIsRefusedAndChangesNothing) {
  SetFull(kB, true);
  SetFull(kC, true);
  const uint64_t put = Put("k", "v");
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(PutStatus(put).outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(PutStatus(put).code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_NE(PutStatus(put).message().find("n2, n3"), std::string::npos) << PutStatus(put).message();
  for (Peer peer : {kA, kB, kC}) EXPECT_TRUE(Applies(peer).empty());
}

TEST_F(FullDiskTest, WriteThatWasBegunEndsAtAFullNodeWhereThereIsNoOther) {
  SetFull(kB, true);
  const uint64_t put = Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  EXPECT_TRUE(Applies(kB).empty());
  shard_.OnDisconnected(kC);  // with what it was sent
  std::vector<v1::ReplicaOp> applies;
  for (int i = 0; i < 100 && applies.empty(); ++i) {
    Advance(milliseconds(5));
    AnswerStatistics();
    applies = Applies(kB);
  }
  ASSERT_EQ(applies.size(), 1u);
  Acknowledge(kB, applies[0]);
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(PutStatus(put).outcome(), v1::OUTCOME_DONE);
}

TEST_F(FullDiskTest, DeletesGoOn) {
  const uint64_t put = Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, TakeOne(peer));
  ASSERT_TRUE(Done(put));
  for (Peer peer : {kA, kB, kC}) SetFull(peer, true);
  v1::Op op;
  op.mutable_del()->set_key("k");
  const uint64_t del = Call(op);
  const auto read = Last(kA, v1::ReplicaOp::kRead);
  ASSERT_TRUE(read.has_value());
  AnswerRead(kA, *read, 7, 1, "v");
  for (Peer peer : {kA, kB, kC}) {
    const auto applies = Applies(peer);
    ASSERT_EQ(applies.size(), 1u);
    EXPECT_TRUE(applies[0].apply().record().tombstone());
    Acknowledge(peer, applies[0]);
  }
  ASSERT_TRUE(Done(del));
  EXPECT_EQ(results_.at(del).del().status().outcome(), v1::OUTCOME_DONE);
}

TEST_F(FullDiskTest, NodeThatStartsAgainIsNotFullUntilItSaysSo) {
  SetFull(kB, true);
  SetFull(kC, true);
  shard_.OnDisconnected(kC);
  Connect(kC, Boot(2));
  const uint64_t put = Put("k", "v");
  EXPECT_FALSE(Done(put));
  EXPECT_EQ(Applies(kC).size(), 1u);
}

}  // namespace
}  // namespace ringkv
