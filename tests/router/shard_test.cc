// The owner's rules as scripts: R1 to R4, failures, scans.
#include "tests/router/shard_fixture.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

TEST_F(ShardTest, NothingIsServedBeforeAQuorumHasPromised) {
  TakeSlot(true);
  Connect(kA);
  uint64_t put = Put("k", "v");
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(results_[put].put().status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_TRUE(Take(kA).empty());
  Connect(kB);
  put = Put("k", "v");
  EXPECT_FALSE(Done(put));
}

TEST_F(ShardTest, EveryReplicaPromisesFirstWhileAnEarlierOwnerMightRead) {
  TakeSlot(false, /*predecessor_gone=*/false);
  Connect(kA);
  Connect(kB);
  EXPECT_TRUE(Done(Put("k", "v")));  // refused
  Connect(kC);
  EXPECT_FALSE(Done(Put("k", "v")));
}

TEST_F(ShardTest, EndOfTheEarlierOwnersLeaseOpensWhatWaitsForIt) {
  TakeSlot(false, /*predecessor_gone=*/false);
  Connect(kA);
  Connect(kB);
  EXPECT_TRUE(Done(Put("k", "v")));  // refused
  EXPECT_EQ(shard_.Describe(SlotId(0)).blocked, BlockedBy::kAbsence);
  shard_.PredecessorsGone();
  EXPECT_FALSE(Done(Put("k", "v")));
  EXPECT_EQ(shard_.Describe(SlotId(0)).blocked, BlockedBy::kNothing);
}

TEST_F(ShardTest, WriteCommitsWithTheSecondOfThree) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB), c = TakeOne(kC);
  EXPECT_EQ(FromProto(a.apply().record().version()), (Version{Term(7), 1}));
  Acknowledge(kA, a);
  EXPECT_FALSE(Done(put));
  Acknowledge(kA, a);  // the same answer again
  EXPECT_FALSE(Done(put));
  Acknowledge(kB, b);
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(shard_.Describe(SlotId(0)).replicas[2].behind_keys, 1u);
  Acknowledge(kC, c);
  EXPECT_EQ(shard_.Describe(SlotId(0)).replicas[2].behind_keys, 0u);
}

TEST_F(ShardTest, ReplicaWithoutAVoteDoesNotCount) {
  TakeSlot(true);
  Connect(kA);
  Connect(kB);
  Connect(kC, Boot(1), /*voting=*/false);
  uint64_t put = Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  Acknowledge(kC, TakeOne(kC), Boot(1), /*voting=*/false);
  EXPECT_FALSE(Done(put));
  Acknowledge(kB, TakeOne(kB));
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardTest, WriteWithoutAQuorumInTimeIsUnknownAndIsDrivenOn) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  Take(kB);
  Take(kC);
  Advance(milliseconds(1010));
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(shard_.Report().pending_keys, 1u);
  // B answers pings only from here on: in the end it is sent the write again.
  v1::ReplicaBatchReply alive;
  alive.set_boot(1);
  std::optional<v1::ReplicaOp> again;
  for (int i = 0; i < 50 && !again.has_value(); ++i) {
    shard_.OnReplies(kB, alive);
    shard_.OnReplies(kA, alive);
    Advance(milliseconds(100));
    again = Last(kB, v1::ReplicaOp::kApply);
  }
  ASSERT_TRUE(again.has_value());
  Acknowledge(kB, *again);
  EXPECT_EQ(shard_.Report().pending_keys, 0u);
}

TEST_F(ShardTest, AcknowledgementOfAnEarlierProcessDoesNotCount) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  Acknowledge(kA, a);
  shard_.OnDisconnected(kA);
  Connect(kA, Boot(2));
  Acknowledge(kB, b);
  EXPECT_FALSE(Done(put)) << "A's word was given by a process that is gone";
  std::vector<v1::ReplicaOp> again = Take(kA);
  ASSERT_FALSE(again.empty());
  Acknowledge(kA, again.back(), Boot(2));
  EXPECT_TRUE(Done(put));
}

TEST_F(ShardTest, ReadAsksOneCleanReplica) {
  TakeSlot(true);
  ConnectAll();
  uint64_t get = Get("k");
  AnswerRead(kA, TakeOne(kA), 7, 0, "");
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().status().code(), v1::ERROR_CODE_NOT_FOUND);
  EXPECT_TRUE(Take(kB).empty());
  EXPECT_TRUE(Take(kC).empty());
}

