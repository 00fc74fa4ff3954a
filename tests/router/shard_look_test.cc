// A look at all copies of a key, as a script: what the owner asks, whom it makes wait, and what it
// calls the copies.
#include <algorithm>
#include <optional>
#include <tuple>

#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

class ShardLookTest : public ShardTest {
 protected:
  ShardLookTest() {
    TakeSlot(/*first_term=*/true);
    ConnectAll();
  }

  void Look(const std::string& key, milliseconds patience = milliseconds(100)) {
    LookCall call;
    call.slot = SlotId(0);
    call.key = key;
    call.deadline = clock_.Now() + milliseconds(1000);
    call.patience = patience;
    call.done = [this](KeyLook look) {
      EXPECT_FALSE(look_) << "answered twice";
      look_ = std::move(look);
    };
    shard_.LookAt(std::move(call));
  }

  void AnswerAbsent(Peer peer, const v1::ReplicaOp& read) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    reply.mutable_read()->set_absent(true);
    reply.mutable_read()->mutable_record()->set_tombstone(true);
    Reply(peer, WithAttempt(std::move(reply), read), read.op());
  }

  void AnswerWith(Peer peer, const v1::ReplicaOp& read, const v1::Record& record) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    *reply.mutable_read()->mutable_record() = record;
    Reply(peer, WithAttempt(std::move(reply), read), read.op());
  }

  // Answers the ping that asks for statistics, which was sent.
  void NamesAsDamaged(Peer peer, const std::string& key) {
    const auto ping = std::find_if(sent_[peer].begin(), sent_[peer].end(),
                                   [](const v1::ReplicaOp& op) { return op.has_stats(); });
    ASSERT_TRUE(ping != sent_[peer].end());
    v1::ReplicaOpReply stats;
    v1::DamagedKey* damaged = stats.mutable_stats()->add_damaged();
    damaged->set_inc(1);
    damaged->set_key(key);
    Reply(peer, stats, ping->op());
  }
  void CannotRead(Peer peer, const v1::ReplicaOp& read) {
    v1::ReplicaOpReply unreadable;
    unreadable.set_voting(true);
    unreadable.set_code(v1::REPLICA_CODE_CORRUPTION);
    Reply(peer, WithAttempt(std::move(unreadable), read), read.op());
  }

  static v1::ReplicaOpReply WithAttempt(v1::ReplicaOpReply reply, const v1::ReplicaOp& op) {
    reply.set_attempt(op.attempt());
    return reply;
  }

  // What is sent to the node within the time in which it does not count as down yet.
  std::vector<v1::ReplicaOp> NextOps(Peer peer) {
    for (int i = 0; i < 90; ++i) {
      std::vector<v1::ReplicaOp> ops = Take(peer);
      if (!ops.empty()) return ops;
      Advance(milliseconds(5));
    }
    return {};
  }

  LookVerdict Verdict() {
    EXPECT_TRUE(look_);
    return look_ ? Judge(*look_) : LookVerdict::kUndecided;
  }

  std::optional<KeyLook> look_;
};

v1::Record MakeRecord(uint64_t seq, const std::string& value) {
  v1::Record record;
  record.mutable_version()->set_term(6);
  record.mutable_version()->set_seq(seq);
  record.set_value(value);
  return record;
}

TEST_F(ShardLookTest, AsksEveryReplicaAndFindsThemEqual) {
  Look("k");
  for (Peer peer : {kA, kB, kC}) {
    const v1::ReplicaOp read = TakeOne(peer);
    ASSERT_TRUE(read.has_read());
    AnswerWith(peer, read, MakeRecord(4, "v"));
  }
  EXPECT_EQ(Verdict(), LookVerdict::kEqual);
}

TEST_F(ShardLookTest, NamesTwoRecordsOfOneVersion) {
  Look("k");
  for (Peer peer : {kA, kB, kC}) {
    AnswerWith(peer, TakeOne(peer), MakeRecord(4, peer == kB ? "w" : "v"));
  }
  EXPECT_EQ(Verdict(), LookVerdict::kDifferent);
  EXPECT_EQ(look_->copies[1].version, look_->copies[0].version);
  EXPECT_FALSE(look_->copies[1].digest == look_->copies[0].digest);
}

