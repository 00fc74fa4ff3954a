// Courses of events that a replicated register must get right, each by name, step by step in the
// simulated cluster. The cluster's own checks run all the while; at the end all replicas must be
// clean and equal.
#include <gtest/gtest.h>

#include <optional>

#include "kvnode/instance_facts.h"
#include "tests/sim/scenario.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ScenarioSynced : public Scenario {
 protected:
  ScenarioSynced() : Scenario(true) {}
};

TEST_F(Scenario, S01_WriteReachesOneOfThreeIsReadThatNodeDies) {
  ASSERT_TRUE(Put("before").done());
  WritesReachOnly({0});
  ASSERT_TRUE(Put("after").unknown());
  AllReach();
  Outcome read = Get();
  ASSERT_TRUE(read.done());
  ASSERT_EQ(read.value, "after");  // settled, as the owner still has it pending
  cluster_.KillNode(0);
  for (int i = 0; i < 5; ++i) {
    read = Get();
    ASSERT_TRUE(read.done());
    EXPECT_EQ(read.value, "after");
  }
  cluster_.RestartRouter();
  Wait(seconds(1));
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Scenario, S02_TimedOutWriteNeverFlipFlops) {
  ASSERT_TRUE(Put("before").done());
  WritesReachOnly({0});
  ASSERT_TRUE(Put("after").unknown());
  cluster_.RestartRouter();  // nobody remembers it but the replica
  bool seen = false;
  for (int i = 0; i < 40; ++i) {
    if (i == 20) AllReach();
    cluster_.CutOff(i % 3, true);
    Wait(milliseconds(150));
    Outcome read = Get();
    cluster_.CutOff(i % 3, false);
    if (!read.done()) continue;
    seen |= read.value == "after";
    ASSERT_EQ(read.value, seen ? "after" : "before") << "read " << i;
  }
}

TEST_F(Scenario, S06_CasAgainstALeftoverOfADeadTermOnAReplicaThatSyncs) {
  Outcome before = Put("before");
  ASSERT_TRUE(before.done());
  WritesReachOnly({0});
  ASSERT_TRUE(Put("leftover").unknown());
  cluster_.RestartRouter();
  AllReach();
  Wait(milliseconds(150));  // the comparison begins
  Outcome cas = Put("cas", before.version);
  WaitClean();
  Outcome read = Get();
  ASSERT_TRUE(read.done());
  EXPECT_EQ(read.value, cas.done() ? "cas" : "leftover");
  for (int node = 0; node < 3; ++node)
    EXPECT_EQ(cluster_.OnDisk(node, kKey), cluster_.CommittedAs(kKey, read.version));
}

TEST_F(Scenario, S07_CasWhileItsOwnTimedOutPutIsInFlight) {
  Outcome before = Put("before");
  WritesReachOnly({});
  ASSERT_TRUE(Put("timed out").unknown());
  AllReach();
  // The earlier put is settled first: the condition is on what it left.
  EXPECT_FALSE(Put("cas", before.version).done());
  EXPECT_EQ(Get().value, "timed out");
}

TEST_F(Scenario, S09_OneWriteLostOnItsWayThenReadsOfThatReplica) {
  ASSERT_TRUE(Put("before").done());
  for (int node = 0; node < 3; ++node) {
    WritesReachOnly({(node + 1) % 3, (node + 2) % 3});
    const std::string value = "without " + std::to_string(node);
    ASSERT_TRUE(Put(value).done());
    for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().value, value);
  }
}

TEST_F(Scenario, S10_WriteBackLostOnItsWayToACleanReplica) {
  ASSERT_TRUE(Put("before").done());
  WritesReachOnly({0});
  ASSERT_TRUE(Put("after").unknown());
  cluster_.RestartRouter();
  Wait(milliseconds(500));
  WritesReachOnly({0, 1});  // what the owner writes back does not get to the third
  Wait(seconds(1));
  for (int i = 0; i < 20; ++i) {
    Outcome read = Get();
    ASSERT_TRUE(read.done());
    EXPECT_EQ(read.value, "after");
  }
}

