// The owner's rules as scripts: R6, how a slot changes its replicas.
#include <optional>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

const Peer kD(3);

// {A, B, C} is to become {B, C, D}.
class ShardReplaceTest : public ShardTest {
 protected:
  ShardReplaceTest() {
    syncs_shown_ = true;
    EXPECT_TRUE(balancer_.RegisterServer("n4", "n4:7500").ok());
    shard_.AddPeer(kD, NodeId::Parse("n4").value(), "n4:7500");
  }

  void Begin() {
    TakeSlot(/*first_term=*/true);
    ConnectAll();
    SlotGrant row = Row();
    row.learner = ReplicaGrant{kD, Incarnation(2)};
    row.replaced = ReplicaGrant{kA, Incarnation(1)};
    row.epoch = 1;
    shard_.AdoptRow(GroupId(0), row);
    shard_.OnConnected(kD, Boot(1));
    v1::ReplicaOpReply promised;
    promised.mutable_promise();
    Reply(kD, promised, TakeOne(kD).op());
  }

  SlotGrant Row() const {
    SlotGrant row;
    row.slot = SlotId(0);
    for (uint32_t i = 0; i < kNodes; ++i) row.replicas.push_back({Peer(i), Incarnation(1)});
    return row;
  }

  SlotGrant FlippedRow() const {
    SlotGrant row;
    row.slot = SlotId(0);
    row.epoch = 2;
    row.replicas = {{kD, Incarnation(2)}, {kB, Incarnation(1)}, {kC, Incarnation(1)}};
    row.retiring = {{kA, Incarnation(1)}};
    return row;
  }

  // Time goes by, and the nodes are heard of.
  void Tick(milliseconds by) override {
    for (milliseconds passed(0); passed < by; passed += milliseconds(5)) {
      Advance(milliseconds(5));
      for (Peer peer : {kA, kB, kC, kD}) {
        if (silent_.count(peer) != 0) continue;
        v1::ReplicaBatchReply alive;
        alive.set_boot(1);
        shard_.OnReplies(peer, alive);
      }
    }
  }

  void AnswerOk(Peer peer, const v1::ReplicaOp& op, bool voting) {
    v1::ReplicaOpReply reply;
    reply.set_voting(voting);
    if (op.has_contact()) reply.mutable_contact();
    Reply(peer, reply, op.op());
  }

  void Create() {
    AnswerOk(kD, Await(kD, v1::ReplicaOp::kCreate), false);
    AnswerOk(kD, Await(kD, v1::ReplicaOp::kContact), false);
  }

  void Pull() {
    v1::ReplicaOp op = Await(kD, v1::ReplicaOp::kPull);
    v1::ReplicaOpReply reply;
    reply.mutable_pull()->set_id(op.pull().id());
    reply.mutable_pull()->set_state(v1::PULL_STATE_DONE);
    reply.mutable_pull()->set_steps(1);
    Reply(kD, reply, op.op());
  }

  void Fill() {
    Create();
    Pull();
    AnswerOk(kD, Await(kD, v1::ReplicaOp::kReinstate), true);
  }

  std::vector<RowRequest> Requests() { return shard_.TakeRequests(); }
  SlotReport Report() { return shard_.Describe(SlotId(0)); }

  std::set<Peer> silent_;
};

TEST_F(ShardReplaceTest, LearnerIsCreatedContactedAndFilledFromTheOneItReplaces) {
  Begin();
  v1::ReplicaOp create = Await(kD, v1::ReplicaOp::kCreate);
  EXPECT_EQ(create.inc(), 2u);
  EXPECT_FALSE(create.create().voting());
  AnswerOk(kD, create, false);
  AnswerOk(kD, Await(kD, v1::ReplicaOp::kContact), false);
  v1::ReplicaOp pull = Await(kD, v1::ReplicaOp::kPull);
  EXPECT_EQ(pull.pull().source().node(), "n1");
  EXPECT_EQ(Report().replicas.size(), 4u);
  EXPECT_TRUE(Report().replicas[3].learner);
  EXPECT_FALSE(Report().joint);
}