TEST_F(ShardLookTest, NothingAndATombstoneThatWasNotCollectedDiffer) {
  v1::Record tombstone = MakeRecord(4, "");
  tombstone.set_tombstone(true);
  Look("k");
  AnswerAbsent(kA, TakeOne(kA));
  AnswerWith(kB, TakeOne(kB), tombstone);
  AnswerWith(kC, TakeOne(kC), tombstone);
  EXPECT_EQ(Verdict(), LookVerdict::kDifferent);
  // Where it has been collected, the floor is what an absent key reads as.
  look_->copies[0].version = Version{Term(6), 9};
  EXPECT_EQ(Verdict(), LookVerdict::kEqual);
}

TEST_F(ShardLookTest, ExpiredRecordThatOneReplicaHasCollectedIsNoDifference) {
  v1::Record expired = MakeRecord(4, "v");
  expired.set_expires_at_ms(clock_.WallMillis() - 1);
  Look("k");
  v1::ReplicaOpReply collected;
  collected.set_voting(true);
  collected.mutable_read()->set_absent(true);
  ToProto(Version{Term(6), 9}, collected.mutable_read()->mutable_record()->mutable_version());
  collected.mutable_read()->mutable_record()->set_tombstone(true);
  Reply(kA, collected, TakeOne(kA).op());
  AnswerWith(kB, TakeOne(kB), expired);
  AnswerWith(kC, TakeOne(kC), expired);
  EXPECT_EQ(Verdict(), LookVerdict::kEqual);
  look_->copies[0].version = Version{Term(6), 3};
  EXPECT_EQ(Verdict(), LookVerdict::kDifferent) << "above the floor nothing is collected";
}

TEST_F(ShardLookTest, SettlesFirstAndReplicaThatWasBehindWhenAskedIsNotCalledDifferent) {
  Put("k", "new");
  const v1::ReplicaOp to_a = TakeOne(kA);
  const v1::ReplicaOp to_b = TakeOne(kB);
  const v1::ReplicaOp to_c = TakeOne(kC);
  Look("k");
  EXPECT_TRUE(Take(kA).empty()) << "the write has the lock";
  Acknowledge(kA, to_a);
  Acknowledge(kB, to_b);
  const v1::ReplicaOp read_a = TakeOne(kA);
  const v1::ReplicaOp read_b = TakeOne(kB);
  const v1::ReplicaOp read_c = TakeOne(kC);
  AnswerWith(kA, read_a, to_a.apply().record());
  AnswerWith(kB, read_b, to_a.apply().record());
  // C read before it wrote, and its acknowledgement is faster than its answer.
  Acknowledge(kC, to_c);
  AnswerAbsent(kC, read_c);
  EXPECT_EQ(Verdict(), LookVerdict::kBehind);
}

TEST_F(ShardLookTest, ReplicaThatIsBehindAndHasTheRecordIsEqual) {
  Put("k", "new");
  const v1::ReplicaOp to_a = TakeOne(kA);
  Acknowledge(kB, TakeOne(kB));
  Acknowledge(kA, to_a);
  TakeOne(kC);
  Look("k");
  for (Peer peer : {kA, kB, kC}) AnswerWith(peer, TakeOne(peer), to_a.apply().record());
  EXPECT_EQ(Verdict(), LookVerdict::kEqual);
}

