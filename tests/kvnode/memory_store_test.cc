// What only the simulated store has: its faults. What both stores do is in store_test.cc.
#include "kvnode/memory_store.h"

#include <gtest/gtest.h>

#include "tests/kvnode/records.h"

namespace ringkv {
namespace {

StoreBatch MetaBatch(std::string name, std::string value) {
  StoreBatch batch;
  batch.PutMeta(std::move(name), std::move(value));
  return batch;
}

TEST(MemoryStore, CrashOfTheProcessLosesNothing) {
  MemoryStore store;
  PutValue(store, Key("a"), "1");
  store.Crash();
  EXPECT_EQ(ValueOf(store, Key("a")), "1");
  EXPECT_EQ(store.unsynced_batches(), 1u);  // a loss of power may still take it
}

TEST(MemoryStore, LossOfPowerKeepsAPrefixOfTheUnsyncedTail) {
  for (size_t keep = 0; keep <= 6; ++keep) {
    MemoryStore store;
    PutValue(store, Key("synced"), "0", /*sync=*/true);
    for (int i = 1; i <= 5; ++i) {
      StoreBatch batch;
      const v1::Record record = MakeRecord(1, std::to_string(i));
      const std::string own_key = "k" + std::to_string(i);
      batch.PutRecord(Key("k"), record);
      batch.PutRecord(Key(own_key), record);
      batch.PutMeta("m", std::to_string(i));
      if (i == 3) batch.EraseRecord(Key("synced"));
      ASSERT_TRUE(store.Write(batch, false).ok());
    }
    EXPECT_EQ(store.unsynced_batches(), 5u);
    store.CrashLosingUnsynced(keep);
    const size_t kept = std::min<size_t>(keep, 5);
    EXPECT_EQ(ValueOf(store, Key("k")), kept == 0 ? "(absent)" : std::to_string(kept));
    EXPECT_EQ(store.GetMeta("m").ok(), kept > 0);
    if (kept > 0) {
      EXPECT_EQ(*store.GetMeta("m"), std::to_string(kept));
    }
    EXPECT_EQ(ValueOf(store, Key("synced")), kept >= 3 ? "(absent)" : "0");
    for (size_t i = 1; i <= 5; ++i) {
      const std::string key = "k" + std::to_string(i);
      EXPECT_EQ(ValueOf(store, Key(key)), i <= kept ? std::to_string(i) : "(absent)");
    }
    EXPECT_EQ(store.unsynced_batches(), 0u);
  }
}

TEST(MemoryStore, ASyncCoversEverythingBeforeIt) {
  MemoryStore store;
  PutValue(store, Key("a"), "1");
  ASSERT_TRUE(store.Write(MetaBatch("m", "1"), /*sync=*/true).ok());
  PutValue(store, Key("b"), "1");
  ASSERT_TRUE(store.Sync().ok());
  PutValue(store, Key("c"), "1");
  StoreBatch empty;
  ASSERT_TRUE(store.Write(empty, /*sync=*/true).ok());
  PutValue(store, Key("d"), "1");
  store.CrashLosingUnsynced(0);
  EXPECT_EQ(ValueOf(store, Key("a")), "1");
  EXPECT_EQ(ValueOf(store, Key("b")), "1");
  EXPECT_EQ(ValueOf(store, Key("c")), "1");
  EXPECT_EQ(ValueOf(store, Key("d")), "(absent)");
}

TEST(MemoryStore, ADroppedInstanceComesBackWhenTheDropWasNotSynced) {
  MemoryStore store;
  PutValue(store, Key("a"), "1", true);
  ASSERT_TRUE(store.DropInstance(SlotId(7), Incarnation(3)).ok());
  EXPECT_EQ(ValueOf(store, Key("a")), "(absent)");
  store.CrashLosingUnsynced(0);
  EXPECT_EQ(ValueOf(store, Key("a")), "1");
}

TEST(MemoryStore, RefusesEverythingAfterADiskErrorUntilItStartsAgain) {
  MemoryStore store;
  PutValue(store, Key("a"), "1");
  store.SetDiskError(true);
  EXPECT_EQ(store.Write(MetaBatch("m", "1"), false).code(), StatusCode::kIoError);
  store.SetDiskError(false);
  EXPECT_EQ(ValueOf(store, Key("a")), "i/o error");
  EXPECT_EQ(store.Sync().code(), StatusCode::kIoError);
  EXPECT_EQ(store.GetMeta("m").status().code(), StatusCode::kIoError);
  EXPECT_EQ(store.ListMeta("").status().code(), StatusCode::kIoError);
  EXPECT_EQ(store.DropInstance(SlotId(7), Incarnation(3)).code(), StatusCode::kIoError);
  EXPECT_EQ(store.Scan(SlotId(7), Incarnation(3), "", "", {}).status().code(),
            StatusCode::kIoError);
  store.Crash();
  EXPECT_EQ(ValueOf(store, Key("a")), "1");
  EXPECT_FALSE(store.GetMeta("m").ok());
}

TEST(MemoryStore, AWriteThatFailsMayHaveBeenApplied) {
  MemoryStore store;
  store.SetDiskErrorAfterNextWrite();
  EXPECT_EQ(store.Write(MetaBatch("m", "1"), true).code(), StatusCode::kIoError);
  EXPECT_EQ(store.Write(MetaBatch("n", "1"), true).code(), StatusCode::kIoError);
  store.SetDiskError(false);
  store.Crash();
  EXPECT_TRUE(store.GetMeta("m").ok());
  EXPECT_FALSE(store.GetMeta("n").ok());
  store.CrashLosingUnsynced(0);
  EXPECT_FALSE(store.GetMeta("m").ok());
}

TEST(MemoryStore, ADamagedRecordStaysDamagedUntilItIsWrittenAgain) {
  MemoryStore store;
  PutValue(store, Key("a"), "1", true);
  EXPECT_FALSE(store.CorruptRecord(Key("b")));
  EXPECT_TRUE(store.CorruptRecord(Key("a")));
  EXPECT_TRUE(store.CorruptRecord(Key("a")));
  EXPECT_EQ(ValueOf(store, Key("a")), "corruption");
  PutValue(store, Key("a"), "2");
  EXPECT_EQ(ValueOf(store, Key("a")), "2");
  store.CrashLosingUnsynced(0);
  EXPECT_EQ(ValueOf(store, Key("a")), "corruption");
}

TEST(MemoryStore, SnapshotRestoreAndWipe) {
  MemoryStore store;
  PutValue(store, Key("a"), "old");
  ASSERT_TRUE(store.Write(MetaBatch("m", "old"), false).ok());
  const auto image = store.Snapshot();
  PutValue(store, Key("a"), "new", true);
  PutValue(store, Key("b"), "new", true);
  store.Restore(*image);
  EXPECT_EQ(ValueOf(store, Key("a")), "old");
  EXPECT_EQ(ValueOf(store, Key("b")), "(absent)");
  EXPECT_EQ(*store.GetMeta("m"), "old");
  store.CrashLosingUnsynced(0);
  EXPECT_EQ(ValueOf(store, Key("a")), "old");
  store.Wipe();
  EXPECT_EQ(ValueOf(store, Key("a")), "(absent)");
  EXPECT_TRUE(store.ListMeta("")->empty());
  EXPECT_EQ(store.Stats().bytes, 0u);
}

}  // namespace
}  // namespace ringkv