TEST_F(ShardTest, ReadDuringInFlightWriteWaitsForIt) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  uint64_t get = Get("k");
  v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  Acknowledge(kA, a);
  Acknowledge(kB, b);
  EXPECT_TRUE(Done(put));
  AnswerRead(kA, TakeOne(kA), 7, 1, "v");
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "v");
}

TEST_F(ShardTest, ReplicaThatIsBehindOnAKeyIsNotReadForIt) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  Acknowledge(kB, TakeOne(kB));
  Acknowledge(kC, TakeOne(kC));
  Take(kA);  // never answered: the primary is behind on k
  Get("k");
  EXPECT_TRUE(Take(kA).empty());
  EXPECT_TRUE(TakeOne(kB).has_read());
  Get("other");
  EXPECT_TRUE(TakeOne(kA).has_read());
}

TEST_F(ShardTest, LateReadIsAskedOfAnotherReplicaToo) {
  TakeSlot(true);
  ConnectAll();
  uint64_t get = Get("k");
  TakeOne(kA);
  Advance(milliseconds(12));
  AnswerRead(kB, TakeOne(kB), 7, 0, "");
  EXPECT_TRUE(Done(get));
}

// ---- whom a single read is asked of (the balancer's rule) -----------------------------------

TEST_F(ShardTest, ReadsOfAHotSlotSpreadOverItsCleanReplicasAndComeBackToThePrimary) {
  TakeSlot(true);
  ConnectAll();
  std::vector<uint64_t> gets;
  for (int i = 0; i < 90; ++i) gets.push_back(Get("hot"));
  const std::vector<v1::ReplicaOp> a = Take(kA), b = Take(kB), c = Take(kC);
  EXPECT_EQ(a.size() + b.size() + c.size(), 90u) << "each is asked once";
  // 1.25 times a third of 90 in flight, rounded up.
  EXPECT_LE(a.size(), 38u);
  EXPECT_LE(b.size(), 38u);
  EXPECT_GE(a.size(), b.size());
  EXPECT_GE(b.size(), c.size());
  EXPECT_GT(c.size(), 0u);
  EXPECT_EQ(shard_.stats().spread_reads, b.size() + c.size());
  for (const v1::ReplicaOp& read : a) AnswerRead(kA, read, 7, 0, "");
  for (const v1::ReplicaOp& read : b) AnswerRead(kB, read, 7, 0, "");
  for (const v1::ReplicaOp& read : c) AnswerRead(kC, read, 7, 0, "");
  for (uint64_t get : gets) EXPECT_TRUE(Done(get));
  Get("hot");
  EXPECT_TRUE(TakeOne(kA).has_read());
}

TEST_F(ShardTest, AFewReadsGoToThePrimaryHoweverUneven) {
  TakeSlot(true);
  ConnectAll();
  for (uint64_t i = 0; i < ShardOptions().read_always; ++i) Get("k");
  EXPECT_EQ(Take(kA).size(), ShardOptions().read_always);
  Get("k");
  EXPECT_TRUE(TakeOne(kB).has_read());
}

TEST_F(ShardTest, NoLoadMakesAReplicaAnswerThatIsBehind) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  Take(kB);  // never answered: behind on k
  Acknowledge(kC, TakeOne(kC));
  for (int i = 0; i < 200; ++i) Get("k");
  EXPECT_TRUE(Take(kB).empty());
  EXPECT_GT(Take(kC).size(), 0u);
  shard_.OnDisconnected(kC);
  for (int i = 0; i < 200; ++i) Get("k");
  EXPECT_TRUE(Take(kB).empty()) << "the primary is past its share, and yet the only one";
}

TEST_F(ShardTest, ShardsOfOneProcessCountTogether) {
  TakeSlot(true);
  ConnectAll();
  LoadBalancer::Picker another(balancer_);
  ServerRef primary = balancer_.Find("n1").value();
  std::vector<ServerLease> asked;
  for (int i = 0; i < 60; ++i) asked.push_back(another.Count(*primary));
  Get("k");
  EXPECT_TRUE(TakeOne(kB).has_read());
  asked.clear();
  Get("k");
  EXPECT_TRUE(TakeOne(kA).has_read());
}

