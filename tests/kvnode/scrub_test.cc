#include "kvnode/scrub.h"

#include <gtest/gtest.h>

#include "kvnode/instance_facts.h"
#include "kvnode/memory_store.h"
#include "tests/kvnode/records.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ScrubTest : public testing::Test {
 protected:
  static constexpr uint32_t kInstances = 10;

  ScrubTest() {
    for (uint32_t slot = 0; slot < kInstances; ++slot) {
      MakeInstance(slot, {});
      for (int i = 0; i < 20; ++i) {
        PutValue(store_, Key("k" + std::to_string(i), slot), std::string(1'000, 'v'));
      }
    }
    options_.period = seconds(100);
  }

  void MakeInstance(uint32_t slot, const v1::DiskInstance& fact) {
    StoreBatch batch;
    batch.PutMeta(InstanceMetaName(SlotId(slot), Incarnation(3)), fact.SerializeAsString());
    ASSERT_TRUE(store_.Write(batch, true).ok());
  }

  void Begin() {
    scrub_ = std::make_unique<Scrub>(store_, clock_, Random(1), options_);
    next_ = clock_.Now();
  }

  void RunFor(Duration time) {
    const MonoTime end = clock_.Now() + time;
    while (next_ <= end) {
      clock_.Set(std::max(clock_.Now(), next_));
      const uint64_t before = scrub_->stats().bytes;
      const auto next = scrub_->Step();
      ASSERT_TRUE(next.ok()) << next.status().ToString();
      most_at_once_ = std::max(most_at_once_, scrub_->stats().bytes - before);
      next_ = *next;
    }
    clock_.Set(end);
  }

  MemoryStore store_;
  SimulatedClock clock_;
  Scrub::Options options_;
  std::unique_ptr<Scrub> scrub_;
  MonoTime next_;
  uint64_t most_at_once_ = 0;
};

TEST_F(ScrubTest, ReadsEverythingOnceInItsPeriodAndEvenly) {
  Begin();
  RunFor(seconds(49));
  EXPECT_EQ(scrub_->stats().records, 100u);
  RunFor(seconds(50));
  EXPECT_EQ(scrub_->stats().records, 200u);
  EXPECT_EQ(scrub_->stats().bytes, 10u * (20 * 1'000 + 10 * 2 + 10 * 3));
  EXPECT_EQ(scrub_->stats().cycles, 1u);
  RunFor(seconds(300));
  EXPECT_EQ(scrub_->stats().cycles, 4u);
  EXPECT_TRUE(scrub_->damaged().empty());
}

TEST_F(ScrubTest, NeverReadsFasterThanItsRateHoweverShortThePeriod) {
  for (int i = 0; i < 40; ++i) {
    PutValue(store_, Key("large" + std::to_string(i), 4), std::string(900'000, 'v'));
  }
  options_.period = milliseconds(1);
  options_.max_bytes_per_second = 4u << 20;
  Begin();
  RunFor(seconds(5));
  EXPECT_LE(scrub_->stats().bytes, 22u << 20);
  EXPECT_GE(scrub_->stats().bytes, 18u << 20);
  EXPECT_LE(most_at_once_, 1u << 20);
}

TEST_F(ScrubTest, UnreadableRecordIsNamedUntilItCanBeReadAgain) {
  ASSERT_TRUE(store_.CorruptRecord(Key("k7", 5)));
  ASSERT_TRUE(store_.CorruptRecord(Key("k8", 5)));
  Begin();
  RunFor(seconds(99));
  ASSERT_EQ(scrub_->damaged().size(), 2u);
  EXPECT_EQ(scrub_->damaged()[0].slot(), 5u);
  EXPECT_EQ(scrub_->damaged()[0].inc(), 3u);
  EXPECT_EQ(scrub_->damaged()[0].key(), "k7");
  EXPECT_EQ(scrub_->stats().records, 198u);
  RunFor(seconds(200));
  EXPECT_EQ(scrub_->stats().unreadable_found, 2u) << "it is one finding, however often it is met";
  PutValue(store_, Key("k7", 5), "mended");
  RunFor(seconds(2));
  ASSERT_EQ(scrub_->damaged().size(), 1u);
  EXPECT_EQ(scrub_->damaged()[0].key(), "k8");
  StoreBatch forget;
  forget.EraseRecord(Key("k8", 5));
  ASSERT_TRUE(store_.Write(forget, true).ok());
  RunFor(seconds(2));
  EXPECT_TRUE(scrub_->damaged().empty());
  EXPECT_EQ(scrub_->stats().mended, 2u);
  EXPECT_EQ(scrub_->stats().unreadable, 0u);
}

TEST_F(ScrubTest, RemembersABoundedNumber) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store_.CorruptRecord(Key("k" + std::to_string(i), 5)));
  }
  options_.max_remembered = 8;
  Begin();
  RunFor(seconds(99));
  EXPECT_EQ(scrub_->damaged().size(), 8u);
}

TEST_F(ScrubTest, RetiredInstancesAreLeftAloneAndEmptyDisksWaitedFor) {
  v1::DiskInstance retired;
  retired.set_retired(true);
  for (uint32_t slot = 0; slot < kInstances; ++slot) MakeInstance(slot, retired);
  Begin();
  RunFor(seconds(150));
  EXPECT_EQ(scrub_->stats().records, 0u);
  MakeInstance(2, {});
  RunFor(seconds(150));
  EXPECT_GE(scrub_->stats().records, 20u);
}

TEST_F(ScrubTest, DiskErrorIsAnError) {
  Begin();
  store_.SetDiskError(true);
  EXPECT_EQ(scrub_->Step().status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace ringkv
