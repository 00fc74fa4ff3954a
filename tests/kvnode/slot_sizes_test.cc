#include "kvnode/slot_sizes.h"

#include <gtest/gtest.h>

#include "kvnode/memory_store.h"
#include "tests/kvnode/records.h"
#include "tests/kvnode/replica_requests.h"

namespace ringkv {
namespace {

TEST(SlotSizes, ListsWhatTheDiskHoldsAndNothingThatIsRetired) {
  MemoryStore store;
  PrepareDisk(store);  // instance 1 of every slot
  v1::DiskInstance retired, fresh;
  retired.set_retired(true);
  StoreBatch batch;
  batch.PutMeta(InstanceMetaName(SlotId(5), Incarnation(1)), retired.SerializeAsString());
  batch.PutMeta(InstanceMetaName(SlotId(5), Incarnation(12)), fresh.SerializeAsString());
  ASSERT_TRUE(store.Write(batch, false).ok());
  PutValue(store, Key("dropped soon", 5, 1), std::string(9000, 'v'));
  PutValue(store, Key("k", 5, 12), std::string(100, 'v'));
  PutValue(store, Key("k", 15, 1), std::string(200, 'v'));

  const auto sizes = SlotSizesOf(store);
  ASSERT_TRUE(sizes.ok()) << sizes.status().ToString();
  ASSERT_EQ(sizes->slots_size(), static_cast<int>(kTestSlots));
  for (int i = 0; i < sizes->slots_size(); ++i) {
    EXPECT_EQ(sizes->slots(i), static_cast<uint32_t>(i));
    EXPECT_EQ(sizes->incs(i), i == 5 ? 12u : 1u);
  }
  constexpr uint64_t kAround = 12 + 1 + 30;  // slot, incarnation, key; header of the record
  EXPECT_EQ(sizes->bytes(5), kAround + 100);
  EXPECT_EQ(sizes->bytes(15), kAround + 200);
  EXPECT_EQ(sizes->bytes(6), 0u);
}

TEST(SlotSizes, DiskErrorIsAnErrorAndNotAnEmptyList) {
  MemoryStore store;
  PrepareDisk(store);
  store.SetDiskError(true);
  EXPECT_EQ(SlotSizesOf(store).status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace ringkv
