// Readers and writers at once; to be run under the thread sanitizer too (./dev build --preset
// tsan).
#include "ring/ring_publisher.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/random.h"
#include "tests/ring/cluster_fixture.h"
#include "tests/ring/wait_for.h"

namespace ringkv {
namespace {

// One of: a further node, one less, another weight.
Ring Changed(const Ring& ring, uint32_t number, Random& random) {
  const auto any = [&] { return ring.member(ring.nodes()[random.Below(ring.nodes().size())]).id; };
  if (ring.nodes().size() <= 4 || random.Chance(0.4)) {
    return AddNode(ring, Node(number)).value().next;
  }
  if (ring.nodes().size() >= 12 || random.Chance(0.5)) return RemoveNode(ring, any()).value().next;
  return SetVnodes(ring, any(), static_cast<uint32_t>(random.Between(1, 200))).value().next;
}

// What is wrong with a ring that was freed or is not whole; empty: nothing.
std::string Fault(const Ring& ring, SlotId slot) {
  auto row = ring.Replicas(slot);
  if (row.size() != ring.replicas()) return "a row of another length";
  for (auto a = row.begin(); a != row.end(); ++a) {
    if (!ring.Has(*a)) return "a replica on no member";
    if (ring.Find(ring.member(*a).id) != *a) return "a member that is not found by its id";
    for (auto b = row.begin(); b != a; ++b) {
      if (*a == *b) return "two replicas on one node";
    }
  }
  return "";
}

// Reads without a break, now and then going offline. Checks every ring that it gets.
class ReadingThread {
 public:
  ReadingThread(RingPublisher& rings, uint64_t seed)
      : thread_([this, &rings, seed] { Run(rings, seed); }) {}
  ~ReadingThread() { Join(); }

  Epoch seen() const { return Epoch(seen_.load()); }
  uint64_t rings() const { return rings_; }  // after Join
  void Join() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run(RingPublisher& rings, uint64_t seed) {
    Random random(seed);
    RingReader reader(rings);
    Epoch last;
    while (!stop_) {
      const Ring& ring = reader.ring();
      const Ring& newer = reader.ring();
      EXPECT_GE(ring.epoch(), last);
      EXPECT_GE(newer.epoch(), ring.epoch());
      last = newer.epoch();
      if (last != Epoch(seen_.load())) ++rings_;
      for (int i = 0; i < 4; ++i) {
        const SlotId slot(static_cast<uint32_t>(random.Below(ring.slots())));
        EXPECT_EQ(Fault(ring, slot), "");
        EXPECT_EQ(Fault(newer, slot), "");
      }
      seen_ = last.value();
      if (random.Chance(0.7)) reader.Quiescent();
      if (random.Chance(0.2)) {
        reader.Offline();
        reader.Online();
      }
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> seen_{0};
  uint64_t rings_ = 0;
  std::thread thread_;  // last: it uses the others
};

TEST(RingPublisherTest, ReadersSeeWholeRingsInOrderWhileAWriterPublishes) {
  constexpr uint32_t kChanges = 600;
  Random random(20);
  auto first = std::make_shared<const Ring>(Formed(6, 3, 64));
  RingPublisher rings(first);
  std::vector<std::weak_ptr<const Ring>> published = {first};
  std::vector<std::unique_ptr<ReadingThread>> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.push_back(std::make_unique<ReadingThread>(rings, seed));
  }
  Ring ring = *first;
  first.reset();
  for (uint32_t change = 0; change < kChanges; ++change) {
    ring = Changed(ring, 100 + change, random);
    auto next = std::make_shared<const Ring>(ring);
    published.push_back(next);
    rings.Publish(std::move(next));
    if (change % 20 != 0) continue;
    // So that readers take part all the way, whatever the machine does.
    for (auto& reader : readers) {
      ASSERT_TRUE(WaitFor([&] { return reader->seen() >= ring.epoch(); }));
    }
  }
  for (auto& reader : readers) {
    reader->Join();
    EXPECT_GE(reader->rings(), kChanges / 20);
  }
  EXPECT_EQ(rings.Reclaim(), 0u);
  for (size_t i = 0; i + 1 < published.size(); ++i) EXPECT_TRUE(published[i].expired()) << i;
  EXPECT_EQ(published.back().lock(), rings.current());
}

TEST(RingPublisherTest, SeveralWritersTakeTurnsAndNothingIsLost) {
  constexpr int kEach = 300;
  const Ring ring = Formed(4, 3, 16);
  std::atomic<int> alive{0};
  auto counted = [&] {
    ++alive;
    return std::shared_ptr<const Ring>(new Ring(ring), [&alive](const Ring* gone) {
      delete gone;
      --alive;
    });
  };
  {
    RingPublisher rings(counted());
    ReadingThread reader(rings, 5);
    EXPECT_TRUE(WaitFor([&] { return reader.seen() == ring.epoch(); }));
    std::vector<std::thread> writers;
    for (int i = 0; i < 3; ++i) {
      writers.emplace_back([&] {
        for (int n = 0; n < kEach; ++n) rings.Publish(counted());
      });
    }
    for (std::thread& writer : writers) writer.join();
    reader.Join();
    EXPECT_EQ(rings.Reclaim(), 0u);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

// The hard case of snapshot_publisher.cc, over and over: coming online against a publication that
// looks at the same time.
TEST(RingPublisherTest, AReaderThatComesOnlineDuringAPublicationIsNotOverlooked) {
  constexpr int kRounds = 20'000;
  const Ring ring = Formed(3, 3, 16);
  RingPublisher rings(std::make_shared<const Ring>(ring));
  std::atomic<int> rounds{0};
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    RingReader reader(rings);
    while (!stop) {
      reader.Offline();
      reader.Online();
      const Ring& got = reader.ring();
      EXPECT_EQ(Fault(got, SlotId(3)), "");
      EXPECT_EQ(got.epoch(), ring.epoch());
      ++rounds;
    }
  });
  EXPECT_TRUE(WaitFor([&] {
    rings.Publish(std::make_shared<const Ring>(ring));
    return rounds >= kRounds;
  }));
  stop = true;
  thread.join();
  EXPECT_EQ(rings.Reclaim(), 0u);
}

}  // namespace
}  // namespace ringkv
