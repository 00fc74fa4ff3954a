// What is kept for readers and what is freed, step by step on one thread: the publisher cannot tell
// it from several. Readers and writers at once: tests/ring/ring_publisher_test.cc.
#include "base/snapshot_publisher.h"

#include <gtest/gtest.h>

#include <optional>

namespace ringkv {
namespace {

using Publisher = SnapshotPublisher<int>;
using Reader = SnapshotReader<int>;

class SnapshotPublisherTest : public testing::Test {
 protected:
  // Publishes it and keeps an eye on it.
  std::weak_ptr<const int> Publish(int value) {
    auto next = std::make_shared<const int>(value);
    std::weak_ptr<const int> watched = next;
    publisher_.Publish(std::move(next));
    return watched;
  }

  Publisher publisher_{std::make_shared<const int>(0)};
};

TEST_F(SnapshotPublisherTest, AReaderSeesTheFirstValueAndThenEachNewOne) {
  Reader reader(publisher_);
  EXPECT_EQ(reader.value(), 0);
  Publish(1);
  EXPECT_EQ(reader.value(), 1);
  EXPECT_EQ(*publisher_.current(), 1);
}

TEST_F(SnapshotPublisherTest, WithoutReadersAReplacedValueIsFreedAtOnce) {
  auto first = Publish(1);
  EXPECT_FALSE(first.expired());
  Publish(2);
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(publisher_.retired(), 0u);
}

TEST_F(SnapshotPublisherTest, AValueIsKeptUntilItsReaderIsQuiescent) {
  auto first = Publish(1);
  Reader reader(publisher_);
  const int& used = reader.value();
  Publish(2);
  EXPECT_EQ(publisher_.Reclaim(), 1u);
  ASSERT_FALSE(first.expired());
  EXPECT_EQ(used, 1);
  reader.Quiescent();
  EXPECT_FALSE(first.expired()) << "a reader frees nothing itself";
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, TheNextPublishFreesWhatReadersLetGo) {
  auto first = Publish(1);
  Reader reader(publisher_);
  auto second = Publish(2);
  reader.Quiescent();
  Publish(3);
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired()) << "the reader may have got it after it was quiescent";
  EXPECT_EQ(publisher_.retired(), 1u);
}

TEST_F(SnapshotPublisherTest, EveryReaderHasToLetGo) {
  auto first = Publish(1);
  Reader a(publisher_);
  Reader b(publisher_);
  Publish(2);
  a.Quiescent();
  EXPECT_EQ(publisher_.Reclaim(), 1u);
  EXPECT_FALSE(first.expired());
  b.Quiescent();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, AStuckReaderKeepsEverythingAndFreesAllOfItWhenItMoves) {
  Reader stuck(publisher_);
  Reader lively(publisher_);
  std::vector<std::weak_ptr<const int>> published;
  constexpr int kPublished = 100;
  for (int i = 1; i <= kPublished; ++i) {
    published.push_back(Publish(i));
    lively.Quiescent();
    EXPECT_EQ(publisher_.retired(), static_cast<size_t>(i));
  }
  for (const auto& value : published) EXPECT_FALSE(value.expired());
  stuck.Quiescent();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  for (int i = 0; i < kPublished - 1; ++i) EXPECT_TRUE(published[i].expired()) << i + 1;
  EXPECT_FALSE(published.back().expired()) << "it is the current one";
}

TEST_F(SnapshotPublisherTest, AnOfflineReaderHoldsNothingBack) {
  auto first = Publish(1);
  Reader reader(publisher_);
  reader.Offline();
  Publish(2);
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(publisher_.retired(), 0u);
}

TEST_F(SnapshotPublisherTest, AReaderThatIsBackOnlineSeesTheNewestAndHoldsIt) {
  Reader reader(publisher_);
  reader.Offline();
  auto first = Publish(1);
  reader.Online();
  EXPECT_EQ(reader.value(), 1);
  Publish(2);
  EXPECT_EQ(publisher_.Reclaim(), 1u);
  EXPECT_FALSE(first.expired());
  reader.Offline();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, GoingOfflineLetsGo) {
  auto first = Publish(1);
  Reader reader(publisher_);
  Publish(2);
  ASSERT_FALSE(first.expired());
  reader.Offline();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, AReaderThatEndsHoldsNothingBack) {
  auto first = Publish(1);
  std::optional<Reader> reader(publisher_);
  Publish(2);
  EXPECT_EQ(publisher_.Reclaim(), 1u);
  reader.reset();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, AReaderHoldsBackNothingThatWasReplacedBeforeItCame) {
  Reader early(publisher_);
  auto first = Publish(1);
  Publish(2);
  Reader late(publisher_);
  EXPECT_EQ(late.value(), 2);
  early.Quiescent();
  EXPECT_EQ(publisher_.Reclaim(), 0u);
  EXPECT_TRUE(first.expired());
}

TEST_F(SnapshotPublisherTest, WhoKeepsTheSharedPointerKeepsTheValue) {
  Publish(1);
  std::shared_ptr<const int> kept = publisher_.current();
  Publish(2);
  EXPECT_EQ(publisher_.retired(), 0u);
  EXPECT_EQ(*kept, 1);
}

TEST(SnapshotPublisherDeathTest, APublisherThatGoesBeforeItsReadersEndsTheProgram) {
  EXPECT_DEATH(
      {
        auto publisher = std::make_unique<Publisher>(std::make_shared<const int>(0));
        Reader reader(*publisher);
        publisher.reset();
      },
      "outlives its readers");
}

}  // namespace
}  // namespace ringkv