TEST_F(ShardLookTest, WritersWaitNoLongerThanItsPatience) {
  Look("k", milliseconds(50));
  AnswerWith(kA, TakeOne(kA), MakeRecord(4, "v"));
  AnswerWith(kB, TakeOne(kB), MakeRecord(4, "v"));
  TakeOne(kC);
  const uint64_t put = Put("k", "new");
  EXPECT_TRUE(Take(kA).empty());
  Advance(milliseconds(60));
  EXPECT_EQ(Verdict(), LookVerdict::kUndecided);
  EXPECT_EQ(look_->copies[2].state, CopyLook::State::kNoAnswer);
  for (Peer peer : {kA, kB}) Acknowledge(peer, TakeOne(peer));
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardLookTest, UnreadableCopyIsNamedAndMended) {
  Look("k");
  AnswerWith(kA, TakeOne(kA), MakeRecord(4, "v"));
  AnswerWith(kB, TakeOne(kB), MakeRecord(4, "v"));
  const v1::ReplicaOp read = TakeOne(kC);
  v1::ReplicaOpReply unreadable;
  unreadable.set_voting(true);
  unreadable.set_attempt(read.attempt());
  unreadable.set_code(v1::REPLICA_CODE_CORRUPTION);
  Reply(kC, unreadable, read.op());
  EXPECT_EQ(Verdict(), LookVerdict::kUnreadable);
  EXPECT_EQ(look_->copies[2].state, CopyLook::State::kUnreadable);
  // One of the others is read, and what it has goes to C.
  const std::vector<v1::ReplicaOp> asked = NextOps(kA);
  ASSERT_FALSE(asked.empty());
  AnswerWith(kA, asked[0], MakeRecord(4, "v"));
  const std::vector<v1::ReplicaOp> sent = Take(kC);
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent.back().apply().repair());
  EXPECT_EQ(sent.back().apply().record().value(), "v");
}

TEST_F(ShardLookTest, RecordThatANodeNamesAsDamagedIsSentToItAgain) {
  Advance(milliseconds(110));  // a ping asks for statistics
  const auto ping = std::find_if(sent_[kC].begin(), sent_[kC].end(),
                                 [](const v1::ReplicaOp& op) { return op.has_stats(); });
  ASSERT_TRUE(ping != sent_[kC].end());
  v1::ReplicaOpReply stats;
  for (const auto& [slot, inc, key] :
       {std::tuple(0u, 1u, "k"), {0u, 9u, "other inc"}, {5u, 1u, "other owner's"}}) {
    v1::DamagedKey* damaged = stats.mutable_stats()->add_damaged();
    damaged->set_slot(slot);
    damaged->set_inc(inc);
    damaged->set_key(key);
  }
  Reply(kC, stats, ping->op());
  const std::vector<v1::ReplicaOp> asked = NextOps(kA);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].read().key(), "k");
  AnswerWith(kA, asked[0], MakeRecord(4, "v"));
  const v1::ReplicaOp sent = TakeOne(kC);
  EXPECT_TRUE(sent.apply().repair());
  EXPECT_FALSE(sent.apply().forget());
  EXPECT_EQ(sent.apply().record().value(), "v");
}

TEST_F(ShardLookTest, DamagedRecordOfWhichNobodyKnowsAnythingIsForgotten) {
  Advance(milliseconds(110));
  NamesAsDamaged(kC, "k");
  const std::vector<v1::ReplicaOp> asked = NextOps(kA);
  ASSERT_EQ(asked.size(), 1u);
  AnswerAbsent(kA, asked[0]);
  const v1::ReplicaOp sent = TakeOne(kC);
  EXPECT_TRUE(sent.apply().repair());
  EXPECT_TRUE(sent.apply().forget());
}

// A node's list is older than what it has written since.
TEST_F(ShardLookTest, RecordThatIsSaidToBeDamagedEverywhereIsAskedForAllTheSame) {
  Advance(milliseconds(110));
  for (Peer peer : {kA, kB, kC}) NamesAsDamaged(peer, "k");
  for (Peer peer : {kA, kB, kC}) Take(peer);
  const uint64_t get = Get("k");
  const v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB), c = TakeOne(kC);
  CannotRead(kA, a);
  EXPECT_FALSE(Done(get)) << "two may still have it";
  AnswerWith(kB, b, MakeRecord(4, "v"));
  AnswerWith(kC, c, MakeRecord(4, "v"));
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "v");
}

