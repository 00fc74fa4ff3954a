// Courses of events while nodes join and leave, each by name, step by step in the simulated
// cluster. The cluster's own checks run all the while; at the end all replicas must be clean and
// equal, every row as it is wished, and nothing retired left on a disk.
#include <gtest/gtest.h>

#include "tests/sim/scenario.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A transaction, or a takeover, takes less.
constexpr Duration kOrderTime = milliseconds(100);

// Nodes 0 to 2 are members at first, 3 and 4 are not.
class Replace : public Scenario {
 protected:
  Replace() : Scenario(ReplaceMix()) {}

  static FaultMix ReplaceMix() {
    FaultMix mix;
    mix.topology = true;
    mix.spare = 2;
    return mix;
  }

  // Waits until the slot of the key has a row that looks so.
  template <class Condition>
  bool Until(Condition condition, Duration at_most = seconds(30)) {
    const MonoTime end = scheduler_.now() + at_most;
    scheduler_.RunUntil(end, condition);
    return condition();
  }

  // What was ordered is known by then, and at its end.
  bool Quiet() {
    Wait(kOrderTime);
    return Until([&] { return !cluster_.Moving(); });
  }

  bool HasLearner() { return cluster_.metadata().slots()[Slot().value()].has_learner(); }
  bool Flipped() {
    const v1::SlotPlacement& row = cluster_.metadata().slots()[Slot().value()];
    return !row.has_learner() && row.epoch() > 1;
  }
  // Until the key's slot is to move from one of the first three to the fourth.
  void AddAndWaitForLearner() {
    std::string why;
    ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
    ASSERT_TRUE(Until([&] { return HasLearner(); })) << cluster_.RowText(Slot());
  }
  SlotId Slot() const { return cluster_.SlotFor(kKey); }
  // The seat of the slot that D takes: the one node of the first three that gives it up.
  int Replaced() {
    const std::string& id = cluster_.metadata().slots()[Slot().value()].replaced().node();
    return id.empty() ? -1 : id[1] - '1';
  }

  bool LosesKind(v1::ReplicaOp::BodyCase kind) {
    cluster_.LoseOps([kind](int, const v1::ReplicaOp& op) { return op.body_case() == kind; });
    return true;
  }
};

TEST_F(Replace, JoinsAndGetsItsShareThenLeavesAgain) {
  ASSERT_TRUE(Put("kept").done());
  std::string why;
  ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.InstancesOnDisk(3), 12u);  // 16 slots x 3 over 4 nodes
  EXPECT_EQ(Get().value, "kept");
  ASSERT_TRUE(cluster_.RemoveNode(0, false, &why)) << why;
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.metadata().FindNode("n1")->state(), v1::NODE_STATE_REMOVED);
  EXPECT_EQ(cluster_.InstancesOnDisk(0), 0u);
  EXPECT_EQ(cluster_.InstancesOnDisk(3), 16u);
  EXPECT_EQ(Get().value, "kept");
  EXPECT_FALSE(cluster_.RemoveNode(1, false, &why));
  EXPECT_NE(why.find("add-node"), std::string::npos) << why;
}

// What one set has committed, each quorum of the next one knows.
TEST_F(Replace, S11_OldAndNewMajoritiesMeetOverAWholeExchangeOfReplicas) {
  std::string why;
  for (int node : {3, 4}) {
    ASSERT_TRUE(cluster_.AddNode(node, &why)) << why;
    ASSERT_TRUE(Quiet());
  }
  for (int node : {0, 1}) {
    // Every write reaches only two of the nodes, another pair each time.
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(Put("round " + std::to_string(node) + "." + std::to_string(i)).done());
    }
    ASSERT_TRUE(cluster_.RemoveNode(node, false, &why)) << why;
    Wait(kOrderTime);
    int last = 0;
    for (int i = 0; i < 200 && cluster_.Moving(); ++i) {
      Outcome put = Put("while " + std::to_string(node) + "." + std::to_string(i));
      if (put.done()) last = i;
      Wait(milliseconds(20));
    }
    ASSERT_TRUE(Quiet());
    EXPECT_EQ(Get().value, "while " + std::to_string(node) + "." + std::to_string(last));
  }
  for (int node : {2, 3, 4}) EXPECT_EQ(cluster_.InstancesOnDisk(node), 16u);
}

