// The node's part in a sync, as source and as target: two replicas, each over a store in memory,
// whose questions and answers the test carries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kvnode/replica_pair.h"

namespace ringkv {
namespace {

TEST(ReplicaSync, TargetTakesWhatTheSourceHasMore) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.RunAll({Apply("a", 2, 1, "one"), Apply("b", 2, 2, "two")});
  target.Run(Apply("b", 2, 1, "older"));
  v1::ReplicaOpReply reply = target.Run(Pull(1, Boot(7), Boot(3)));
  EXPECT_EQ(reply.pull().state(), v1::PULL_STATE_RUNNING);
  Carry(target, source);
  EXPECT_EQ(target.Run(Pull(1, Boot(7), Boot(3))).pull().state(), v1::PULL_STATE_DONE);
  EXPECT_EQ(ValueAt(target, "a"), "one");
  EXPECT_EQ(ValueAt(target, "b"), "two");
  EXPECT_EQ(target.replica->stats().pulled_records, 2u);
}

TEST(ReplicaSync, PulledRecordIsNotOverwrittenByAnOlderApplyAfterwards) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  v1::ReplicaOp contact = Op();
  contact.mutable_contact()->set_boot(7);
  target.Run(contact);  // nothing of this term was handed out: the bound is (3, 0)
  source.Run(Apply("a", 3, 9, "nine"));
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  target.Run(Apply("a", 3, 8, "eight"));
  EXPECT_EQ(ValueAt(target, "a"), "nine");
}

TEST(ReplicaSync, SourceAnswersOnlyWhileItVotesAndUnderTheBootItWasNamedBy) {
  TestNode source(Boot(3), /*voting=*/false), target(Boot(7), /*voting=*/false);
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  EXPECT_EQ(target.Run(Pull(1, Boot(7), Boot(3))).pull().trouble(), v1::REPLICA_CODE_NOT_VOTING);
  source.SetVoting(true);
  source.Open(Boot(4));
  v1::ReplicaOp question = Op();
  question.mutable_sync_ranges()->set_boot(3);
  EXPECT_EQ(source.Run(question).code(), v1::REPLICA_CODE_WRONG_BOOT);
  question.mutable_sync_ranges()->set_boot(4);
  EXPECT_EQ(source.Run(question).code(), v1::REPLICA_CODE_OK);
}

TEST(ReplicaSync, PullIsBoundToTheTargetsBootAndToTheLatestId) {
  TestNode target(Boot(7), /*voting=*/false);
  EXPECT_EQ(target.Run(Pull(1, Boot(6), Boot(3))).code(), v1::REPLICA_CODE_WRONG_BOOT);
  EXPECT_EQ(target.Run(Pull(5, Boot(7), Boot(3))).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(target.Run(Pull(4, Boot(7), Boot(3))).code(), v1::REPLICA_CODE_INVALID);
}

TEST(ReplicaSync, PromiseToALaterOwnerEndsThePullAndItsAnswersCountForNothing) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.Run(Apply("a", 2, 1, "one"));
  target.Run(Pull(1, Boot(7), Boot(3)));
  std::vector<SyncQuestion> questions = target.replica->TakeQuestions();
  ASSERT_EQ(questions.size(), 1u);
  v1::ReplicaOp promise = Op();
  promise.set_term(kTestTerm + 1);
  promise.set_owner(99);
  promise.mutable_promise()->set_group(1);
  target.Run(promise);
  EXPECT_TRUE(target.replica->OnSyncAnswer(Boot(3), source.Run(questions[0].op)).ok());
  EXPECT_TRUE(target.replica->TakeQuestions().empty());
}

TEST(ReplicaSync, LostQuestionIsAskedAgainAfterSomeOrders) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.Run(Apply("a", 2, 1, "one"));
  target.Run(Pull(1, Boot(7), Boot(3)));
  EXPECT_EQ(target.replica->TakeQuestions().size(), 1u);  // lost
  for (int i = 0; i < 20; ++i) {
    target.Run(Pull(1, Boot(7), Boot(3)));
    Carry(target, source);
  }
  EXPECT_EQ(target.Run(Pull(1, Boot(7), Boot(3))).pull().state(), v1::PULL_STATE_DONE);
  EXPECT_EQ(ValueAt(target, "a"), "one");
}