TEST_F(ShardReplaceTest, LearnerGetsWritesAndDoesNotCount) {
  Begin();
  Create();
  v1::ReplicaOp pull = Await(kD, v1::ReplicaOp::kPull);
  uint64_t put = Put("k", "v");
  v1::ReplicaOp to_d = *Last(kD, v1::ReplicaOp::kApply);
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  Acknowledge(kD, to_d, Boot(1), /*voting=*/true);  // whatever it says
  EXPECT_FALSE(Done(put));
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardReplaceTest, JointQuorumIsAMajorityOfBothSets) {
  Begin();
  Fill();
  // The flip is held back by a write that D has not got.
  uint64_t earlier = Put("held", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  EXPECT_TRUE(Done(earlier));
  Take(kD);
  Tick(milliseconds(20));
  ASSERT_TRUE(Report().joint);
  EXPECT_TRUE(Requests().empty());
  uint64_t put = Put("k", "v");
  v1::ReplicaOp a = *Last(kA, v1::ReplicaOp::kApply), b = *Last(kB, v1::ReplicaOp::kApply);
  v1::ReplicaOp d = *Last(kD, v1::ReplicaOp::kApply);
  Acknowledge(kA, a);
  Acknowledge(kB, b);  // of the old set two, of the new one only B
  EXPECT_FALSE(Done(put));
  Acknowledge(kD, d);
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardReplaceTest, FlipIsAskedForWhenTheLearnerHasAcknowledgedWhatWasBehind) {
  Begin();
  Create();
  v1::ReplicaOp pull = Await(kD, v1::ReplicaOp::kPull);
  Put("k", "v");
  v1::ReplicaOp to_d = *Last(kD, v1::ReplicaOp::kApply);
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  Acknowledge(kC, *Last(kC, v1::ReplicaOp::kApply));
  v1::ReplicaOpReply done;
  done.mutable_pull()->set_id(pull.pull().id());
  done.mutable_pull()->set_state(v1::PULL_STATE_DONE);
  done.mutable_pull()->set_steps(1);
  Reply(kD, done, pull.op());
  Tick(milliseconds(50));
  EXPECT_FALSE(Report().joint);  // not even the vote comes back before
  EXPECT_TRUE(Requests().empty());
  Acknowledge(kD, to_d, Boot(1), /*voting=*/false);
  AnswerOk(kD, Await(kD, v1::ReplicaOp::kReinstate), true);
  Tick(milliseconds(20));
  std::vector<RowRequest> requests = Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].kind, RowRequest::Kind::kFlip);
  EXPECT_EQ(requests[0].epoch, 1u);
}

TEST_F(ShardReplaceTest, FlipIsAskedForAgainAsLongAsNothingIsKnown) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  ASSERT_EQ(Requests().size(), 1u);
  Tick(milliseconds(500));
  EXPECT_TRUE(Requests().empty());
  Tick(milliseconds(600));
  EXPECT_EQ(Requests().size(), 1u);
}

TEST_F(ShardReplaceTest, OnceTheFlipIsAskedForItStaysJointThoughTheLearnerIsGone) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  ASSERT_EQ(Requests().size(), 1u);
  shard_.OnDisconnected(kD);
  Tick(milliseconds(50));
  EXPECT_TRUE(Report().joint);
  uint64_t put = Put("k", "v");
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  EXPECT_FALSE(Done(put));
  Acknowledge(kC, *Last(kC, v1::ReplicaOp::kApply));
  EXPECT_TRUE(Done(put));  // B and C are a majority of {B, C, D}
}

