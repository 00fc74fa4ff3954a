// Courses of events that a replicated register must get right, each by name, step by step in the
// simulated cluster. The cluster's own checks run all the while; at the end all replicas must be
// clean and equal.
#include <gtest/gtest.h>

#include <optional>

#include "migration/version_proto.h"
#include "tests/sim/sim_cluster.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kKey = "r0";

struct Outcome {
  v1::OpStatus status;
  std::string value;
  Version version;
  bool done() const { return status.outcome() == v1::OUTCOME_DONE; }
  bool unknown() const { return status.outcome() == v1::OUTCOME_UNKNOWN; }
};

class Scenario : public testing::Test {
 protected:
  explicit Scenario(bool synced = false) : mix_(Mix(synced)), cluster_(scheduler_, random_, mix_) {
    Wait(seconds(1));
  }

  static FaultMix Mix(bool synced) {
    FaultMix mix;
    mix.synced_writes = synced;
    return mix;
  }

  void TearDown() override {
    cluster_.LoseOps(nullptr);
    cluster_.Heal();
    std::string unrest = "no look at it";
    for (int i = 0; i < 30 && !unrest.empty(); ++i) {
      Wait(seconds(1));
      unrest = cluster_.CheckQuiet();
    }
    EXPECT_EQ(unrest, "");
    EXPECT_EQ(cluster_.violation(), "");
  }

  void Wait(Duration time) {
    scheduler_.RunUntil(scheduler_.now() + time, [] { return false; });
  }

  Outcome Call(v1::Op op, Duration timeout = seconds(1)) {
    auto result = std::make_shared<std::optional<v1::OpResult>>();
    ClientCall call;
    call.slot = cluster_.SlotFor(kKey);
    op.set_id(++last_call_);
    call.op = std::move(op);
    call.deadline = scheduler_.now() + timeout;
    call.done = [result](v1::OpResult got) { *result = std::move(got); };
    cluster_.Submit(std::move(call));
    scheduler_.RunUntil(scheduler_.now() + timeout + seconds(1),
                        [&] { return result->has_value(); });
    EXPECT_TRUE(result->has_value());
    Outcome outcome;
    if (!result->has_value()) return outcome;
    if ((*result)->has_get()) {
      outcome.status = (*result)->get().status();
      outcome.value = (*result)->get().value();
      outcome.version = FromProto((*result)->get().version());
    } else if ((*result)->has_put()) {
      outcome.status = (*result)->put().status();
      outcome.version = FromProto((*result)->put().version());
    } else {
      outcome.status = (*result)->del().status();
      outcome.version = FromProto((*result)->del().version());
    }
    if (outcome.done() && outcome.version.term.value() != 0)
      cluster_.OnReleased(kKey, outcome.version);
    return outcome;
  }

  Outcome Put(const std::string& value, Version if_version = {}) {
    v1::Op op;
    op.mutable_put()->set_key(kKey);
    op.mutable_put()->set_value(value);
    if (if_version != Version{}) ToProto(if_version, op.mutable_put()->mutable_if_version());
    return Call(std::move(op));
  }
  Outcome Get() {
    v1::Op op;
    op.mutable_get()->set_key(kKey);
    return Call(std::move(op));
  }
  Outcome Delete() {
    v1::Op op;
    op.mutable_del()->set_key(kKey);
    return Call(std::move(op));
  }

  // Writes (and what repairs them) reach only these nodes.
  void WritesReachOnly(std::vector<int> nodes) {
    cluster_.LoseOps([nodes](int node, const v1::ReplicaOp& op) {
      return op.has_apply() && std::find(nodes.begin(), nodes.end(), node) == nodes.end();
    });
  }
  void AllReach() { cluster_.LoseOps(nullptr); }

  void WaitClean() {
    for (int i = 0; i < 30 && !cluster_.CheckQuiet().empty(); ++i) Wait(seconds(1));
    ASSERT_EQ(cluster_.CheckQuiet(), "");
  }

  Scheduler scheduler_;
  Random random_{1};
  const FaultMix mix_;
  SimCluster cluster_;
  uint64_t last_call_ = 0;
};

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
