// Courses of events with two routers that both take themselves for the owner, or with a router that
// hears what is out of date.
#include <gtest/gtest.h>

#include "tests/sim/scenario.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

FaultMix Leases() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.takeover = true;
  mix.lease_ttl = milliseconds(1500);
  return mix;
}

class Routers : public Scenario {
 protected:
  Routers() : Scenario(Leases()) {}

  bool Until(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i) Wait(milliseconds(10));
    return holds();
  }
};

TEST_F(Routers, S03_PausedPastItsLeaseTakenOverResumedWithReadsAndWritesQueued) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  const uint64_t former = cluster_.router_generation();
  cluster_.PauseRouter(former);
  Wait(seconds(2));
  cluster_.TakeOver();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Put("after").done(); }));
  const Running read = Begin(former, GetOp());
  const Running write = Begin(former, PutOp("stale"));
  const Running again = Begin(former, GetOp());
  Wait(milliseconds(100));
  ASSERT_FALSE(read.result->has_value());
  cluster_.ResumeRouter(former);
  for (const Running& late : {read, write, again}) {
    scheduler_.RunUntil(late.over,
                        [&] { return late.result->has_value() || !cluster_.RouterAlive(former); });
    // Gone before it answered: its clients know nothing.
    if (late.result->has_value()) {
      EXPECT_FALSE(End(late).done());
    }
  }
  EXPECT_EQ(Get().value, "after");
  EXPECT_TRUE(Until([&] { return !cluster_.RouterAlive(former); }));
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Routers, S03_PausedForAMomentItsAnswersAreOfNoUseAfterItsLease) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  const uint64_t former = cluster_.router_generation();
  const Running read = Begin(former, GetOp(), seconds(8));
  cluster_.PauseRouter(former);  // the answer comes in, and waits
  Wait(seconds(2));
  cluster_.TakeOver();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Put("after").done(); }));
  cluster_.ResumeRouter(former);
  EXPECT_FALSE(End(read).done());
  EXPECT_GT(cluster_.shard_stats().lease_refusals, 0u);
  EXPECT_TRUE(Until([&] { return !cluster_.RouterAlive(former); }));
}

// The former owner reads where the new one cannot fence it: that one waits for the lease.
TEST_F(Routers, S04_NewOwnerCannotReachCTheOldOneCan) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  const uint64_t former = cluster_.router_generation();
  cluster_.CutRouterOff(former, 0, true);
  cluster_.CutRouterOff(former, 1, true);
  Wait(seconds(1));
  cluster_.SetMetadataAway(former, true);
  const MonoTime away = scheduler_.now();
  cluster_.TakeOver();
  const uint64_t present = cluster_.router_generation();
  cluster_.CutRouterOff(present, 2, true);
  MonoTime last_read, first_write = kNever;
  for (int i = 0; i < 60; ++i) {
    if (cluster_.RouterUp()) {
      const MonoTime begun = scheduler_.now();
      const Running write = Begin(present, PutOp("after"), milliseconds(20));
      if (End(write).done() && first_write == kNever) first_write = begun;
    }
    const MonoTime begun = scheduler_.now();
    const Outcome read = End(Begin(former, GetOp(), milliseconds(100)));
    if (read.done()) {
      last_read = begun;
      EXPECT_EQ(read.value, "before");
    }
    Wait(milliseconds(50));
  }
  EXPECT_GT(last_read, away + milliseconds(500)) << "reads of one replica go on with the lease";
  EXPECT_LT(last_read, away + mix_.lease_ttl);
  ASSERT_NE(first_write, kNever) << "the lease ends";
  EXPECT_LT(last_read, first_write);
  EXPECT_EQ(Get().value, "after");
}