TEST_F(ShardTest, WhatANodeIsAskedIsInFlightThereUntilItAnswersOrGoes) {
  TakeSlot(true);
  ConnectAll();
  auto in_flight = [&](const std::string& id) { return balancer_.GetServerStatus(id)->in_flight; };
  uint64_t get = Get("k");
  const v1::ReplicaOp slow = TakeOne(kA);
  EXPECT_EQ(in_flight("n1"), 1u);
  Advance(milliseconds(12));  // late: another one is asked as well
  EXPECT_EQ(in_flight("n2"), 1u);
  AnswerRead(kB, TakeOne(kB), 7, 0, "");
  EXPECT_TRUE(Done(get));
  EXPECT_EQ(in_flight("n1"), 1u) << "the client has its answer; the node still works on it";
  EXPECT_EQ(in_flight("n2"), 0u);
  AnswerRead(kA, slow, 7, 0, "");
  EXPECT_EQ(in_flight("n1"), 0u);
  Get("k");
  EXPECT_EQ(in_flight("n1"), 1u);
  shard_.OnDisconnected(kA);
  EXPECT_EQ(in_flight("n1"), 0u);
  full_.insert(kB);
  Get("other");
  EXPECT_EQ(in_flight("n2"), 0u) << "it was not sent";
  EXPECT_EQ(balancer_.GetServerStatus("n1")->total, 2u);
}

TEST_F(ShardTest, AQuorumReadCountsAtEachNodeThatIsAsked) {
  TakeSlot(false);
  ConnectAll();
  Get("k");
  for (const ServerStatus& node : balancer_.Servers()) EXPECT_EQ(node.in_flight, 1u);
  AnswerRead(kA, TakeOne(kA), 3, 5, "v");
  EXPECT_EQ(balancer_.GetServerStatus("n1")->in_flight, 0u);
}

TEST_F(ShardTest, APageOfAScanCountsToo) {
  TakeSlot(true);
  ConnectAll();
  ScanCall scan;
  scan.slot = SlotId(0);
  scan.deadline = clock_.Now() + milliseconds(1000);
  scan.done = [](ScanCall::Page) {};
  shard_.SubmitScan(std::move(scan));
  EXPECT_EQ(balancer_.GetServerStatus("n1")->in_flight, 1u);
  v1::ReplicaOpReply reply;
  reply.set_voting(true);
  reply.mutable_scan()->set_complete(true);
  Reply(kA, reply, TakeOne(kA).op());
  EXPECT_EQ(balancer_.GetServerStatus("n1")->in_flight, 0u);
}

// It may never have lived: written when its time was over.
TEST_F(ShardTest, PageOfAScanLeavesOutWhatHadExpiredWhenItsKeyWasAskedForByItself) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "pending");
  Acknowledge(kA, TakeOne(kA));
  const uint64_t soon = clock_.WallMillis() + 30;
  ScanCall scan;
  scan.slot = SlotId(0);
  scan.deadline = clock_.Now() + milliseconds(1000);
  std::optional<ScanCall::Page> page;
  scan.done = [&page](ScanCall::Page done) { page = std::move(done); };
  shard_.SubmitScan(std::move(scan));
  const v1::ReplicaOp asked = TakeOne(kA);
  Advance(milliseconds(60));
  v1::ReplicaOpReply reply;
  reply.set_voting(true);
  reply.set_attempt(asked.attempt());
  reply.mutable_scan()->add_entries()->set_key("k");
  reply.mutable_scan()->set_complete(true);
  Reply(kA, reply, asked.op());
  ASSERT_FALSE(page) << "the key has a write under way: it is read after it";
  Acknowledge(kB, TakeOne(kB));
  const v1::ReplicaOp read = TakeOne(kA);
  v1::ReplicaOpReply record;
  record.set_voting(true);
  record.set_attempt(read.attempt());
  ToProto(Version{Term(6), 1}, record.mutable_read()->mutable_record()->mutable_version());
  record.mutable_read()->mutable_record()->set_expires_at_ms(soon);
  Reply(kA, record, read.op());
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status.code(), v1::ERROR_CODE_OK);
  EXPECT_TRUE(page->entries.empty());
}

TEST_F(ShardTest, AfterATakeoverReadsAskAQuorum) {
  TakeSlot(false);
  ConnectAll();
  uint64_t get = Get("k");
  v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  EXPECT_TRUE(TakeOne(kC).has_read());
  AnswerRead(kA, a, 3, 5, "v");
  EXPECT_FALSE(Done(get));
  AnswerRead(kB, b, 3, 5, "v");
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "v");
}

