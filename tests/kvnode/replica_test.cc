// The node's rules, one by one, over a store in memory.
#include "kvnode/replica.h"

#include <gtest/gtest.h>

#include "tests/kvnode/replica_fixture.h"

namespace ringkv {
namespace {

TEST_F(ReplicaTest, HigherVersionReplacesALowerOneAndNeverTheOtherWay) {
  EXPECT_EQ(Run(Apply("k", 3, 2, "two")).apply().stored().seq(), 2u);
  v1::ReplicaOpReply late = Run(Apply("k", 3, 1, "one"));
  EXPECT_EQ(late.code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(late.apply().stored().seq(), 2u);  // what it holds is at least what was sent
  EXPECT_EQ(Value("k"), "two");
  EXPECT_EQ(Run(Apply("k", 2, 99, "older term")).apply().stored().seq(), 2u);
  EXPECT_EQ(Value("k"), "two");
}

TEST_F(ReplicaTest, OneBatchWithSeveralVersionsOfAKeyKeepsTheHighest) {
  for (bool known : {false, true}) {
    if (known) Run(Contact(Boot(1), 0));
    std::string key = known ? "known" : "unknown";
    Run({Apply(key, 3, 11, "b"), Apply(key, 3, 12, "c"), Apply(key, 3, 10, "a")});
    EXPECT_EQ(Value(key), "c");
  }
}

TEST_F(ReplicaTest, AbsentKeyReadsAsATombstoneAtTheFloor) {
  v1::ReplicaOpReply reply = Run(Read("none"));
  EXPECT_EQ(reply.code(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(reply.voting());
  EXPECT_TRUE(reply.read().record().tombstone());
  EXPECT_EQ(reply.read().record().version().term(), 0u);
}

TEST_F(ReplicaTest, LargeValueGoesOnlyToWhoHasRoomForIt) {
  Run(Apply("small", kTestTerm, 1, std::string(kLargeValueBytes, 's')));
  Run(Apply("large", kTestTerm, 2, std::string(kLargeValueBytes + 1, 'l')));
  EXPECT_EQ(Run(Read("small")).code(), v1::REPLICA_CODE_OK);
  const v1::ReplicaOpReply kept = Run(Read("large"));
  EXPECT_EQ(kept.code(), v1::REPLICA_CODE_LARGE);
  EXPECT_EQ(kept.read().large_bytes(), kLargeValueBytes + 1);
  EXPECT_FALSE(kept.read().has_record());
  v1::ReplicaOp read = Read("large");
  read.mutable_read()->set_large(true);
  const v1::ReplicaOpReply given = Run(read);
  EXPECT_EQ(given.code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(given.read().record().value().size(), kLargeValueBytes + 1);
  EXPECT_EQ(replica_->stats().reads_large, 1u);
}

TEST_F(ReplicaTest, LowerTermIsStaleHigherTermNeedsAPromise) {
  v1::ReplicaOp lower = Read("k");
  lower.set_term(kTestTerm - 1);
  EXPECT_EQ(Run(lower).code(), v1::REPLICA_CODE_STALE);
  EXPECT_EQ(Run(lower).promised_term(), kTestTerm);
  v1::ReplicaOp higher = Read("k");
  higher.set_term(kTestTerm + 1);
  EXPECT_EQ(Run(higher).code(), v1::REPLICA_CODE_NEED_PROMISE);
  v1::ReplicaOp other = Read("k");
  other.set_owner(kTestOwner + 1);
  EXPECT_EQ(Run(other).code(), v1::REPLICA_CODE_STALE);
}

TEST_F(ReplicaTest, PromiseFencesTheEarlierOwnerAndSurvivesALossOfPower) {
  EXPECT_EQ(Run(Promise(1, kTestTerm + 2, 99)).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Run(Apply("k", kTestTerm, 1, "x")).code(), v1::REPLICA_CODE_STALE);  // slot 5: group 1
  EXPECT_EQ(Run(Promise(1, kTestTerm + 1, 98)).code(), v1::REPLICA_CODE_STALE);
  EXPECT_EQ(Run(Promise(1, kTestTerm + 2, 98)).code(), v1::REPLICA_CODE_STALE);
  EXPECT_EQ(Run(Promise(1, kTestTerm + 2, 99)).code(), v1::REPLICA_CODE_OK);  // said again
  store_.CrashLosingUnsynced(0);
  Open(Boot(2));
  EXPECT_EQ(Run(Apply("k", kTestTerm, 1, "x")).code(), v1::REPLICA_CODE_STALE);
}

TEST_F(ReplicaTest, PromiseInTheMiddleOfABatchDividesIt) {
  std::vector<v1::ReplicaOpReply> replies =
      Run({Apply("k", 3, 1, "before"), Promise(1, kTestTerm + 1, 99), Apply("k", 3, 2, "after")});
  EXPECT_EQ(replies[0].code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(replies[1].code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(replies[2].code(), v1::REPLICA_CODE_STALE);
}

TEST_F(ReplicaTest, OtherIncarnationOrSlotIsRefused) {
  v1::ReplicaOp other = Read("k");
  other.set_inc(2);
  EXPECT_EQ(Run(other).code(), v1::REPLICA_CODE_NO_INSTANCE);
  v1::ReplicaOp none = Read("k");
  none.set_slot(kTestSlots);
  EXPECT_EQ(Run(none).code(), v1::REPLICA_CODE_INVALID);
}

TEST_F(ReplicaTest, VersionAboveTheBoundIsWrittenWithoutALookUp) {
  Run(Apply("k", 3, 1, "x"));
  EXPECT_EQ(replica_->stats().version_reads, 1u);  // after a start nothing is known
  Run(Contact(Boot(1), 1));
  Run(Apply("k", 3, 2, "y"));
  EXPECT_EQ(replica_->stats().version_reads, 1u);
  Run(Apply("k", 3, 2, "y"));  // again: not above what it can hold
  EXPECT_EQ(replica_->stats().version_reads, 2u);
}

TEST_F(ReplicaTest, LateContactOfAnEarlierBootDoesNotLowerTheBound) {
  Run(Apply("k", 3, 9, "nine"));
  Open(Boot(2));
  EXPECT_EQ(Run(Contact(Boot(1), 5)).code(), v1::REPLICA_CODE_WRONG_BOOT);
  Run(Apply("k", 3, 8, "eight"));
  EXPECT_EQ(Value("k"), "nine");
  // One that is late within the boot: what was applied meanwhile counts.
  Run(Apply("k", 3, 12, "twelve"));
  EXPECT_EQ(Run(Contact(Boot(2), 10)).code(), v1::REPLICA_CODE_OK);
  Run(Apply("k", 3, 11, "eleven"));
  EXPECT_EQ(Value("k"), "twelve");
}

TEST_F(ReplicaTest, UnreadableRecordIsCorruptionAndOnlyARepairReplacesIt) {
  Run(Apply("k", 3, 5, "good"));
  ASSERT_TRUE(store_.CorruptRecord({SlotId(5), Incarnation(1), "k"}));
  EXPECT_EQ(Run(Read("k")).code(), v1::REPLICA_CODE_CORRUPTION);
  EXPECT_EQ(Run(Apply("k", 3, 4, "old")).code(), v1::REPLICA_CODE_CORRUPTION);
  v1::ReplicaOp repair = Apply("k", 3, 5, "good");
  repair.mutable_apply()->set_repair(true);
  EXPECT_EQ(Run(repair).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Value("k"), "good");
}

TEST_F(ReplicaTest, OfTwoRepairsInOneTurnTheNewerStays) {
  Run(Apply("k", 3, 5, "good"));
  ASSERT_TRUE(store_.CorruptRecord({SlotId(5), Incarnation(1), "k"}));
  v1::ReplicaOp newer = Apply("k", 3, 7, "newer"), older = Apply("k", 3, 6, "older");
  newer.mutable_apply()->set_repair(true);
  older.mutable_apply()->set_repair(true);
  Run({newer, older});
  EXPECT_EQ(Value("k"), "newer");
}

TEST_F(ReplicaTest, UnreadableRecordIsForgottenOnlyByARepairThatSaysSo) {
  Run(Apply("k", 3, 5, "leftover"));
  v1::ReplicaOp forget = Op();
  forget.mutable_apply()->set_key("k");
  forget.mutable_apply()->set_forget(true);
  EXPECT_EQ(Run(forget).code(), v1::REPLICA_CODE_INVALID) << "it is no repair";
  forget.mutable_apply()->set_repair(true);
  EXPECT_EQ(Run(forget).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Value("k"), "leftover") << "it can be read";
  ASSERT_TRUE(store_.CorruptRecord({SlotId(5), Incarnation(1), "k"}));
  // In one turn with a write of the key, that one stays.
  v1::ReplicaOp mend = Apply("k", 3, 6, "mended");
  mend.mutable_apply()->set_repair(true);
  Run({mend, forget});
  EXPECT_EQ(Value("k"), "mended");
  ASSERT_TRUE(store_.CorruptRecord({SlotId(5), Incarnation(1), "k"}));
  EXPECT_EQ(Run(forget).code(), v1::REPLICA_CODE_OK);
  const v1::ReplicaOpReply read = Run(Read("k"));
  EXPECT_EQ(read.code(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(read.read().absent());
}

TEST_F(ReplicaTest, RecordOfALaterTermThanItsSenderIsRefused) {
  EXPECT_EQ(Run(Apply("k", kTestTerm + 1, 1, "x")).code(), v1::REPLICA_CODE_INVALID);
  EXPECT_EQ(Run(Apply("k", 0, 1, "x")).code(), v1::REPLICA_CODE_INVALID);
  EXPECT_EQ(Run(Apply("", 3, 1, "x")).code(), v1::REPLICA_CODE_INVALID);
}

TEST_F(ReplicaTest, DiskErrorEndsTheExecution) {
  store_.SetDiskError(true);
  v1::ReplicaOp op = Apply("k", 3, 1, "x");
  std::vector<const v1::ReplicaOp*> ops = {&op};
  std::vector<v1::ReplicaOpReply> replies;
  EXPECT_EQ(replica_->Execute(ops, &replies).code(), StatusCode::kIoError);
}

TEST_F(ReplicaTest, FullDiskTakesWhatWasBegunAndDeletesAndAnswersReads) {
  Run(Apply("a", kTestTerm, 1, "old"));
  replica_->SetDiskSpace(DiskSpace::kInReserve);
  EXPECT_EQ(Run(Apply("a", kTestTerm, 2, "late")).code(), v1::REPLICA_CODE_OK);
  replica_->SetDiskSpace(DiskSpace::kSpent);
  EXPECT_EQ(Run(Apply("a", kTestTerm, 3, "new")).code(), v1::REPLICA_CODE_DISK_FULL);
  EXPECT_EQ(Value("a"), "late");
  v1::ReplicaOp erase = Apply("a", kTestTerm, 4, "");
  erase.mutable_apply()->mutable_record()->set_tombstone(true);
  EXPECT_EQ(Run(erase).code(), v1::REPLICA_CODE_OK);
  EXPECT_TRUE(Run(Read("a")).read().record().tombstone());
  // Who may not write at all is told that first.
  v1::ReplicaOp stale = Apply("a", kTestTerm - 1, 5, "x");
  stale.set_term(kTestTerm - 1);
  EXPECT_EQ(Run(stale).code(), v1::REPLICA_CODE_STALE);
  replica_->SetDiskSpace(DiskSpace::kPlenty);
  EXPECT_EQ(Run(Apply("a", kTestTerm, 5, "new")).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Value("a"), "new");
}

TEST_F(ReplicaTest, ScanGivesAPageInOrderWithTombstones) {
  v1::ReplicaOp deleted = Apply("b", 3, 2, "");
  deleted.mutable_apply()->mutable_record()->set_tombstone(true);
  Run({Apply("c", 3, 1, "3"), deleted, Apply("a", 3, 3, "1")});
  v1::ReplicaOp scan = Op();
  scan.mutable_scan()->set_max_bytes(1 << 20);
  scan.mutable_scan()->set_max_entries(2);
  v1::ReplicaOpReply page = Run(scan);
  ASSERT_EQ(page.scan().entries_size(), 2);
  EXPECT_EQ(page.scan().entries(0).key(), "a");
  EXPECT_TRUE(page.scan().entries(1).record().tombstone());
  EXPECT_FALSE(page.scan().complete());
}

}  // namespace
}  // namespace ringkv