TEST_F(Replace, S12_AnswerToTheFlipIsLostTheRouterGoesOnAndIsTakenOver) {
  ASSERT_TRUE(Put("before").done());
  AddAndWaitForLearner();
  cluster_.HoldMetadata(true);
  Wait(seconds(2));  // filled, joint, and the flip is on its way
  ASSERT_TRUE(Put("while the flip is out").done());
  cluster_.InjectMetadata(SimulatedMetadata::Fault::kLostApplied, 1);
  cluster_.HoldMetadata(false);
  Wait(milliseconds(50));
  ASSERT_TRUE(Put("after").done());
  cluster_.RestartRouter();
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Replace, S12_FlipIsNotAppliedAndIsAskedForAgain) {
  ASSERT_TRUE(Put("before").done());
  AddAndWaitForLearner();
  cluster_.HoldMetadata(true);
  Wait(seconds(2));
  cluster_.InjectMetadata(SimulatedMetadata::Fault::kLostNotApplied, 1);
  cluster_.HoldMetadata(false);
  ASSERT_TRUE(Put("after").done());
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

// Who dies, at which step of the key's slot; writes go on in between.
struct Death {
  const char* who;
  int step;
};

class ReplaceDeath : public Replace, public testing::WithParamInterface<Death> {};

TEST_P(ReplaceDeath, S13_CrashAtAStepOfAMove) {
  const Death death = GetParam();
  ASSERT_TRUE(Put("before").done());
  AddAndWaitForLearner();
  const int source = Replaced();
  ASSERT_GE(source, 0);
  const int other = (source + 1) % 3;
  // 0: the learner is recorded; 1: it is filled and the flip is asked for; 2: flipped, retiring.
  const bool late = death.step > 0;
  if (late) {
    cluster_.HoldMetadata(true);
    Wait(seconds(2));
  }
  if (death.step == 2) {
    LosesKind(v1::ReplicaOp::kRetire);
    cluster_.HoldMetadata(false);
    ASSERT_TRUE(Until([&] { return Flipped(); }));
  }
  const std::string who = death.who;
  int node = who == "source" ? source : who == "other" ? other : who == "target" ? 3 : -1;
  if (node >= 0) {
    cluster_.KillNode(node);
  } else {
    cluster_.CrashRouterWithTransaction(/*done=*/who == "router, transaction done");
    cluster_.RestartRouter();
  }
  cluster_.HoldMetadata(false);
  Wait(seconds(1));
  Outcome put = Put("after");
  EXPECT_TRUE(put.done()) << cluster_.RowText(Slot());
  AllReach();
  Wait(seconds(1));
  if (node >= 0) cluster_.Start(node);
  ASSERT_TRUE(Quiet()) << cluster_.RowText(Slot());
  EXPECT_EQ(Get().value, "after");
}

INSTANTIATE_TEST_SUITE_P(EveryParticipant, ReplaceDeath,
                         testing::Values(Death{"source", 0}, Death{"source", 1}, Death{"source", 2},
                                         Death{"other", 0}, Death{"other", 1}, Death{"other", 2},
                                         Death{"target", 0}, Death{"target", 1}, Death{"target", 2},
                                         Death{"router", 0}, Death{"router", 1}, Death{"router", 2},
                                         Death{"router, transaction done", 1}),
                         [](const auto& info) {
                           std::string name = std::string(info.param.who) + "AtStep" +
                                              std::to_string(info.param.step);
                           std::erase_if(name, [](char c) { return c == ',' || c == ' '; });
                           return name;
                         });

// Two coordinators plan on the same ring; the store lets one of them win.
TEST_F(Replace, S14_TwoCoordinatorsWantDifferentPlacements) {
  ASSERT_TRUE(Put("kept").done());
  MigrationStart add, remove;
  add.change.mutable_add_node()->set_node("n4");
  remove.change.mutable_add_node()->set_node("n5");
  auto first = StartMigration(cluster_.metadata(), add);
  auto second = StartMigration(cluster_.metadata(), remove);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(cluster_.CommitElsewhere(first->txn));
  EXPECT_FALSE(cluster_.CommitElsewhere(second->txn));
  // The router learns of it with the next thing it wants to write.
  std::string why;
  (void)cluster_.AddNode(4, &why);
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.metadata().FindNode("n4")->state(), v1::NODE_STATE_MEMBER);
  EXPECT_EQ(cluster_.metadata().FindNode("n5")->state(), v1::NODE_STATE_WAITING);
  EXPECT_EQ(Get().value, "kept");
}

