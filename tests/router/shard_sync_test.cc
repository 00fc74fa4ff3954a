// The owner's rules as scripts: R5, how replicas become clean.
#include <optional>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

class ShardSyncTest : public ShardTest {
 protected:
  ShardSyncTest() { syncs_shown_ = true; }

  void AnswerPull(Peer peer, const v1::ReplicaOp& op, v1::PullState state,
                  const std::vector<std::string>& reported = {}, Boot boot = Boot(1)) {
    v1::ReplicaOpReply reply;
    v1::PullReply* pull = reply.mutable_pull();
    pull->set_id(op.pull().id());
    pull->set_state(state);
    pull->set_steps(++steps_);
    const uint64_t taken = op.pull().reports_taken();
    pull->set_reports_from(taken);
    for (size_t i = taken; i < reported.size(); ++i) pull->add_reported(reported[i]);
    pull->set_reports_total(reported.size());
    if (floor_left_ != Version{}) ToProto(floor_left_, pull->mutable_floor_left());
    Reply(peer, reply, op.op(), boot);
  }

  void AnswerOk(Peer peer, const v1::ReplicaOp& op, Boot boot = Boot(1)) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    Reply(peer, reply, op.op(), boot);
  }

  ReplicaReport Seat(Peer peer) { return shard_.Describe(SlotId(0)).replicas[peer.value()]; }

  // In the first term: C comes back with an empty disk, without a vote.
  void ReturnEmpty(Boot boot) {
    shard_.OnDisconnected(kC);
    Connect(kC, boot, /*voting=*/false);
  }

  // A and B acknowledge it; returns what was sent to C.
  v1::ReplicaOp PutThatCLacks() {
    Put("k", "v");
    Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
    Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
    return *Last(kC, v1::ReplicaOp::kApply);
  }

  // Lets time pass, while all nodes are heard of, until each was sent one of the kind or the time
  // is over.
  std::map<Peer, v1::ReplicaOp> AwaitAll(v1::ReplicaOp::BodyCase kind, int64_t ms) {
    std::map<Peer, v1::ReplicaOp> found;
    for (int64_t waited = 0; waited < ms && found.size() < 3; waited += 100) {
      Advance(milliseconds(100));
      for (Peer peer : {kA, kB, kC}) {
        v1::ReplicaBatchReply alive;
        alive.set_boot(1);
        shard_.OnReplies(peer, alive);
        if (auto op = Last(peer, kind)) found[peer] = *op;
      }
    }
    return found;
  }

  // A round of W, answered by all.
  void RunStableRound() {
    std::map<Peer, v1::ReplicaOp> persist = AwaitAll(v1::ReplicaOp::kPersist, 15'000);
    ASSERT_EQ(persist.size(), 3u);
    for (Peer peer : {kA, kB, kC}) AnswerOk(peer, persist[peer]);
  }

  uint64_t steps_ = 0;
  Version floor_left_;  // what pulls answer of it
};

TEST_F(ShardSyncTest, EmptyReplicaPullsFromACleanOneAndGetsItsVoteBack) {
  TakeSlot(true);
  ConnectAll();
  ReturnEmpty(Boot(2));
  EXPECT_FALSE(Seat(kC).clean);
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  EXPECT_EQ(pull.pull().boot(), 2u);
  EXPECT_EQ(pull.pull().source().node(), "n1");
  EXPECT_EQ(pull.pull().source().address(), "n1:7500");
  EXPECT_EQ(pull.pull().source().boot(), 1u);
  AnswerPull(kC, pull, v1::PULL_STATE_DONE, {}, Boot(2));
  v1::ReplicaOp reinstate = Await(kC, v1::ReplicaOp::kReinstate);
  EXPECT_EQ(reinstate.reinstate().boot(), 2u);
  EXPECT_FALSE(Seat(kC).clean);
  AnswerOk(kC, reinstate, Boot(2));
  EXPECT_TRUE(Seat(kC).clean);
  EXPECT_TRUE(Seat(kC).voting);
}