TEST_F(Scenario, S17_LossOfPowerBetweenAcknowledgementAndSync) {
  for (int node = 0; node < 3; ++node) {
    const std::string value = "round " + std::to_string(node);
    ASSERT_TRUE(Put(value).done());
    cluster_.LosePower(node);
    Wait(milliseconds(200));
    cluster_.Start(node);
    EXPECT_EQ(Get().value, value);
    WaitClean();  // it votes again, so that the next may lose power
    EXPECT_EQ(Get().value, value);
  }
}

TEST_F(Scenario, S17_PowerFailsEverywhereBetweenAcknowledgementAndSync) {
  int kept = 0;
  int lost = 0;
  std::string synced = "none";
  for (int round = 0; round < 30; ++round) {
    const std::string newest = "round " + std::to_string(round);
    ASSERT_TRUE(Put(newest).done());
    if (round == 0) {
      synced = newest;
      Wait(seconds(1));
      continue;
    }
    cluster_.LosePowerEverywhere();
    if (round % 3 == 0) cluster_.StopRouter();
    Wait(milliseconds(100));
    StartAll();
    WaitClean();
    const Outcome found = Get();
    ASSERT_TRUE(found.done());
    EXPECT_TRUE(found.value == newest || found.value == synced)
        << found.value << ", not " << newest;
    ++(found.value == newest ? kept : lost);
    for (int node = 0; node < 3; ++node) {
      cluster_.KillNode(node);
      EXPECT_EQ(Get().value, found.value);
      cluster_.Start(node);
      WaitBack();
    }
    synced = found.value;
  }
  // Both happen: it would be no loss of power otherwise.
  EXPECT_GT(kept, 0);
  EXPECT_GT(lost, 0);
  EXPECT_GT(cluster_.shard_stats().unions, 0u);
}

TEST_F(ScenarioSynced, PowerFailsEverywhereAndNothingIsLost) {
  ASSERT_TRUE(Put("synced").done());
  cluster_.LosePowerEverywhere();
  Wait(milliseconds(100));
  StartAll();
  WaitClean();
  EXPECT_EQ(Get().value, "synced");
  EXPECT_EQ(cluster_.shard_stats().unions_begun, 0u);
}

TEST_F(Scenario, WhatAllHaveLostDoesNotComeBackWithALateMessage) {
  ASSERT_TRUE(Put("kept").done());
  Wait(seconds(1));
  std::optional<v1::ReplicaOp> late;
  cluster_.LoseOps([&](int node, const v1::ReplicaOp& op) {
    if (node == 2 && op.has_apply()) late = op;
    return false;
  });
  ASSERT_TRUE(Put("gone").done());
  AllReach();
  for (int node = 0; node < 3; ++node) cluster_.LoseTail(node);
  Wait(milliseconds(100));
  StartAll();
  WaitClean();
  ASSERT_EQ(Get().value, "kept");
  ASSERT_TRUE(late.has_value());
  cluster_.DeliverLate(2, *late);
  Wait(milliseconds(100));
  for (int node = 0; node < 3; ++node) {
    cluster_.KillNode(node);
    EXPECT_EQ(Get().value, "kept");
    cluster_.Start(node);
    WaitBack();
  }
}

TEST_F(Scenario, ReplicaThatStartsAgainDuringAUnionBeginsItAgain) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(Put("round " + std::to_string(round)).done());
    Wait(seconds(1));
    ASSERT_TRUE(Put("unsynced").done());
    for (int node = 0; node < 3; ++node) cluster_.LoseTail(node);
    StartAll();
    Wait(milliseconds(100 + 10 * round));
    cluster_.LoseTail(round % 3);
    Wait(milliseconds(50));
    cluster_.Start(round % 3);
    WaitClean();
    const Outcome found = Get();
    ASSERT_TRUE(found.done());
    EXPECT_EQ(found.value, "round " + std::to_string(round));
  }
}

TEST_F(Scenario, OneCompleteReplicaFillsTheOthersWithoutAQuorum) {
  ASSERT_TRUE(Put("acknowledged").done());
  cluster_.LoseTail(0);
  cluster_.LoseTail(1);
  Wait(milliseconds(100));
  StartAll();
  WaitClean();
  EXPECT_EQ(Get().value, "acknowledged");
  EXPECT_EQ(cluster_.shard_stats().unions_begun, 0u);
}

