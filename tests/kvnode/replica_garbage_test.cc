// Floors and what they let go (docs/protocol.md, R7): nobody sees whether a sweep was there.
#include "tests/kvnode/replica_pair.h"

namespace ringkv {
namespace {

v1::ReplicaOp Delete(const std::string& key, uint32_t term, uint64_t seq) {
  v1::ReplicaOp op = Apply(key, term, seq, "");
  op.mutable_apply()->mutable_record()->set_tombstone(true);
  return op;
}

v1::ReplicaOp Expiring(const std::string& key, uint32_t term, uint64_t seq, uint64_t at_ms) {
  v1::ReplicaOp op = Apply(key, term, seq, "expires");
  op.mutable_apply()->mutable_record()->set_expires_at_ms(at_ms);
  return op;
}

v1::ReplicaOp SetFloor(uint32_t term, uint64_t seq, Boot boot, uint64_t expired_before_ms = 0) {
  v1::ReplicaOp op = Op();
  ToProto(Version{Term(term), seq}, op.mutable_set_floor()->mutable_floor());
  op.mutable_set_floor()->set_boot(boot.value());
  op.mutable_set_floor()->set_expired_before_ms(expired_before_ms);
  return op;
}

v1::Record ReadOf(TestNode& node, const std::string& key) {
  v1::ReplicaOp read = Op();
  read.mutable_read()->set_key(key);
  return node.Run(read).read().record();
}

std::string Seen(TestNode& node, const std::string& key) {
  const v1::Record record = ReadOf(node, key);
  return FromProto(record.version()).ToString() + (record.tombstone() ? " gone" : "");
}

void SweepAll(TestNode& node, MonoTime now = {}) {
  for (int i = 0; i < 1000; ++i) {
    auto more = node.replica->SweepStep(now);
    ASSERT_TRUE(more.ok());
    if (!*more) return;
  }
  FAIL() << "a sweep without end";
}

std::vector<std::string> KeysOnDisk(TestNode& node) {
  std::vector<std::string> keys;
  auto page = node.store.Scan(SlotId(kSlot), Incarnation(1), "", "", {});
  for (const StoredEntry& entry : page->entries) keys.push_back(entry.key);
  return keys;
}

TEST(ReplicaGarbage, WhatTheFloorLetsGoReadsAsAbsentBeforeAndAfterTheSweep) {
  TestNode node(Boot(5));
  node.RunAll({Apply("kept", 2, 1, "v"), Delete("deleted", 2, 2), Expiring("expired", 2, 3, 1000),
               Expiring("lives on", 2, 4, 3000), Delete("deleted later", 2, 6)});
  ASSERT_EQ(node.Run(SetFloor(2, 5, Boot(5), 2000)).code(), v1::REPLICA_CODE_OK);
  auto check = [&node] {
    EXPECT_EQ(Seen(node, "kept"), "2.1");
    EXPECT_EQ(Seen(node, "deleted"), "2.5 gone");
    EXPECT_EQ(Seen(node, "expired"), "2.5 gone");
    EXPECT_EQ(Seen(node, "lives on"), "2.4");
    EXPECT_EQ(Seen(node, "deleted later"), "2.6 gone");
    EXPECT_EQ(Seen(node, "never there"), "2.5 gone");
  };
  check();
  EXPECT_EQ(KeysOnDisk(node).size(), 5u);
  SweepAll(node);
  EXPECT_EQ(KeysOnDisk(node), (std::vector<std::string>{"deleted later", "kept", "lives on"}));
  EXPECT_EQ(node.replica->stats().collected, 2u);
  check();
}

// What is damaged is its owner's to mend; everything else is collected all the same.
TEST(ReplicaGarbage, SweepPassesDamagedRecordsBy) {
  TestNode node(Boot(5));
  node.RunAll({Delete("a", 2, 1), Delete("b", 2, 2), Apply("c", 2, 3, "v"), Delete("d", 2, 4)});
  for (const char* key : {"a", "d"})
    ASSERT_TRUE(node.store.CorruptRecord({SlotId(kSlot), Incarnation(1), key}));
  ASSERT_EQ(node.Run(SetFloor(2, 5, Boot(5), 2000)).code(), v1::REPLICA_CODE_OK);
  SweepAll(node);
  EXPECT_EQ(node.replica->stats().collected, 1u);
  v1::ReplicaOp mend = Apply("d", 2, 4, "");
  mend.mutable_apply()->mutable_record()->set_tombstone(true);
  mend.mutable_apply()->set_repair(true);
  node.Run(mend);
  // They may be garbage: the next floor is a reason to look again.
  ASSERT_EQ(node.Run(SetFloor(2, 6, Boot(5), 2000)).code(), v1::REPLICA_CODE_OK);
  SweepAll(node);
  EXPECT_EQ(node.replica->stats().collected, 2u);
}

TEST(ReplicaGarbage, ScanGivesCollectedRecordsAsTombstonesAtTheFloor) {
  TestNode node(Boot(5));
  node.RunAll({Apply("a", 2, 1, "v"), Expiring("b", 2, 2, 1000)});
  node.Run(SetFloor(2, 4, Boot(5), 1000));
  v1::ReplicaOp scan = Op();
  scan.mutable_scan()->set_max_entries(10);
  scan.mutable_scan()->set_max_bytes(1000);
  const v1::ReplicaOpReply reply = node.Run(scan);
  ASSERT_EQ(reply.scan().entries_size(), 2);
  EXPECT_FALSE(reply.scan().entries(0).record().tombstone());
  EXPECT_TRUE(reply.scan().entries(1).record().tombstone());
  EXPECT_EQ(FromProto(reply.scan().entries(1).record().version()), (Version{Term(2), 4}));
  EXPECT_EQ(reply.scan().entries(1).record().value(), "");
}

TEST(ReplicaGarbage, LatePutBelowTheFloorDoesNotComeBack) {
  for (bool swept : {false, true}) {
    TestNode node(Boot(5));
    node.RunAll({Apply("k", 2, 1, "old"), Delete("k", 2, 2)});
    node.Run(SetFloor(2, 4, Boot(5)));
    if (swept) SweepAll(node);
    const v1::ReplicaOpReply reply = node.Run(Apply("k", 2, 3, "late"));
    EXPECT_EQ(FromProto(reply.apply().stored()), (Version{Term(2), 4}));
    EXPECT_EQ(Seen(node, "k"), "2.4 gone");
    node.Run(Apply("k", 2, 5, "new"));
    EXPECT_EQ(Seen(node, "k"), "2.5");
  }
}

TEST(ReplicaGarbage, FloorIsBoundToTheBootAndSurvivesAStart) {
  TestNode node(Boot(5));
  node.Run(Delete("k", 2, 1));
  EXPECT_EQ(node.Run(SetFloor(2, 2, Boot(4))).code(), v1::REPLICA_CODE_WRONG_BOOT);
  EXPECT_EQ(Seen(node, "k"), "2.1 gone");
  EXPECT_EQ(node.Run(SetFloor(2, 2, Boot(5))).code(), v1::REPLICA_CODE_OK);
  node.store.CrashLosingUnsynced(0);
  node.Open(Boot(6));
  EXPECT_EQ(Seen(node, "k"), "2.2 gone");
  // It never falls.
  EXPECT_EQ(node.Run(SetFloor(2, 1, Boot(6))).code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Seen(node, "k"), "2.2 gone");
}

TEST(ReplicaGarbage, ReplySaysWhetherALaterFloorMayLetMoreGo) {
  TestNode node(Boot(5));
  node.RunAll({Delete("a", 2, 1), Delete("b", 2, 3)});
  EXPECT_TRUE(node.Run(SetFloor(2, 2, Boot(5))).set_floor().garbage_left());
  SweepAll(node);
  EXPECT_TRUE(node.Run(SetFloor(2, 3, Boot(5))).set_floor().garbage_left());
  SweepAll(node);
  EXPECT_FALSE(node.Run(SetFloor(2, 3, Boot(5))).set_floor().garbage_left());
  EXPECT_TRUE(KeysOnDisk(node).empty());
}

TEST(ReplicaGarbage, TargetThatStillHasWhatTheSourceCollectedGivesItUp) {
  TestNode source(Boot(3)), target(Boot(7), /*voting=*/false);
  source.RunAll({Apply("live", 2, 1, "v"), Delete("k", 2, 3)});
  source.Run(SetFloor(2, 4, Boot(3)));
  SweepAll(source);
  target.RunAll({Apply("live", 2, 1, "v"), Apply("k", 2, 2, "old")});
  target.Run(Pull(1, Boot(7), Boot(3)));
  Carry(target, source);
  EXPECT_EQ(target.Run(Pull(1, Boot(7), Boot(3))).pull().state(), v1::PULL_STATE_DONE);
  EXPECT_EQ(Seen(target, "k"), "2.4 gone");
  EXPECT_EQ(Seen(target, "live"), "2.1");
  EXPECT_EQ(Seen(target, "other"), "2.4 gone");  // the floor was adopted
  SweepAll(target);
  EXPECT_EQ(KeysOnDisk(target), (std::vector<std::string>{"live"}));
}

TEST(ReplicaGarbage, ALongInstanceIsSweptInSteps) {
  TestNode node(Boot(5));
  std::vector<v1::ReplicaOp> ops;
  for (uint64_t i = 1; i <= 2000; ++i) ops.push_back(Delete("k" + std::to_string(i), 2, i));
  node.RunAll(ops);
  node.Run(SetFloor(2, 1500, Boot(5)));
  ASSERT_TRUE(*node.replica->SweepStep({}));
  EXPECT_GT(node.replica->stats().collected, 0u);
  EXPECT_LT(node.replica->stats().collected, 1000u);
  SweepAll(node);
  EXPECT_EQ(node.replica->stats().collected, 1500u);
  EXPECT_EQ(KeysOnDisk(node).size(), 500u);
}

TEST(GarbageEstimate, ASweepIsDueWhenItIsWorthwhileOrLate) {
  const Floor first{{Term(2), 10}, 0}, later{{Term(2), 20}, 0};
  const MonoTime start{};
  GarbageEstimate estimate;
  v1::Record tombstone;
  tombstone.set_tombstone(true);
  EXPECT_FALSE(estimate.Due(Floor{}, start));
  EXPECT_TRUE(estimate.Due(first, start)) << "nothing is known after a start";
  estimate.OnSwept(first, 1000, 0, start);
  EXPECT_FALSE(estimate.Due(first, start)) << "the floor has not moved";
  EXPECT_FALSE(estimate.Due(later, start + 2 * GarbageEstimate::kAtLatest)) << "no suspects";
  estimate.OnWrite(tombstone);
  EXPECT_FALSE(estimate.Due(later, start)) << "one of a thousand";
  EXPECT_TRUE(estimate.Due(later, start + GarbageEstimate::kAtLatest));
  for (int i = 0; i < 20; ++i) estimate.OnWrite(tombstone);
  EXPECT_TRUE(estimate.Due(later, start));
  estimate.OnFailed(start);
  EXPECT_FALSE(estimate.Due(later, start));
  EXPECT_TRUE(estimate.Due(later, start + GarbageEstimate::kAtLatest));
}

}  // namespace
}  // namespace ringkv