TEST_F(ShardSyncTest, VoteComesBackOnlyWhenWhatWasBehindIsAcknowledged) {
  TakeSlot(true);
  ConnectAll();
  ReturnEmpty(Boot(2));
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  const v1::ReplicaOp c = PutThatCLacks();
  EXPECT_EQ(Seat(kC).behind_keys, 1u);
  AnswerPull(kC, pull, v1::PULL_STATE_DONE, {}, Boot(2));
  Advance(milliseconds(100));
  EXPECT_FALSE(Last(kC, v1::ReplicaOp::kReinstate).has_value());
  Acknowledge(kC, c, Boot(2), /*voting=*/false);
  Await(kC, v1::ReplicaOp::kReinstate);
}

// A source could not read a record below its floor.
TEST_F(ShardSyncTest, FloorThatAPullLeftIsTakenWhenNothingIsLackingAnyMore) {
  TakeSlot(true);
  ConnectAll();
  ReturnEmpty(Boot(2));
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  const v1::ReplicaOp c = PutThatCLacks();
  floor_left_ = {Term(6), 4};
  AnswerPull(kC, pull, v1::PULL_STATE_DONE, {}, Boot(2));
  Advance(milliseconds(100));
  EXPECT_FALSE(Last(kC, v1::ReplicaOp::kSetFloor).has_value()) << "C lacks k";
  Acknowledge(kC, c, Boot(2), /*voting=*/false);
  v1::ReplicaOp floor = Await(kC, v1::ReplicaOp::kSetFloor);
  EXPECT_EQ(floor.set_floor().boot(), 2u);
  EXPECT_EQ(FromProto(floor.set_floor().floor()), floor_left_);
  EXPECT_FALSE(Last(kC, v1::ReplicaOp::kReinstate).has_value());
  AnswerOk(kC, floor, Boot(2));
  AnswerOk(kC, Await(kC, v1::ReplicaOp::kReinstate), Boot(2));
  EXPECT_TRUE(Seat(kC).clean);
}

TEST_F(ShardSyncTest, FloorThatAPullLeftIsTakenAlsoByOneThatVotes) {
  TakeSlot(false);
  ConnectAll();
  AnswerPull(kB, Await(kB, v1::ReplicaOp::kPull), v1::PULL_STATE_DONE);
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  floor_left_ = {Term(6), 4};
  AnswerPull(kC, pull, v1::PULL_STATE_DONE);
  v1::ReplicaOp floor = Await(kC, v1::ReplicaOp::kSetFloor);
  EXPECT_FALSE(Seat(kC).clean);
  AnswerOk(kC, floor);
  EXPECT_TRUE(Seat(kC).clean);
  Advance(milliseconds(100));
  EXPECT_FALSE(Last(kC, v1::ReplicaOp::kReinstate).has_value());
}

TEST_F(ShardSyncTest, WhatTheSourceLacksTheTargetLacksToo) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  Acknowledge(kC, *Last(kC, v1::ReplicaOp::kApply));  // A has not got it
  EXPECT_TRUE(Done(put));
  ReturnEmpty(Boot(2));
  Await(kC, v1::ReplicaOp::kPull);
  EXPECT_EQ(Seat(kA).behind_keys, 1u);
  EXPECT_EQ(Seat(kC).behind_keys, 1u);
}

TEST_F(ShardSyncTest, RestartOfTheTargetBeginsAnew) {
  TakeSlot(true);
  ConnectAll();
  ReturnEmpty(Boot(2));
  v1::ReplicaOp first = Await(kC, v1::ReplicaOp::kPull);
  ReturnEmpty(Boot(3));
  AnswerPull(kC, first, v1::PULL_STATE_DONE, {}, Boot(2));  // too late
  v1::ReplicaOp second = Await(kC, v1::ReplicaOp::kPull);
  EXPECT_GT(second.pull().id(), first.pull().id());
  EXPECT_EQ(second.pull().boot(), 3u);
}