TEST_F(ShardLookTest, RecordThatIsSaidToBeDamagedIsAskedForWhereTheOthersThatAreThereAreNoQuorum) {
  Advance(milliseconds(110));
  NamesAsDamaged(kA, "k");
  shard_.OnDisconnected(kC);
  shard_.SetLeaseUntil(clock_.Now());  // none answers alone
  for (Peer peer : {kA, kB, kC}) Take(peer);
  const uint64_t get = Get("k");
  AnswerWith(kA, TakeOne(kA), MakeRecord(4, "v"));
  AnswerWith(kB, TakeOne(kB), MakeRecord(4, "v"));
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "v");
}

// n3 is complete, and may answer alone.
TEST_F(ShardLookTest, ReadThatMeetsDamageOnAQuorumGoesToTheOneThatHasIt) {
  shard_.SetLeaseUntil(clock_.Now());  // a quorum is asked
  const uint64_t get = Get("k");
  const v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  Take(kC);
  shard_.SetLeaseUntil(clock_.Now() + milliseconds(1000));
  CannotRead(kA, a);
  EXPECT_FALSE(Done(get));
  CannotRead(kB, b);
  EXPECT_FALSE(Done(get));
  AnswerWith(kC, TakeOne(kC), MakeRecord(4, "v"));
  ASSERT_TRUE(Done(get)) << "at once";
  EXPECT_EQ(results_[get].get().value(), "v");
}

TEST_F(ShardLookTest, RecordThatAQuorumCannotReadIsAnErrorAsSoonAsThatIsKnown) {
  Advance(milliseconds(110));
  for (Peer peer : {kA, kB, kC}) NamesAsDamaged(peer, "k");
  for (Peer peer : {kA, kB, kC}) Take(peer);
  const uint64_t get = Get("k");
  const v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  CannotRead(kA, a);
  CannotRead(kB, b);
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().status().code(), v1::ERROR_CODE_CORRUPTION);
}

TEST_F(ShardLookTest, ReplicaThatIsBeingMadeCompleteIsNotCalledDifferent) {
  Connect(kC, Boot(2), /*voting=*/false);
  for (Peer peer : {kA, kB, kC}) Take(peer);
  Look("k");
  AnswerWith(kA, TakeOne(kA), MakeRecord(4, "v"));
  AnswerWith(kB, TakeOne(kB), MakeRecord(4, "v"));
  v1::ReplicaOpReply empty;
  const v1::ReplicaOp read = TakeOne(kC);
  empty.set_attempt(read.attempt());
  empty.mutable_read()->set_absent(true);
  Reply(kC, empty, read.op(), Boot(2));
  EXPECT_EQ(Verdict(), LookVerdict::kFilling);
}

TEST_F(ShardLookTest, ReplicaThatStartedAgainMeanwhileIsNotCalledDifferent) {
  Look("k");
  AnswerWith(kA, TakeOne(kA), MakeRecord(4, "v"));
  AnswerWith(kB, TakeOne(kB), MakeRecord(4, "v"));
  const v1::ReplicaOp read = TakeOne(kC);
  Connect(kC, Boot(2));
  v1::ReplicaOpReply empty;
  empty.set_voting(true);
  empty.set_attempt(read.attempt());
  empty.mutable_read()->set_absent(true);
  Reply(kC, empty, read.op(), Boot(2));
  Advance(milliseconds(120));  // the answer to a question of the session before is nobody's
  EXPECT_EQ(Verdict(), LookVerdict::kUndecided);
}

TEST_F(ShardLookTest, WithoutAQuorumNothingCanBeSaid) {
  shard_.OnDisconnected(kB);
  shard_.OnDisconnected(kC);
  Look("k");
  EXPECT_EQ(Verdict(), LookVerdict::kUndecided);
  EXPECT_EQ(look_->status.code(), v1::ERROR_CODE_UNAVAILABLE);
}

TEST_F(ShardLookTest, SlotOfAnotherRouterIsRefused) {
  LookCall call;
  call.slot = SlotId(1);
  call.key = "k";
  call.done = [this](KeyLook look) { look_ = std::move(look); };
  shard_.LookAt(std::move(call));
  EXPECT_EQ(Verdict(), LookVerdict::kUndecided);
}

}  // namespace
}  // namespace ringkv