TEST(ReplicaSync, ReinstateIsBoundToTheBootAndSurvivesALossOfPower) {
  TestNode node(Boot(7), /*voting=*/false);
  v1::ReplicaOp reinstate = Op();
  reinstate.mutable_reinstate()->set_boot(6);
  EXPECT_EQ(node.Run(reinstate).code(), v1::REPLICA_CODE_WRONG_BOOT);
  EXPECT_FALSE(node.replica->Votes(SlotId(kSlot)));
  reinstate.mutable_reinstate()->set_boot(7);
  v1::ReplicaOpReply reply = node.Run(reinstate);
  EXPECT_EQ(reply.code(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(reply.voting());
  node.store.CrashLosingUnsynced(0);
  node.Open(Boot(8));
  EXPECT_TRUE(node.replica->Votes(SlotId(kSlot)));
}

TEST(ReplicaSync, ReinstateSyncsWhatWasPulledBefore) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.Run(Apply("a", 2, 1, "one"));
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  v1::ReplicaOp reinstate = Op();
  reinstate.mutable_reinstate()->set_boot(7);
  target.Run(reinstate);
  target.store.CrashLosingUnsynced(0);
  target.Open(Boot(8));
  EXPECT_EQ(ValueAt(target, "a"), "one");
}

TEST(ReplicaSync, StableIsBoundToTheBootNeverFallsAndIsToldAtContact) {
  TestNode node(Boot(7));
  auto set_stable = [](uint64_t boot, uint64_t seq) {
    v1::ReplicaOp op = Op();
    op.mutable_set_stable()->set_boot(boot);
    ToProto(Version{Term(3), seq}, op.mutable_set_stable()->mutable_stable());
    return op;
  };
  EXPECT_EQ(node.Run(set_stable(6, 50)).code(), v1::REPLICA_CODE_WRONG_BOOT);
  EXPECT_EQ(node.RunAll({set_stable(7, 20), set_stable(7, 10)})[1].code(), v1::REPLICA_CODE_OK);
  node.store.CrashLosingUnsynced(0);
  node.Open(Boot(8));
  v1::ReplicaOp contact = Op();
  contact.mutable_contact()->set_boot(8);
  EXPECT_EQ(FromProto(node.Run(contact).contact().stable()), (Version{Term(3), 20}));
}

TEST(ReplicaSync, PersistSyncsWhatWasAcknowledged) {
  TestNode node(Boot(7));
  node.Run(Apply("a", 3, 1, "one"));
  v1::ReplicaOp persist = Op();
  persist.mutable_persist()->set_boot(7);
  EXPECT_EQ(node.Run(persist).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(node.store.unsynced_batches(), 0u);
}

TEST(ReplicaSync, UnreadableRecordsOfEitherEndAreReportedAndHoldNothingUp) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  for (const char* key : {"a", "b", "c"}) source.Run(Apply(key, 2, 1, key));
  target.Run(Apply("b", 2, 1, "b"));
  ASSERT_TRUE(source.store.CorruptRecord({SlotId(kSlot), Incarnation(1), "a"}));
  ASSERT_TRUE(target.store.CorruptRecord({SlotId(kSlot), Incarnation(1), "b"}));
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  const v1::PullReply state = target.Run(Pull(1, Boot(7), Boot(3))).pull();
  EXPECT_EQ(state.trouble(), v1::REPLICA_CODE_OK) << state.trouble_message();
  EXPECT_EQ(state.state(), v1::PULL_STATE_DONE);
  EXPECT_THAT(state.reported(), testing::UnorderedElementsAre("a", "b"));
  EXPECT_EQ(ValueAt(target, "c"), "c");
  // That is for the owner to mend: what the source has may be older.
  v1::ReplicaOp read = Op();
  read.mutable_read()->set_key("b");
  EXPECT_EQ(target.Run(read).code(), v1::REPLICA_CODE_CORRUPTION);
}

// An answer of the source that was under way when a newer record arrived, which was then damaged.
TEST(ReplicaSync, UnreadableRecordDoesNotGiveWayToWhatTheSourceHadBefore) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.Run(Apply("a", 2, 1, "older"));
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source, [&](const v1::ReplicaOp& question) {
    if (!question.has_sync_diff()) return;
    target.Run(Apply("a", kTestTerm, 9, "newer"));
    ASSERT_TRUE(target.store.CorruptRecord({SlotId(kSlot), Incarnation(1), "a"}));
  });
  v1::ReplicaOp read = Op();
  read.mutable_read()->set_key("a");
  EXPECT_EQ(target.Run(read).code(), v1::REPLICA_CODE_CORRUPTION);
}

Version LoweredAt(TestNode& node) {
  v1::DiskInstance fact;
  const auto bytes = node.store.GetMeta(InstanceMetaName(SlotId(kSlot), Incarnation(1)));
  EXPECT_TRUE(bytes.ok() && fact.ParseFromString(*bytes));
  return FromProto(fact.lowered());
}

// Comparisons above less than that read everything (ScanLimits::above says why).
TEST(ReplicaSync, InstanceRemembersTheHighestVersionThatALowerOneReplaced) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.Run(Apply("a", 2, 4, "committed"));
  v1::ReplicaOp stable = Op();
  stable.mutable_set_stable()->set_boot(3);
  ToProto(Version{Term(2), 10}, stable.mutable_set_stable()->mutable_stable());
  source.Run(stable);
  target.Run(Apply("a", 2, 9, "leftover"));
  EXPECT_EQ(LoweredAt(target), Version{});
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  EXPECT_EQ(ValueAt(target, "a"), "committed");
  EXPECT_EQ(LoweredAt(target), (Version{Term(2), 9}));
  EXPECT_EQ(LoweredAt(source), Version{});
}

TEST(ReplicaSync, UnreadableRecordThatIsReplacedMayHaveHadTheHighestVersion) {
  TestNode node(Boot(7));
  v1::ReplicaOp contact = Op();
  contact.mutable_contact()->set_boot(7);
  contact.mutable_contact()->set_handed_out_seq(40);
  node.Run(contact);
  node.Run(Apply("a", kTestTerm, 9, "v"));
  ASSERT_TRUE(node.store.CorruptRecord({SlotId(kSlot), Incarnation(1), "a"}));
  v1::ReplicaOp repair = Apply("a", kTestTerm, 9, "v");
  repair.mutable_apply()->set_repair(true);
  EXPECT_EQ(node.Run(repair).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(ValueAt(node, "a"), "v");
  EXPECT_EQ(LoweredAt(node), (Version{Term(kTestTerm), 40}));
  node.Open(Boot(8));
  EXPECT_EQ(LoweredAt(node), (Version{Term(kTestTerm), 40}));
}

}  // namespace
}  // namespace ringkv