TEST_F(ShardSyncTest, PullGoesOnFromAnotherSourceWhenItsOwnIsGone) {
  TakeSlot(true);
  ConnectAll();
  ReturnEmpty(Boot(2));
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  ASSERT_EQ(pull.pull().source().node(), "n1");
  Put("k", "v");
  Acknowledge(kA, *Last(kA, v1::ReplicaOp::kApply));
  AnswerPull(kC, pull, v1::PULL_STATE_RUNNING, {}, Boot(2));
  Advance(milliseconds(600));  // A and B say nothing: suspected, no source
  v1::ReplicaBatchReply alive;
  alive.set_boot(1);
  shard_.OnReplies(kB, alive);
  for (int i = 0; i < 10; ++i) {
    Advance(milliseconds(30));
    shard_.OnReplies(kB, alive);
    v1::ReplicaBatchReply c_alive;
    c_alive.set_boot(2);
    shard_.OnReplies(kC, c_alive);
  }
  v1::ReplicaOp next = Await(kC, v1::ReplicaOp::kPull);
  EXPECT_EQ(next.pull().id(), pull.pull().id());
  EXPECT_EQ(next.pull().source().node(), "n2");
}

TEST_F(ShardSyncTest, AfterATakeoverAQuorumIsComparedAndTheThirdFollows) {
  TakeSlot(false);
  ConnectAll();
  v1::ReplicaOp compare = Await(kB, v1::ReplicaOp::kPull);
  EXPECT_TRUE(compare.pull().compare_only());
  EXPECT_EQ(compare.pull().source().node(), "n1");
  AnswerPull(kB, compare, v1::PULL_STATE_DONE);
  EXPECT_TRUE(Seat(kA).clean);
  EXPECT_TRUE(Seat(kB).clean);
  EXPECT_FALSE(Seat(kC).clean);
  v1::ReplicaOp pull = Await(kC, v1::ReplicaOp::kPull);
  EXPECT_FALSE(pull.pull().compare_only());
  AnswerPull(kC, pull, v1::PULL_STATE_DONE);
  Advance(milliseconds(20));
  EXPECT_TRUE(Seat(kC).clean);
  EXPECT_FALSE(Last(kC, v1::ReplicaOp::kReinstate).has_value());  // it always voted
}

TEST_F(ShardSyncTest, KeyThatDiffersIsResolvedWithBothEndsAsCandidates) {
  TakeSlot(false);
  ConnectAll();
  v1::ReplicaOp compare = Await(kB, v1::ReplicaOp::kPull);
  AnswerPull(kB, compare, v1::PULL_STATE_RUNNING, {"k"});
  v1::ReplicaOp a = *Last(kA, v1::ReplicaOp::kRead), b = *Last(kB, v1::ReplicaOp::kRead);
  v1::ReplicaOp c = *Last(kC, v1::ReplicaOp::kRead);
  AnswerRead(kC, c, 6, 1, "old");
  AnswerRead(kA, a, 6, 1, "old");
  // A quorum agrees; B, which may hold more, is awaited all the same.
  AnswerPull(kB, Await(kB, v1::ReplicaOp::kPull), v1::PULL_STATE_DONE, {"k"});
  EXPECT_FALSE(Seat(kA).clean);
  AnswerRead(kB, b, 6, 2, "more");
  v1::ReplicaOp back = *Last(kA, v1::ReplicaOp::kApply);
  // Under a version of this term; clients see the one that its write had.
  EXPECT_EQ(FromProto(back.apply().record().version()), (Version{Term(7), 1}));
  EXPECT_EQ(FromProto(back.apply().record().origin()), (Version{Term(6), 2}));
  EXPECT_EQ(Seat(kA).behind_keys, 1u);
  Acknowledge(kA, back);
  Acknowledge(kB, *Last(kB, v1::ReplicaOp::kApply));
  AnswerPull(kB, Await(kB, v1::ReplicaOp::kPull), v1::PULL_STATE_DONE, {"k"});
  EXPECT_TRUE(Seat(kA).clean);
  EXPECT_TRUE(Seat(kB).clean);
}