TEST_F(Replace, S15_DestinationDiesJustBeforeTheFlipAndLosesItsDisk) {
  ASSERT_TRUE(Put("before").done());
  AddAndWaitForLearner();
  cluster_.HoldMetadata(true);
  Wait(seconds(2));
  cluster_.WipeNode(3);
  ASSERT_TRUE(Put("after").done());
  cluster_.HoldMetadata(false);
  Wait(seconds(1));
  EXPECT_EQ(Get().value, "after");
  cluster_.Start(3);
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Replace, S15_DestinationDiesJustAfterTheFlipAndLosesItsDisk) {
  ASSERT_TRUE(Put("before").done());
  AddAndWaitForLearner();
  ASSERT_TRUE(Until([&] { return Flipped(); }));
  cluster_.WipeNode(3);
  EXPECT_TRUE(Put("after").done());
  cluster_.Start(3);
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Replace, S16_SlotLeavesANodeAndReturnsWhileTheOldCopyIsStillThere) {
  ASSERT_TRUE(Put("first").done());
  AddAndWaitForLearner();
  const int source = Replaced();
  LosesKind(v1::ReplicaOp::kRetire);  // nobody tells the node that it has left
  ASSERT_TRUE(Until([&] { return Flipped(); }));
  ASSERT_TRUE(Put("second").done());
  ASSERT_TRUE(Until([&] { return !cluster_.Moving(); }));
  std::string why;
  ASSERT_TRUE(cluster_.RemoveNode(3, false, &why)) << why;
  Wait(seconds(3));
  EXPECT_FALSE(HasLearner()) << "a node that still has a retiring instance gets no learner";
  AllReach();
  ASSERT_TRUE(Quiet());
  EXPECT_GT(cluster_.metadata().slots()[Slot().value()].last_inc(), 2u);
  EXPECT_EQ(Get().value, "second");
  // And the copy of the first time is gone.
  Wait(seconds(2));
  EXPECT_EQ(cluster_.InstancesOnDisk(source), 16u);
}

TEST_F(Replace, S24_RemoveANodeWhileAnotherIsDead) {
  ASSERT_TRUE(Put("kept").done());
  std::string why;
  ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
  ASSERT_TRUE(Quiet());
  cluster_.KillNode(1);
  ASSERT_TRUE(cluster_.RemoveNode(0, false, &why)) << why;
  Wait(seconds(10));
  ASSERT_TRUE(Put("after").done());
  cluster_.Start(1);
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Replace, S24_RemoveADeadNode) {
  ASSERT_TRUE(Put("kept").done());
  std::string why;
  ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
  ASSERT_TRUE(Quiet());
  cluster_.KillNode(0);
  ASSERT_TRUE(cluster_.RemoveNode(0, /*force=*/true, &why)) << why;
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.metadata().FindNode("n1")->state(), v1::NODE_STATE_REMOVED);
  EXPECT_EQ(Get().value, "kept");
}

TEST_F(Replace, S24_DrainTheLastCleanReplica) {
  ASSERT_TRUE(Put("kept").done());
  std::string why;
  ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
  ASSERT_TRUE(Quiet());
  // Nobody is clean after a takeover; the sync among the others is kept from ending.
  cluster_.LoseOps([](int node, const v1::ReplicaOp& op) { return node == 1 && op.has_pull(); });
  cluster_.RestartRouter();
  Wait(kOrderTime);
  ASSERT_TRUE(cluster_.RemoveNode(0, false, &why)) << why;
  Wait(seconds(1));
  ASSERT_TRUE(Put("after").done());
  Wait(seconds(10));
  EXPECT_EQ(Get().value, "after");
  AllReach();
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Replace, AbortedHalfWayAllIsAsBefore) {
  ASSERT_TRUE(Put("kept").done());
  AddAndWaitForLearner();
  ASSERT_TRUE(Until([&] { return cluster_.shard_stats().flips >= 3; }));
  ASSERT_TRUE(cluster_.Order(MigrationOrder::kAbort));
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.metadata().migrations().rbegin()->second.state(), v1::MIGRATION_STATE_ABORTED);
  EXPECT_EQ(cluster_.metadata().FindNode("n4")->state(), v1::NODE_STATE_REMOVED);
  for (int node : {0, 1, 2}) EXPECT_EQ(cluster_.InstancesOnDisk(node), 16u);
  EXPECT_EQ(Get().value, "kept");
}

TEST_F(Replace, PausedNothingNewBegins) {
  AddAndWaitForLearner();
  ASSERT_TRUE(cluster_.Order(MigrationOrder::kPause));
  Wait(seconds(3));
  const uint64_t flips = cluster_.shard_stats().flips;
  EXPECT_LT(flips, 12u);
  Wait(seconds(3));
  EXPECT_EQ(cluster_.shard_stats().flips, flips);
  ASSERT_TRUE(cluster_.Order(MigrationOrder::kResume));
  ASSERT_TRUE(Quiet());
  EXPECT_EQ(cluster_.InstancesOnDisk(3), 12u);
}

}  // namespace
}  // namespace ringkv
