// S22: records that expire (docs/protocol.md, "R8" and "Garbage"). Only the owner judges a time to
// live, by its own clock; what it promises across owners is bounded by the skew that is allowed
// between their clocks (500 ms here, and 500 ms of grace before anything is collected).
#include <gtest/gtest.h>

#include "tests/sim/scenario.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kSkew(500);

class Ttl : public Scenario {
 protected:
  Ttl() : Scenario(TtlMix()) {}

  static FaultMix TtlMix() {
    FaultMix mix;
    mix.synced_writes = true;
    mix.topology = true;
    mix.spare = 1;
    return mix;
  }

  Outcome PutFor(const std::string& value, milliseconds ttl) {
    v1::Op op = PutOp(value);
    op.mutable_put()->set_ttl_ms(static_cast<uint64_t>(ttl.count()));
    return Call(std::move(op));
  }
  Outcome PutIfAbsent(const std::string& value) {
    v1::Op op = PutOp(value);
    op.mutable_put()->set_if_absent(true);
    return Call(std::move(op));
  }
  bool Absent() {
    const Outcome read = Get();
    EXPECT_TRUE(read.done()) << read.status.ShortDebugString();
    return read.status.code() == v1::ERROR_CODE_NOT_FOUND;
  }
  // How long it is to be seen yet.
  milliseconds Seen(milliseconds at_most) {
    const MonoTime begun = scheduler_.now();
    while (!Absent() && scheduler_.now() < begun + at_most) Wait(milliseconds(5));
    return std::chrono::duration_cast<milliseconds>(scheduler_.now() - begun);
  }
  void RestartWithClock(milliseconds skew) {
    cluster_.SetClockSkew(skew);
    cluster_.RestartRouter();
    for (int i = 0; i < 100 && !Get().done(); ++i) Wait(milliseconds(10));
    ASSERT_TRUE(Get().done());
  }
};

TEST_F(Ttl, S22_IsSeenUntilItsTimeAndNotAfter) {
  ASSERT_TRUE(PutFor("short", milliseconds(800)).done());
  const milliseconds seen = Seen(seconds(5));
  EXPECT_GE(seen, milliseconds(780));
  EXPECT_LE(seen, milliseconds(820));
  EXPECT_FALSE(Put("cas", Version{Term(1), 1}).done());
  EXPECT_TRUE(Absent());
  EXPECT_TRUE(PutIfAbsent("next").done()) << "an expired record is absent to conditions, too";
  EXPECT_EQ(Get().value, "next");
}

// The key is never absent: whoever reads it meanwhile has the one value or the other.
TEST_F(Ttl, S22_ReadDuringWhichAnOverwrittenValueExpires) {
  for (int late_us = -2000; late_us <= 2000; late_us += 250) {
    ASSERT_TRUE(PutFor("first", milliseconds(300)).done());
    const MonoTime written = scheduler_.now();
    Wait(milliseconds(297) + std::chrono::microseconds(late_us));
    cluster_.HoldAnswers([](const v1::ReplicaOp& op) { return op.has_read(); });
    const Running read = Begin(cluster_.router_generation(), GetOp());
    Wait(std::chrono::microseconds(250));  // it has been read by now
    ASSERT_TRUE(Put("second").done());
    ASSERT_LT(scheduler_.now(), written + milliseconds(300)) << "while the first one is there";
    Wait(milliseconds(6));
    cluster_.HoldAnswers(nullptr);
    const Outcome outcome = End(read);
    EXPECT_TRUE(outcome.done());
    EXPECT_TRUE(outcome.value == "first" || outcome.value == "second")
        << late_us << ": " << outcome.status.ShortDebugString();
  }
}