TEST_F(ShardSyncTest, ResultThatAQuorumHoldsIsTrackedToTheOneThatLacksIt) {
  TakeSlot(false);
  ConnectAll();
  v1::ReplicaOp compare = Await(kB, v1::ReplicaOp::kPull);
  AnswerPull(kB, compare, v1::PULL_STATE_RUNNING, {"k"});
  AnswerRead(kC, *Last(kC, v1::ReplicaOp::kRead), 6, 2, "more");
  AnswerRead(kB, *Last(kB, v1::ReplicaOp::kRead), 6, 2, "more");
  AnswerRead(kA, *Last(kA, v1::ReplicaOp::kRead), 6, 1, "old");
  EXPECT_EQ(Seat(kA).behind_keys, 1u);
  AnswerPull(kB, Await(kB, v1::ReplicaOp::kPull), v1::PULL_STATE_DONE, {"k"});
  EXPECT_TRUE(Seat(kA).clean);
  // Clean, and not read alone for this key.
  Get("k");
  EXPECT_FALSE(Last(kA, v1::ReplicaOp::kRead).has_value());
}

TEST_F(ShardSyncTest, StableAdvancesWhenAllHavePersistedUnderTheBootsKnown) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  std::map<Peer, v1::ReplicaOp> persist = AwaitAll(v1::ReplicaOp::kPersist, 15'000);
  ASSERT_EQ(persist.size(), 3u);
  AnswerOk(kA, persist[kA]);
  AnswerOk(kB, persist[kB]);
  EXPECT_FALSE(Last(kA, v1::ReplicaOp::kSetStable).has_value());
  AnswerOk(kC, persist[kC]);
  auto stable = Last(kA, v1::ReplicaOp::kSetStable);
  ASSERT_TRUE(stable.has_value());
  EXPECT_EQ(FromProto(stable->set_stable().stable()), (Version{Term(7), 1}));
  EXPECT_EQ(stable->set_stable().boot(), 1u);
}

// A copy of the disk that was taken since the node's last start has the boot that the metadata
// knows.
TEST_F(ShardSyncTest, DiskThatLacksAWItHadSyncedHasNoVoteWhateverItSays) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  std::map<Peer, v1::ReplicaOp> persist = AwaitAll(v1::ReplicaOp::kPersist, 15'000);
  for (Peer peer : {kA, kB, kC}) AnswerOk(peer, persist[peer]);
  for (Peer peer : {kA, kB, kC}) AnswerOk(peer, *Last(peer, v1::ReplicaOp::kSetStable));
  auto comes_back = [&](Boot boot, uint64_t stable) {
    shard_.OnDisconnected(kC);
    shard_.OnConnected(kC, boot);
    v1::ReplicaOpReply promised;
    promised.mutable_promise();
    Reply(kC, promised, Last(kC, v1::ReplicaOp::kPromise)->op(), boot);
    v1::ReplicaOpReply contacted;
    contacted.set_voting(true);
    ToProto(Version{Term(7), stable}, contacted.mutable_contact()->mutable_stable());
    Reply(kC, contacted, Last(kC, v1::ReplicaOp::kContact)->op(), boot);
  };
  comes_back(Boot(2), 1);
  EXPECT_TRUE(Seat(kC).voting);
  EXPECT_TRUE(Seat(kC).clean);
  comes_back(Boot(3), 0);
  EXPECT_FALSE(Seat(kC).voting);
  EXPECT_FALSE(Seat(kC).clean);
  AnswerPull(kC, Await(kC, v1::ReplicaOp::kPull), v1::PULL_STATE_DONE, {}, Boot(3));
  v1::ReplicaOp reinstate = Await(kC, v1::ReplicaOp::kReinstate);
  // Made complete, it is not held against it any more: neither now nor when it starts again.
  comes_back(Boot(4), 0);
  EXPECT_TRUE(Seat(kC).voting);
}