TEST_F(Scenario, DisksThatAreLostByAQuorumWaitForAnOperator) {
  ASSERT_TRUE(Put("kept").done());
  Wait(seconds(1));
  cluster_.WipeNode(0);
  cluster_.WipeNode(1);
  cluster_.LoseTail(2);
  StartAll();
  Wait(seconds(5));
  EXPECT_FALSE(Get().done());
  for (uint32_t slot = 0; slot < SimCluster::kSlots; ++slot) {
    EXPECT_EQ(cluster_.Describe(SlotId(slot)).blocked, BlockedBy::kLoss) << slot;
    ASSERT_TRUE(cluster_.AcceptLoss(SlotId(slot))) << slot;
  }
  WaitClean();
  EXPECT_EQ(Get().value, "kept");
  EXPECT_EQ(cluster_.shard_stats().unions_accepted, SimCluster::kSlots);
}

TEST_F(Scenario, CopyThatWasGivenUpComesBackEmpty) {
  ASSERT_TRUE(Put("kept").done());
  Wait(seconds(1));
  WritesReachOnly({1, 2});
  ASSERT_TRUE(Put("given up").done());
  AllReach();
  cluster_.KillNode(2);  // has it for good
  cluster_.LoseTail(0);
  cluster_.LoseTail(1);
  Wait(milliseconds(100));
  cluster_.Start(0);
  cluster_.Start(1);
  Wait(seconds(2));
  EXPECT_FALSE(Get().done());
  for (uint32_t slot = 0; slot < SimCluster::kSlots; ++slot) {
    EXPECT_EQ(cluster_.Describe(SlotId(slot)).blocked, BlockedBy::kAbsence) << slot;
    ASSERT_TRUE(cluster_.AcceptLoss(SlotId(slot))) << slot;
  }
  Wait(seconds(2));
  ASSERT_EQ(Get().value, "kept");
  cluster_.Start(2);
  WaitClean();
  Wait(seconds(1));
  // What was given up is gone from its disk.
  const auto left = ReadInstanceFacts(*cluster_.ReachableStore(2));
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->size(), SimCluster::kSlots);
  for (const InstanceFact& instance : *left) EXPECT_FALSE(instance.fact.retired());
  for (int node = 0; node < 3; ++node) {
    cluster_.KillNode(node);
    EXPECT_EQ(Get().value, "kept");
    cluster_.Start(node);
    WaitBack();
  }
}

TEST_F(Scenario, OneCopyThatIsKeptFillsTheOthers) {
  ASSERT_TRUE(Put("kept").done());
  Wait(seconds(1));
  cluster_.WipeNode(0);
  cluster_.WipeNode(1);
  cluster_.LoseTail(2);
  cluster_.Start(2);
  Wait(seconds(2));
  for (uint32_t slot = 0; slot < SimCluster::kSlots; ++slot) {
    ASSERT_TRUE(cluster_.AcceptLoss(SlotId(slot))) << slot;
  }
  Wait(seconds(1));
  EXPECT_FALSE(Put("refused").done());  // one of three is no quorum yet
  cluster_.Start(0);
  Wait(seconds(2));
  EXPECT_EQ(Get().value, "kept");
  cluster_.Start(1);
  WaitClean();
  EXPECT_EQ(Get().value, "kept");
}

TEST_F(Scenario, S18_EmptyDiskUnderAnOldIdThenAnotherReplicaFails) {
  ASSERT_TRUE(Put("kept").done());
  cluster_.WipeNode(2);
  cluster_.Start(2);
  Wait(milliseconds(50));
  cluster_.KillNode(0);  // before the empty one is filled: one vote is no quorum
  Wait(seconds(1));
  Outcome refused = Get();
  EXPECT_TRUE(!refused.done() || refused.value == "kept");
  cluster_.Start(0);
  WaitClean();
  cluster_.KillNode(0);
  cluster_.KillNode(1);
  cluster_.Start(1);
  Wait(seconds(1));
  EXPECT_EQ(Get().value, "kept");
}

