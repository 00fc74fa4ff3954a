// Reads of large values: asked for where there is room for them.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

ShardOptions SmallRoom() {
  ShardOptions options;
  options.large_value_bytes = 10;
  options.large_read_bytes = 100;
  options.tick = milliseconds(5);
  return options;
}

class LargeTest : public ShardTest {
 protected:
  LargeTest() : ShardTest(SmallRoom()) {}

  void SetUp() override {
    TakeSlot(true);
    ConnectAll();
  }

  void KeepBack(Peer peer, const v1::ReplicaOp& read, uint64_t bytes) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    reply.set_attempt(read.attempt());
    reply.set_code(v1::REPLICA_CODE_LARGE);
    reply.mutable_read()->set_large_bytes(bytes);
    Reply(peer, reply, read.op());
  }

  // Whoever is asked first; the peer that was.
  std::optional<Peer> AskedOne(v1::ReplicaOp* read) {
    for (Peer peer : {kA, kB, kC}) {
      if (auto op = Last(peer, v1::ReplicaOp::kRead)) {
        *read = *op;
        return peer;
      }
    }
    return std::nullopt;
  }

  // A get that has found out that its value is large.
  uint64_t GetLarge(const std::string& key, uint64_t bytes) {
    const uint64_t get = Get(key);
    KeepBack(kA, TakeOne(kA), bytes);
    return get;
  }

  void Answer(Peer peer, const v1::ReplicaOp& read, const std::string& value) {
    AnswerRead(peer, read, 7, 0, value);
  }

  void GetFor(std::shared_ptr<const CallerState> caller, const std::string& key,
              v1::OpResult* result) {
    ClientCall call;
    call.slot = SlotId(0);
    call.op.mutable_get()->set_key(key);
    call.deadline = clock_.Now() + milliseconds(1000);
    call.caller = std::move(caller);
    call.done = [result](v1::OpResult got) { *result = std::move(got); };
    shard_.Submit(std::move(call));
  }

  const v1::OpStatus& StatusOfGet(uint64_t get) { return results_[get].get().status(); }
};

TEST_F(LargeTest, ValueThatIsKeptBackIsAskedForWithRoom) {
  const uint64_t get = Get("k");
  const v1::ReplicaOp first = TakeOne(kA);
  EXPECT_FALSE(first.read().large());
  KeepBack(kA, first, 40);
  EXPECT_FALSE(Done(get));
  const v1::ReplicaOp second = TakeOne(kA);
  EXPECT_TRUE(second.read().large());
  Answer(kA, second, std::string(40, 'v'));
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), std::string(40, 'v'));
  EXPECT_EQ(shard_.stats().large_reads, 1u);
}

TEST_F(LargeTest, KeyThatIsKnownToBeLargeIsAskedForAtOnce) {
  GetLarge("k", 40);
  Answer(kA, TakeOne(kA), std::string(40, 'v'));
  Get("k");
  const v1::ReplicaOp read = TakeOne(kA);
  EXPECT_TRUE(read.read().large());
  Answer(kA, read, "v");  // it has become small
  Get("k");
  EXPECT_FALSE(TakeOne(kA).read().large());
}

TEST_F(LargeTest, KeyThatWasWrittenHereIsKnown) {
  const uint64_t put = Put("k", std::string(11, 'v'));
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, TakeOne(peer));
  ASSERT_TRUE(Done(put));
  Get("k");
  EXPECT_TRUE(TakeOne(kA).read().large());
}

TEST_F(LargeTest, WhoFindsNoRoomWaitsInLine) {
  const uint64_t first = GetLarge("a", 60);
  const v1::ReplicaOp asked = TakeOne(kA);
  const uint64_t second = GetLarge("b", 60);
  Advance(milliseconds(10));
  v1::ReplicaOp read;
  EXPECT_FALSE(AskedOne(&read).has_value());
  EXPECT_EQ(shard_.stats().large_waits, 1u);
  Answer(kA, asked, std::string(60, 'v'));
  EXPECT_TRUE(Done(first));
  Advance(milliseconds(5));
  const auto peer = AskedOne(&read);
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(read.read().key(), "b");
  Answer(*peer, read, std::string(60, 'v'));
  EXPECT_TRUE(Done(second));
}

TEST_F(LargeTest, SmallReadsAndWritesGoOnMeanwhile) {
  GetLarge("a", 100);
  TakeOne(kA);
  const uint64_t waiting = GetLarge("b", 100);
  const uint64_t small = Get("c");
  Answer(kA, TakeOne(kA), "v");
  EXPECT_TRUE(Done(small));
  EXPECT_FALSE(Done(waiting));
}

TEST_F(LargeTest, WaitsNoLongerThanItsTime) {
  GetLarge("a", 100);
  TakeOne(kA);
  const uint64_t get = GetLarge("b", 100);
  AdvanceHeard(milliseconds(1010));
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(StatusOfGet(get).code(), v1::ERROR_CODE_DEADLINE);
  EXPECT_EQ(StatusOfGet(get).outcome(), v1::OUTCOME_NOT_APPLIED);
}