TEST_F(ShardTest, VersionThatNoQuorumHoldsIsWrittenBackUnderTheOwnersTermBeforeItIsGivenOut) {
  TakeSlot(false);
  ConnectAll();
  uint64_t get = Get("k");
  AnswerRead(kA, TakeOne(kA), 3, 5, "leftover");
  AnswerRead(kB, TakeOne(kB), 3, 4, "before");
  Take(kC);
  EXPECT_FALSE(Done(get));
  // Locked, settled, read again.
  AnswerRead(kA, TakeOne(kA), 3, 5, "leftover");
  AnswerRead(kB, TakeOne(kB), 3, 4, "before");
  std::vector<v1::ReplicaOp> to_c = Take(kC);
  v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  ASSERT_TRUE(b.has_apply());
  EXPECT_EQ(FromProto(b.apply().record().version()), (Version{Term(7), 1}));
  EXPECT_EQ(FromProto(b.apply().record().origin()), (Version{Term(3), 5}));
  Acknowledge(kA, a);
  EXPECT_FALSE(Done(get));
  Acknowledge(kB, b);
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "leftover");
  EXPECT_EQ(FromProto(results_[get].get().version()), (Version{Term(3), 5}));

  // A condition holds against what clients see.
  v1::Op op;
  op.mutable_put()->set_key("k");
  op.mutable_put()->set_value("next");
  ToProto(Version{Term(3), 5}, op.mutable_put()->mutable_if_version());
  Call(op);
  for (Peer peer : {kA, kB, kC}) {
    for (const v1::ReplicaOp& read : Take(peer)) {
      if (!read.has_read()) continue;
      v1::ReplicaOpReply reply;
      reply.set_voting(true);
      *reply.mutable_read()->mutable_record() = b.apply().record();
      Reply(peer, reply, read.op());
    }
  }
  const v1::ReplicaOp next = TakeOne(kA);
  ASSERT_TRUE(next.has_apply()) << "the condition did not hold";
  EXPECT_EQ(FromProto(next.apply().record().version()), (Version{Term(7), 2}));
  EXPECT_FALSE(next.apply().record().has_origin());
}

TEST_F(ShardTest, AnswerToAnEarlierAttemptDoesNotCount) {
  TakeSlot(false);
  ConnectAll();
  uint64_t get = Get("k");
  v1::ReplicaOp first_a = TakeOne(kA), first_b = TakeOne(kB);
  Take(kC);
  v1::ReplicaBatchReply alive;
  alive.set_boot(1);
  for (int i = 0; i < 3; ++i) {
    Advance(milliseconds(100));
    for (Peer peer : {kA, kB, kC}) shard_.OnReplies(peer, alive);
  }
  v1::ReplicaOp second_a = TakeOne(kA), second_b = TakeOne(kB);
  AnswerRead(kA, first_a, 3, 1, "old");
  AnswerRead(kB, first_b, 3, 1, "old");
  EXPECT_FALSE(Done(get));
  AnswerRead(kA, second_a, 3, 2, "new");
  AnswerRead(kB, second_b, 3, 2, "new");
  ASSERT_TRUE(Done(get));
  EXPECT_EQ(results_[get].get().value(), "new");
}

TEST_F(ShardTest, ConditionIsCheckedUnderTheLockAndWritesNothingIfItFails) {
  TakeSlot(true);
  ConnectAll();
  v1::Op op;
  op.mutable_put()->set_key("k");
  op.mutable_put()->set_value("v");
  op.mutable_put()->set_if_absent(true);
  uint64_t put = Call(op);
  uint64_t behind_it = Put("k", "next");
  AnswerRead(kA, TakeOne(kA), 7, 0, "there");
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().code(), v1::ERROR_CODE_CONDITION_FAILED);
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_FALSE(Done(behind_it));
  EXPECT_EQ(TakeOne(kA).apply().record().value(), "next");
}