// All promise, so that nobody waits for a lease.
TEST_F(Routers, S04_NewOwnerThatReachesAllWaitsForNoLease) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  const uint64_t former = cluster_.router_generation();
  cluster_.SetMetadataAway(former, true);
  const MonoTime away = scheduler_.now();
  cluster_.TakeOver();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Put("after").done(); }));
  EXPECT_LT(scheduler_.now(), away + milliseconds(700));
  EXPECT_FALSE(End(Begin(former, GetOp())).done());
  EXPECT_FALSE(End(Begin(former, PutOp("stale"))).done());
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Routers, S05_TermGivenTwiceAfterAnOldMetadataStoreWasRestored) {
  const SimulatedMetadata::Contents old = cluster_.CopyMetadata();
  cluster_.RestartRouter();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Put("first").done(); }));
  WaitClean();
  const uint64_t former = cluster_.router_generation();
  cluster_.SetMetadataAway(former, true);
  cluster_.RestoreMetadata(old);
  cluster_.TakeOver();
  const uint64_t second = cluster_.router_generation();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp(); }));
  const SlotId slot = cluster_.SlotFor(kKey);
  ASSERT_EQ(cluster_.DescribeAt(second, slot).term, cluster_.DescribeAt(former, slot).term);
  Wait(seconds(2));
  EXPECT_FALSE(End(Begin(second, PutOp("of the same term"))).done());
  EXPECT_FALSE(End(Begin(second, GetOp())).done());
  EXPECT_TRUE(End(Begin(former, PutOp("last"))).done());
  // The next terms are above all that were promised.
  cluster_.RestartRouter();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Get().done(); }));
  EXPECT_EQ(Get().value, "last");
  cluster_.SetMetadataAway(former, false);
  EXPECT_TRUE(Until([&] { return !cluster_.RouterAlive(former); }));
}

TEST_F(Routers, R10_WithoutTheMetadataStoreWritesAndQuorumReadsGoOn) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  cluster_.SetMetadataAway(cluster_.router_generation(), true);
  const uint64_t alone = cluster_.shard_stats().single_reads;
  ASSERT_EQ(Get().value, "before");
  EXPECT_EQ(cluster_.shard_stats().single_reads, alone + 1);
  Wait(seconds(2));
  const ShardStats before = cluster_.shard_stats();
  ASSERT_TRUE(Put("after").done());
  EXPECT_EQ(Get().value, "after");
  EXPECT_EQ(cluster_.shard_stats().single_reads, before.single_reads);
  EXPECT_GT(cluster_.shard_stats().quorum_reads, before.quorum_reads);
  cluster_.SetMetadataAway(cluster_.router_generation(), false);
  Wait(seconds(1));
  const uint64_t again = cluster_.shard_stats().single_reads;
  EXPECT_EQ(Get().value, "after");
  EXPECT_EQ(cluster_.shard_stats().single_reads, again + 1) << "another session, another lease";
}

// A leftover of an earlier term is on one replica. A read meets it in two attempts, whose answers
// are on their way while another write is acknowledged. Were those of the first to count in the
// second, and those of the second in the one under the lock, the leftover would be written back
// over what was acknowledged since.
TEST_F(Routers, S08_RepliesOfEarlierAttemptsArriveInALaterOne) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  WritesReachOnly({0});
  ASSERT_TRUE(Put("leftover").unknown());
  // Two of the three are read, and nobody compares them with each other.
  cluster_.LoseOps([](int node, const v1::ReplicaOp& op) {
    return op.has_pull() || (op.has_read() && node == 2);
  });
  cluster_.RestartRouter();
  const uint64_t router = cluster_.router_generation();
  const SlotId slot = cluster_.SlotFor(kKey);
  ASSERT_TRUE(Until([&] {
    const SlotReport report = cluster_.Describe(slot);
    return cluster_.RouterUp() && report.blocked == BlockedBy::kNothing &&
           std::all_of(report.replicas.begin(), report.replicas.end(),
                       [](const ReplicaReport& replica) { return replica.reachable; });
  }));
  cluster_.HoldAnswers([](const v1::ReplicaOp& op) { return op.has_read(); });
  const Running read = Begin(router, GetOp(), seconds(3));
  Wait(milliseconds(400));  // asked, and asked again
  ASSERT_FALSE(read.result->has_value());
  ASSERT_TRUE(Put("second").done());
  cluster_.HoldAnswers(nullptr);
  EXPECT_EQ(End(read).value, "second");
  EXPECT_EQ(Get().value, "second");
  AllReach();
  WaitClean();
  EXPECT_EQ(Get().value, "second");
}