TEST_F(LargeTest, RefusedAtOnceWhereItWouldComeTooLate) {
  for (int i = 0; i < 20; ++i) {  // each takes 0.8 s
    const uint64_t get = GetLarge("k" + std::to_string(i), 100);
    const v1::ReplicaOp read = TakeOne(kA);
    AdvanceHeard(milliseconds(800));
    Answer(kA, read, std::string(100, 'v'));
    ASSERT_TRUE(Done(get));
    Take(kA);
  }
  GetLarge("a", 100);
  TakeOne(kA);
  const uint64_t refused = GetLarge("b", 100);
  ASSERT_TRUE(Done(refused));
  EXPECT_EQ(StatusOfGet(refused).code(), v1::ERROR_CODE_OVERLOADED);
  EXPECT_EQ(StatusOfGet(refused).outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(shard_.stats().large_refused, 1u);
}

TEST_F(LargeTest, QuorumTakesRoomForEachCopy) {
  shard_.SetLeaseUntil(clock_.Now());  // no replica answers alone
  const uint64_t get = Get("k");
  KeepBack(kA, TakeOne(kA), 30);
  const v1::ReplicaOp a = TakeOne(kA);
  ASSERT_EQ(Take(kB).size(), 2u);
  EXPECT_TRUE(a.read().large());
  const uint64_t other = Get("o");
  KeepBack(kA, TakeOne(kA), 20);
  Take(kB);
  Take(kC);
  Advance(milliseconds(10));
  EXPECT_EQ(shard_.stats().large_waits, 1u) << "90 of 100 are taken";
  EXPECT_FALSE(Done(get));
  EXPECT_FALSE(Done(other));
}

// The answers to what it asked before it stood in line are of another attempt.
TEST_F(LargeTest, LateAnswersDoNotCountAfterTheLine) {
  GetLarge("a", 100);
  TakeOne(kA);
  const uint64_t get = Get("b");
  const v1::ReplicaOp first = TakeOne(kA);
  Advance(milliseconds(12));
  const v1::ReplicaOp hedge = TakeOne(kB);
  KeepBack(kA, first, 100);
  AnswerRead(kB, hedge, 7, 0, "v");
  EXPECT_FALSE(Done(get));
}

// Else the one who has the lock might wait for the room, and the one with the room for the lock.
TEST_F(LargeTest, NobodyWaitsForALockWithRoom) {
  shard_.SetLeaseUntil(clock_.Now());
  const uint64_t get = Get("k");
  KeepBack(kA, TakeOne(kA), 30);
  const v1::ReplicaOp a = TakeOne(kA);
  const v1::ReplicaOp b = Take(kB).back();
  Take(kC);
  v1::Op op;
  op.mutable_increment()->set_key("k");
  const uint64_t increment = Call(op);  // has the lock, and waits in line
  Advance(milliseconds(5));
  // The quorum disagrees: the read wants the lock.
  AnswerRead(kA, a, 6, 1, std::string(30, 'v'));
  AnswerRead(kB, b, 6, 2, std::string(30, 'w'));
  EXPECT_FALSE(Done(get));
  Advance(milliseconds(5));
  v1::ReplicaOp read;
  ASSERT_TRUE(AskedOne(&read).has_value()) << "the increment's";
  EXPECT_TRUE(read.read().large());
  EXPECT_FALSE(Done(increment));
}

TEST_F(LargeTest, ClientThatWentAwayLeavesTheLine) {
  GetLarge("a", 100);
  TakeOne(kA);
  auto caller = std::make_shared<CallerState>();
  v1::OpResult result;
  GetFor(caller, "b", &result);
  KeepBack(kA, TakeOne(kA), 100);
  Advance(milliseconds(5));
  EXPECT_FALSE(result.has_get());
  caller->gone = true;
  Advance(milliseconds(5));
  EXPECT_TRUE(result.has_get());
}

TEST_F(LargeTest, NothingIsReadForWhoDoesNotTakeIt) {
  auto caller = std::make_shared<CallerState>();
  caller->full = true;
  v1::OpResult large, small;
  GetFor(caller, "a", &large);
  KeepBack(kA, TakeOne(kA), 40);
  EXPECT_EQ(large.get().status().code(), v1::ERROR_CODE_OVERLOADED);
  EXPECT_TRUE(Take(kA).empty());
  GetFor(caller, "b", &small);
  Answer(kA, TakeOne(kA), "v");
  EXPECT_EQ(small.get().value(), "v");
}

TEST_F(LargeTest, NothingIsReadForWhoDoesNotTakeItAnyMoreWhenItsTurnComes) {
  const uint64_t first = GetLarge("a", 100);
  const v1::ReplicaOp asked = TakeOne(kA);
  auto caller = std::make_shared<CallerState>();
  v1::OpResult result;
  GetFor(caller, "b", &result);
  KeepBack(kA, TakeOne(kA), 100);
  EXPECT_FALSE(result.has_get());
  caller->full = true;
  Answer(kA, asked, std::string(100, 'v'));
  EXPECT_TRUE(Done(first));
  Advance(milliseconds(5));
  EXPECT_EQ(result.get().status().code(), v1::ERROR_CODE_OVERLOADED);
  v1::ReplicaOp read;
  EXPECT_FALSE(AskedOne(&read).has_value());
  GetLarge("c", 100);
  EXPECT_TRUE(TakeOne(kA).read().large()) << "the room is given back";
}

}  // namespace
}  // namespace ringkv