TEST_F(ShardSyncTest, FloorIsRaisedToWOnlyWhenThereMayBeGarbageAndNobodyIsBehind) {
  TakeSlot(true);
  ConnectAll();
  auto answer = [&](std::map<Peer, v1::ReplicaOp> floors, bool garbage_left) {
    for (auto& [peer, op] : floors) {
      v1::ReplicaOpReply reply;
      reply.mutable_set_floor()->set_garbage_left(garbage_left);
      Reply(peer, reply, op.op());
    }
  };
  Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  RunStableRound();
  std::map<Peer, v1::ReplicaOp> floors = AwaitAll(v1::ReplicaOp::kSetFloor, 15'000);
  ASSERT_EQ(floors.size(), 3u) << "after a takeover nobody knows whether there is garbage";
  EXPECT_EQ(FromProto(floors[kA].set_floor().floor()), (Version{Term(7), 1}));
  EXPECT_EQ(floors[kA].set_floor().boot(), 1u);
  answer(floors, false);

  Put("k", "w");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  RunStableRound();
  EXPECT_TRUE(AwaitAll(v1::ReplicaOp::kSetFloor, 150'000).empty()) << "nothing to let go";

  v1::Op op;
  op.mutable_put()->set_key("k");
  op.mutable_put()->set_ttl_ms(1000);
  Call(op);
  v1::ReplicaOp at_c = *Last(kC, v1::ReplicaOp::kApply);
  for (Peer peer : {kA, kB}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  // C has not acknowledged: W stays, and W itself may be the floor, for what lies below it.
  floors = AwaitAll(v1::ReplicaOp::kSetFloor, 15'000);
  ASSERT_EQ(floors.size(), 3u);
  EXPECT_EQ(FromProto(floors[kA].set_floor().floor()), (Version{Term(7), 2}));
  // The nodes may not have it yet when they answer: it is above this floor, and goes with the next.
  answer(floors, false);
  Acknowledge(kC, at_c);
  RunStableRound();
  floors = AwaitAll(v1::ReplicaOp::kSetFloor, 75'000);
  ASSERT_EQ(floors.size(), 3u);
  EXPECT_EQ(FromProto(floors[kA].set_floor().floor()), (Version{Term(7), 3}));
}

TEST_F(ShardSyncTest, FloorStaysWhileAReplicaMayLackSomething) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  for (Peer peer : {kA, kB, kC}) Acknowledge(peer, *Last(peer, v1::ReplicaOp::kApply));
  RunStableRound();
  Take(kC);
  ReturnEmpty(Boot(2));  // without a vote
  EXPECT_TRUE(AwaitAll(v1::ReplicaOp::kSetFloor, 75'000).empty());
}

class ShardOneSyncTest : public ShardTest {
 protected:
  static ShardOptions OneAtATime() {
    ShardOptions options;
    options.max_syncs = 1;
    return options;
  }
  ShardOneSyncTest() : ShardTest(OneAtATime()) { syncs_shown_ = true; }
};

TEST_F(ShardOneSyncTest, ReplicaThatIsGoneForGoodKeepsNoOtherFromBeingFilled) {
  TakeSlots(2, true);
  ConnectAll();
  shard_.OnDisconnected(kC);
  Connect(kC, Boot(2), /*voting=*/false);
  EXPECT_TRUE(Await(kC, v1::ReplicaOp::kPull).has_pull());
  shard_.OnDisconnected(kC);  // half filled
  shard_.OnDisconnected(kB);
  Connect(kB, Boot(2), /*voting=*/false);
  EXPECT_TRUE(Await(kB, v1::ReplicaOp::kPull).has_pull());
}

}  // namespace
}  // namespace ringkv