// A owns, is paused with a valid lease and reaches one copy only; B takes over and removes the node
// of that copy by force; C takes over, and does not know that there was one. No read of A's ends
// well after a write of C's.
class RemovedByForce : public Scenario {
 protected:
  RemovedByForce() : Scenario(FourNodes()) {}

  static FaultMix FourNodes() {
    FaultMix mix = Leases();
    mix.nodes = 4;
    mix.lease_ttl = seconds(6);
    return mix;
  }
};

TEST_F(RemovedByForce, ThreeRoutersInARowAndNoStaleReadWithinTheLeaseOfTheFirst) {
  ASSERT_TRUE(Put("before").done());
  WaitClean();
  const uint64_t a = cluster_.router_generation();
  const int copy = cluster_.NodeOf(cluster_.Describe(cluster_.SlotFor(kKey)).replicas[0].peer);
  for (int node = 0; node < 4; ++node) {
    if (node != copy) cluster_.CutRouterOff(a, node, true);
  }
  Wait(seconds(1));
  cluster_.SetMetadataAway(a, true);
  const MonoTime away = scheduler_.now();
  cluster_.PauseRouter(a);
  cluster_.TakeOver();
  cluster_.CutRouterOff(cluster_.router_generation(), copy, true);
  for (int i = 0; i < 100 && !cluster_.RouterUp(); ++i) Wait(milliseconds(5));
  bool ordered = false;
  for (int i = 0; i < 50 && !ordered; ++i) {
    ordered = cluster_.RemoveNode(copy, /*force=*/true);
    Wait(milliseconds(20));
  }
  ASSERT_TRUE(ordered);
  Wait(seconds(1));
  cluster_.StopRouter();
  cluster_.RestartRouter();
  const uint64_t c = cluster_.router_generation();
  cluster_.CutRouterOff(c, copy, true);
  cluster_.ResumeRouter(a);
  MonoTime last_read, first_write = kNever;
  for (int i = 0; i < 140; ++i) {
    if (cluster_.RouterUp()) {
      const MonoTime begun = scheduler_.now();
      const Running write = Begin(c, PutOp("after"), milliseconds(20));
      if (End(write).done() && first_write == kNever) first_write = begun;
    }
    const MonoTime begun = scheduler_.now();
    const Outcome read = End(Begin(a, GetOp(), milliseconds(100)));
    if (read.done()) {
      last_read = begun;
      EXPECT_EQ(read.value, "before");
    }
    Wait(milliseconds(50));
  }
  EXPECT_GT(last_read, away + seconds(3)) << "the lease holds while B and C are there";
  EXPECT_LT(last_read, away + mix_.lease_ttl);
  ASSERT_NE(first_write, kNever) << "the lease ends";
  EXPECT_LT(last_read, first_write);
  EXPECT_EQ(Get().value, "after");
}

TEST_F(Routers, S23_IncrementIsRetriedAfterItWasAppliedAndTimedOut) {
  v1::Op increment;
  increment.mutable_increment()->set_key(kKey);
  increment.mutable_increment()->set_delta(5);
  increment.mutable_increment()->mutable_request_id()->set_client(7);
  increment.mutable_increment()->mutable_request_id()->set_number(1);
  ASSERT_EQ(Call(increment).value, "5");
  increment.mutable_increment()->mutable_request_id()->set_number(2);
  cluster_.HoldAnswers([](const v1::ReplicaOp& op) { return op.has_apply(); });
  EXPECT_TRUE(Call(increment, milliseconds(400)).unknown());
  cluster_.HoldAnswers(nullptr);
  increment.mutable_increment()->set_retry(true);
  EXPECT_EQ(Call(increment).value, "10");
  // And by another owner, which knows it from the record alone.
  const uint64_t former = cluster_.router_generation();
  cluster_.TakeOver();
  ASSERT_TRUE(Until([&] { return cluster_.RouterUp() && Call(increment).done(); }));
  EXPECT_EQ(Call(increment).value, "10");
  EXPECT_EQ(Get().value, "10");
  EXPECT_TRUE(Until([&] { return !cluster_.RouterAlive(former); }));
}

}  // namespace
}  // namespace ringkv