// Each extension is a write like any other: who is acknowledged before the end has it extended, and
// one that comes after it finds nothing to extend.
TEST_F(Ttl, S22_ExtensionAtExpiry) {
  int extended = 0, late = 0;
  for (int early_ms = -3; early_ms <= 3; ++early_ms) {
    const Outcome put = PutFor("first", milliseconds(300));
    ASSERT_TRUE(put.done());
    Wait(milliseconds(300 - early_ms));
    v1::Op op = PutOp("extended");
    ToProto(put.version, op.mutable_put()->mutable_if_version());
    op.mutable_put()->set_ttl_ms(300);
    const Outcome extension = Call(std::move(op));
    ++(extension.done() ? extended : late);
    Wait(milliseconds(100));
    EXPECT_EQ(Absent(), !extension.done());
    Wait(milliseconds(300));
    EXPECT_TRUE(Absent());
  }
  EXPECT_GT(extended, 0);
  EXPECT_GT(late, 0);
}

TEST_F(Ttl, S22_ExtensionThatReachedOneReplicaOutlivesItsRouter) {
  ASSERT_TRUE(PutFor("first", milliseconds(400)).done());
  WritesReachOnly({0});
  v1::Op op = PutOp("extended");
  op.mutable_put()->set_ttl_ms(10'000);
  ASSERT_TRUE(Call(std::move(op), milliseconds(200)).unknown());
  AllReach();
  cluster_.RestartRouter();
  Wait(seconds(2));
  // Either, but the same to everybody and for good.
  const bool absent = Absent();
  for (int node = 0; node < 3; ++node) {
    WaitClean();
    cluster_.KillNode(node);
    EXPECT_EQ(Absent(), absent) << node;
    cluster_.Start(node);
    WaitBack();
  }
}

// The time travels with the record to every copy, and counts from when it was written.
TEST_F(Ttl, S22_ExpiryDuringAMove) {
  ASSERT_TRUE(PutFor("moves", seconds(2)).done());
  const MonoTime written = scheduler_.now();
  std::string why;
  ASSERT_TRUE(cluster_.AddNode(3, &why)) << why;
  while (!Absent()) {
    ASSERT_LT(scheduler_.now(), written + milliseconds(2020));
    Wait(milliseconds(5));
  }
  EXPECT_GT(scheduler_.now(), written + milliseconds(1980));
  for (int i = 0; i < 30 && cluster_.Moving(); ++i) {
    EXPECT_TRUE(Absent());
    Wait(seconds(1));
  }
  ASSERT_FALSE(cluster_.Moving());
  ASSERT_TRUE(cluster_.RemoveNode(0, false, &why)) << why;
  for (int i = 0; i < 300 && cluster_.Moving(); ++i) {
    EXPECT_TRUE(Absent());
    Wait(milliseconds(100));
  }
  EXPECT_TRUE(Absent());
}

// A slow clock may show it again, for no longer than the skew; then it is gone for good.
TEST_F(Ttl, S22_TakeoverByASlowClock) {
  ASSERT_TRUE(PutFor("again", seconds(1)).done());
  Wait(milliseconds(1010));
  ASSERT_TRUE(Absent());
  RestartWithClock(-(kSkew - milliseconds(50)));
  EXPECT_LE(Seen(seconds(5)), kSkew);
  for (int i = 0; i < 20; ++i) {
    Wait(milliseconds(200));
    EXPECT_TRUE(Absent());
  }
}

// What a fast clock lets the nodes collect, no slow one still takes for alive.
TEST_F(Ttl, S22_FastClockCollectsNothingThatASlowOneShows) {
  ASSERT_TRUE(PutFor("alive", seconds(6)).done());
  const MonoTime written = scheduler_.now();
  RestartWithClock(milliseconds(250));
  const uint64_t floors = cluster_.shard_stats().floors;
  while (scheduler_.now() < written + milliseconds(5900)) Wait(milliseconds(50));
  EXPECT_GT(cluster_.shard_stats().floors, floors) << "it would collect";
  EXPECT_TRUE(Absent()) << "by the fast clock";
  RestartWithClock(-milliseconds(250));
  EXPECT_EQ(Get().value, "alive");
  Seen(seconds(2));
  EXPECT_TRUE(Absent());
  for (int i = 0; i < 100 && cluster_.replica_stats().collected < 3; ++i) Wait(milliseconds(200));
  EXPECT_GE(cluster_.replica_stats().collected, 3u) << "and is collected in the end";
  EXPECT_TRUE(Absent());
}

}  // namespace
}  // namespace ringkv