TEST_F(ShardTest, RetryOfAnAppliedRequestIsAnsweredAsDone) {
  TakeSlot(true);
  ConnectAll();
  v1::Op op;
  op.mutable_increment()->set_key("n");
  op.mutable_increment()->set_delta(5);
  op.mutable_increment()->mutable_request_id()->set_client(9);
  op.mutable_increment()->mutable_request_id()->set_number(1);
  op.mutable_increment()->set_retry(true);
  uint64_t increment = Call(op);
  v1::ReplicaOp read = TakeOne(kA);
  v1::ReplicaOpReply reply;
  reply.set_voting(true);
  v1::Record* record = reply.mutable_read()->mutable_record();
  record->mutable_version()->set_term(6);
  record->mutable_version()->set_seq(3);
  record->set_value("12");
  *record->mutable_request_id() = op.increment().request_id();
  Reply(kA, reply, read.op());
  ASSERT_TRUE(Done(increment));
  EXPECT_EQ(results_[increment].increment().value(), 12);
  EXPECT_EQ(results_[increment].increment().status().outcome(), v1::OUTCOME_DONE);
  EXPECT_TRUE(Take(kA).empty());
}

TEST_F(ShardTest, ReturnedReplicaIsSentWhatItMissed) {
  TakeSlot(true);
  ConnectAll();
  shard_.OnDisconnected(kC);
  uint64_t put = Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  Acknowledge(kB, TakeOne(kB));
  EXPECT_TRUE(Done(put));
  Connect(kC, Boot(2));
  EXPECT_EQ(shard_.Describe(SlotId(0)).replicas[2].behind_keys, 1u);
  Advance(milliseconds(255));
  std::vector<v1::ReplicaOp> reads = Take(kA);
  ASSERT_EQ(reads.size(), 1u);
  AnswerRead(kA, reads[0], 7, 1, "v");
  v1::ReplicaOp repair = TakeOne(kC);
  EXPECT_EQ(repair.apply().record().value(), "v");
  Acknowledge(kC, repair, Boot(2));
  ReplicaReport report = shard_.Describe(SlotId(0)).replicas[2];
  EXPECT_EQ(report.behind_keys, 0u);
  EXPECT_TRUE(report.clean);
}

TEST_F(ShardTest, FullQueueToAReplicaHoldsNobodyUp) {
  TakeSlot(true);
  ConnectAll();
  full_.insert(kC);
  uint64_t put = Put("k", "v");
  Acknowledge(kA, TakeOne(kA));
  Acknowledge(kB, TakeOne(kB));
  EXPECT_TRUE(Done(put));
  EXPECT_EQ(shard_.Describe(SlotId(0)).replicas[2].behind_keys, 1u);
}

TEST_F(ShardTest, ALaterOwnerEndsThisOne) {
  TakeSlot(true);
  ConnectAll();
  uint64_t put = Put("k", "v");
  v1::ReplicaOpReply stale;
  stale.set_code(v1::REPLICA_CODE_STALE);
  stale.set_promised_term(8);
  Reply(kA, stale, TakeOne(kA).op());
  ASSERT_TRUE(Done(put));
  EXPECT_EQ(results_[put].put().status().outcome(), v1::OUTCOME_UNKNOWN);
  uint64_t next = Put("k", "v");
  EXPECT_EQ(results_[next].put().status().code(), v1::ERROR_CODE_UNAVAILABLE);
}

TEST_F(ShardTest, ReadThatMeetsAWriteInFlightGetsItWithItsCommit) {
  TakeSlot(true);
  ConnectAll();
  const uint64_t get = Get("k");
  const v1::ReplicaOp read = TakeOne(kA);
  const uint64_t put = Put("k", "new");
  const v1::ReplicaOp to_a = TakeOne(kA);
  const v1::ReplicaOp to_b = TakeOne(kB);
  TakeOne(kC);
  // A has written it by the time it reads.
  AnswerRead(kA, read, 7, to_a.apply().record().version().seq(), "new");
  EXPECT_FALSE(Done(get)) << "one replica has it";
  Acknowledge(kA, to_a);
  EXPECT_FALSE(Done(get));
  Acknowledge(kB, to_b);
  ASSERT_TRUE(Done(get));
  EXPECT_TRUE(Done(put));
  EXPECT_EQ(results_[get].get().value(), "new");
  EXPECT_EQ(shard_.stats().quorum_reads, 0u);
  EXPECT_EQ(shard_.stats().node_reads, 1u);
}

TEST_F(ShardTest, ReadThatMeetsAWriteThatDoesNotCommitAsksAQuorum) {
  TakeSlot(true);
  ConnectAll();
  const uint64_t get = Get("k");
  const v1::ReplicaOp read = TakeOne(kA);
  Put("k", "new");
  const v1::ReplicaOp to_a = TakeOne(kA);
  Take(kB);
  Take(kC);
  AnswerRead(kA, read, 7, to_a.apply().record().version().seq(), "new");
  Advance(std::chrono::milliseconds(240));
  EXPECT_EQ(shard_.stats().quorum_reads, 0u);
  Advance(std::chrono::milliseconds(20));
  EXPECT_EQ(shard_.stats().quorum_reads, 1u);
  EXPECT_FALSE(Done(get));
}