TEST_F(Scenario, S19_NodeRestoredFromAnOldCopy) {
  ASSERT_TRUE(Put("old").done());
  cluster_.CopyDisk(2);
  cluster_.KillNode(2);
  cluster_.Start(2);
  Wait(seconds(1));
  ASSERT_TRUE(Put("new").done());
  Wait(seconds(1));
  cluster_.RestoreOldCopy(2);
  cluster_.Start(2);
  Wait(milliseconds(100));
  EXPECT_EQ(Get().value, "new");
  WaitClean();
  cluster_.KillNode(0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().value, "new");
}

TEST_F(Scenario, S20_DeleteThenALatePutAtAReplicaWithANewDisk) {
  std::optional<v1::ReplicaOp> late;
  cluster_.LoseOps([&](int node, const v1::ReplicaOp& op) {
    if (node == 2 && op.has_apply()) late = op;
    return false;
  });
  ASSERT_TRUE(Put("dead").done());
  AllReach();
  ASSERT_TRUE(Delete().done());
  Wait(seconds(3));  // W passes the tombstone
  cluster_.WipeNode(2);
  cluster_.Start(2);
  WaitClean();
  ASSERT_TRUE(late.has_value());
  cluster_.DeliverLate(2, *late);
  Wait(milliseconds(100));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().status.code(), v1::ERROR_CODE_NOT_FOUND);
}

TEST_F(Scenario, S20_DeleteCollectionThenALatePutAndAReturningDisk) {
  std::vector<std::pair<int, v1::ReplicaOp>> late;
  cluster_.LoseOps([&](int node, const v1::ReplicaOp& op) {
    if (op.has_apply() && op.apply().key() == kKey) late.emplace_back(node, op);
    return false;
  });
  ASSERT_TRUE(Put("dead").done());
  AllReach();
  Wait(milliseconds(300));
  cluster_.CopyDisk(2);  // with the value, without the delete
  ASSERT_TRUE(Delete().done());
  for (int i = 0; i < 60 && cluster_.replica_stats().collected < 3; ++i) Wait(milliseconds(500));
  ASSERT_GE(cluster_.replica_stats().collected, 3u) << "the tombstone is gone from all disks";
  for (const auto& [node, op] : late) cluster_.DeliverLate(node, op);
  Wait(milliseconds(100));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().status.code(), v1::ERROR_CODE_NOT_FOUND);
  cluster_.KillNode(2);
  cluster_.Start(2);
  Wait(seconds(1));
  cluster_.RestoreOldCopy(2);
  cluster_.Start(2);
  WaitClean();
  cluster_.KillNode(0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get().status.code(), v1::ERROR_CODE_NOT_FOUND);
}

TEST_F(Scenario, S21_SetFloorArrivesAfterTheTargetRestarted) {
  ASSERT_TRUE(Put("old").done());
  Wait(milliseconds(300));
  cluster_.CopyDisk(2);
  std::optional<v1::ReplicaOp> floor;
  cluster_.LoseOps([&](int node, const v1::ReplicaOp& op) {
    const bool held =
        node == 2 && op.has_set_floor() && op.slot() == cluster_.SlotFor(kKey).value();
    if (held) floor = op;
    return held;
  });
  ASSERT_TRUE(Delete().done());
  for (int i = 0; i < 60 && !(floor && FromProto(floor->set_floor().floor()).seq >= 2); ++i) {
    Wait(milliseconds(500));
  }
  ASSERT_TRUE(floor.has_value());
  cluster_.KillNode(2);
  cluster_.Start(2);
  Wait(seconds(1));
  cluster_.RestoreOldCopy(2);  // it has what was deleted below the floor
  cluster_.Start(2);
  for (int i = 0; i < 100; ++i) {
    cluster_.DeliverLate(2, *floor);
    Wait(milliseconds(1));
  }
  AllReach();
  WaitClean();
  EXPECT_EQ(Get().status.code(), v1::ERROR_CODE_NOT_FOUND);
}

TEST_F(ScenarioSynced, RouterRestartMakesAllCleanWithoutCopyingWhatIsStable) {
  ASSERT_TRUE(Put("stable").done());
  Wait(seconds(3));
  const uint64_t before = cluster_.replica_stats().pulled_records;
  cluster_.RestartRouter();
  WaitClean();
  EXPECT_EQ(cluster_.replica_stats().pulled_records, before);
  EXPECT_EQ(Get().value, "stable");
}

}  // namespace
}  // namespace ringkv