TEST_F(ShardReplaceTest, LearnerThatGoesBeforeTheFlipLeavesTheOldSetAlone) {
  Begin();
  Fill();
  Put("held", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  Tick(milliseconds(20));
  ASSERT_TRUE(Report().joint);
  uint64_t put = Put("k", "v");
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  EXPECT_FALSE(Done(put));
  shard_.OnDisconnected(kD);
  Tick(milliseconds(20));
  EXPECT_FALSE(Report().joint);
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardReplaceTest, AfterTheFlipTheNewSetCountsAndTheOldReplicaIsToldToRetire) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  ASSERT_EQ(Requests().size(), 1u);
  Take(kA);
  shard_.AdoptRow(GroupId(0), FlippedRow());
  EXPECT_FALSE(Report().joint);
  ASSERT_EQ(Report().replicas.size(), 3u);
  EXPECT_EQ(Report().replicas[0].peer, kD);
  EXPECT_TRUE(Report().replicas[0].clean);
  v1::ReplicaOp retire = Await(kA, v1::ReplicaOp::kRetire);
  EXPECT_EQ(retire.inc(), 1u);
  EXPECT_EQ(retire.retire().epoch(), 2u);
  v1::ReplicaOp again = Await(kA, v1::ReplicaOp::kRetire);  // until it answers
  AnswerOk(kA, again, false);
  std::vector<RowRequest> requests = Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].kind, RowRequest::Kind::kRetired);
  EXPECT_EQ(requests[0].replica.peer, kA);
  Tick(milliseconds(600));
  EXPECT_FALSE(Last(kA, v1::ReplicaOp::kRetire).has_value());
  uint64_t put = Put("k", "v");
  EXPECT_FALSE(Last(kA, v1::ReplicaOp::kApply).has_value());
  Acknowledge(kD, *Last(kD, v1::ReplicaOp::kApply));
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardReplaceTest, WriteThatTheNewSetHoldsIsCommittedByTheFlip) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  uint64_t put = Put("k", "v");
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  Acknowledge(kD, *Last(kD, v1::ReplicaOp::kApply));
  EXPECT_FALSE(Done(put));  // of the old set B alone
  shard_.AdoptRow(GroupId(0), FlippedRow());
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardReplaceTest, AcknowledgementsOfTheReplicaThatLeftCountForNobody) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  uint64_t put = Put("k", "v");
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  v1::ReplicaOp b = *Last(kB, v1::ReplicaOp::kApply);
  shard_.AdoptRow(GroupId(0), FlippedRow());
  // The place of A may be another's now.
  SlotGrant next = FlippedRow();
  next.epoch = 3;
  next.retiring.clear();
  next.learner = ReplicaGrant{kA, Incarnation(3)};
  next.replaced = ReplicaGrant{kC, Incarnation(1)};
  shard_.AdoptRow(GroupId(0), next);
  EXPECT_FALSE(Done(put));
  Acknowledge(kB, b);
  EXPECT_FALSE(Done(put));
  Acknowledge(kC, *Last(kC, v1::ReplicaOp::kApply));
  EXPECT_TRUE(Done(put));
}

// A node whose disk has failed waits for leave to replace it, and the change that was to fill it
// waits for the node.
TEST_F(ShardReplaceTest, DiskOfALearnerMayGoUntilItCounts) {
  Begin();
  auto needed = [this] { return shard_.Report().peers[kD.value()].needed_slots; };
  EXPECT_EQ(needed(), 0u);
  EXPECT_EQ(shard_.Report().peers[kB.value()].needed_slots, 1u);
  shard_.OnDisconnected(kC);
  EXPECT_EQ(needed(), 1u);
  Connect(kC);
  EXPECT_EQ(needed(), 0u);
  Fill();
  Tick(milliseconds(20));
  ASSERT_TRUE(Report().joint);
  EXPECT_EQ(needed(), 1u);
}

TEST_F(ShardReplaceTest, LearnerThatCanNeverBeMadeIsGivenUp) {
  Begin();
  v1::ReplicaOp create = Await(kD, v1::ReplicaOp::kCreate);
  v1::ReplicaOpReply refused;
  refused.set_code(v1::REPLICA_CODE_NO_INSTANCE);
  Reply(kD, refused, create.op());
  std::vector<RowRequest> requests = Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].kind, RowRequest::Kind::kAbandon);
  SlotGrant row = Row();
  row.epoch = 2;
  row.retiring = {{kD, Incarnation(2)}};
  shard_.AdoptRow(GroupId(0), row);
  EXPECT_EQ(Report().replicas.size(), 3u);
  EXPECT_EQ(Await(kD, v1::ReplicaOp::kRetire).inc(), 2u);
}

TEST_F(ShardReplaceTest, OlderRowChangesNothing) {
  Begin();
  Fill();
  Tick(milliseconds(20));
  shard_.AdoptRow(GroupId(0), FlippedRow());
  shard_.AdoptRow(GroupId(0), Row());
  EXPECT_EQ(Report().replicas[0].peer, kD);
}

}  // namespace
}  // namespace ringkv