TEST_F(ShardTest, TooManyCallsAreRefusedAtOnce) {
  TakeSlot(true);
  ConnectAll();
  for (size_t i = 0; i < ShardOptions().max_calls; ++i) Get("k" + std::to_string(i));
  uint64_t one_more = Get("k");
  ASSERT_TRUE(Done(one_more));
  EXPECT_EQ(results_[one_more].get().status().code(), v1::ERROR_CODE_OVERLOADED);
}

TEST_F(ShardTest, ExpiredRecordReadsAsAbsent) {
  TakeSlot(true);
  ConnectAll();
  uint64_t get = Get("k");
  v1::ReplicaOp read = TakeOne(kA);
  v1::ReplicaOpReply reply;
  reply.set_voting(true);
  v1::Record* record = reply.mutable_read()->mutable_record();
  record->mutable_version()->set_term(7);
  record->set_value("x");
  record->set_expires_at_ms(clock_.WallMillis() - 1);
  Reply(kA, reply, read.op());
  EXPECT_EQ(results_[get].get().status().code(), v1::ERROR_CODE_NOT_FOUND);
}

// Whether a node can be done without (docs/protocol.md, "Damaged disks").
// Another owner may have written meanwhile, whatever this one has locked: the key was never absent.
TEST_F(ShardTest, DeleteThatHasReadWhatExpiresMeanwhileReadsAgain) {
  TakeSlot(/*first_term=*/true);
  ConnectAll();
  shard_.SetLeaseUntil(clock_.Now());  // a quorum is asked
  v1::Op op;
  op.mutable_del()->set_key("k");
  const uint64_t del = Call(std::move(op));
  auto answer = [&](const v1::ReplicaOp& read, Peer from, uint64_t seq, uint64_t expires_at_ms) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    reply.set_attempt(read.attempt());
    v1::Record* record = reply.mutable_read()->mutable_record();
    ToProto(Version{Term(6), seq}, record->mutable_version());
    record->set_value("v");
    record->set_expires_at_ms(expires_at_ms);
    Reply(from, reply, read.op());
  };
  const uint64_t soon = clock_.WallMillis() + 50;
  const v1::ReplicaOp a = TakeOne(kA), b = TakeOne(kB);
  Advance(std::chrono::milliseconds(60));
  answer(a, kA, 1, soon);
  answer(b, kB, 1, soon);
  EXPECT_FALSE(Done(del)) << "it was there when it was asked for";
  answer(TakeOne(kA), kA, 1, soon);
  answer(TakeOne(kB), kB, 1, soon);
  ASSERT_TRUE(Done(del));
  EXPECT_EQ(results_[del].del().status().code(), v1::ERROR_CODE_NOT_FOUND);
}

TEST_F(ShardTest, CopyIsNeededUnlessAllOthersAreThereCompleteAndVoting) {
  TakeSlot(true);
  auto needed = [this] {
    std::vector<uint64_t> slots;
    for (const PeerReport& peer : shard_.Report().peers) slots.push_back(peer.needed_slots);
    return slots;
  };
  EXPECT_EQ(needed(), (std::vector<uint64_t>{1, 1, 1}));
  ConnectAll();
  EXPECT_EQ(needed(), (std::vector<uint64_t>{0, 0, 0}));
  shard_.OnDisconnected(kC);
  EXPECT_EQ(needed(), (std::vector<uint64_t>{1, 1, 0}));
  Connect(kC, Boot(2), /*voting=*/false);
  EXPECT_EQ(needed(), (std::vector<uint64_t>{1, 1, 0}));
}

TEST_F(ShardTest, CopyOfOneOwnedByAnotherIsNeeded) {
  TakeSlot(true);
  ConnectAll();
  Put("k", "v");
  v1::ReplicaOpReply stale;
  stale.set_code(v1::REPLICA_CODE_STALE);
  stale.set_promised_term(8);
  Reply(kA, stale, TakeOne(kA).op());
  for (const PeerReport& peer : shard_.Report().peers) EXPECT_EQ(peer.needed_slots, 1u);
}

}  // namespace
}  // namespace ringkv
