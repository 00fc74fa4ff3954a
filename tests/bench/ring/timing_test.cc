#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include "bench/ring/lookup_timing.h"
#include "bench/ring/measuring.h"
#include "bench/ring/quantities.h"
#include "bench/ring/schemes/huge_pages.h"

namespace ringkv::bench {
namespace {

TEST(TokenGenerator, FillsTheRangesOfTheTopBitsEvenly) {
  constexpr int kBitsLog2 = 10;
  constexpr int kTokensEach = 1000;
  for (uint64_t seed : {0u, 1u, 7u, 123'456'789u}) {
    TokenGenerator tokens(seed);
    std::vector<double> counts(size_t{1} << kBitsLog2, 0);
    for (size_t i = 0; i < counts.size() * kTokensEach; ++i) {
      ++counts[tokens.Next().value() >> (64 - kBitsLog2)];
    }
    double chi_squared = 0;
    for (double count : counts) chi_squared += (count - kTokensEach) * (count - kTokensEach);
    chi_squared /= kTokensEach;
    const double degrees = static_cast<double>(counts.size()) - 1;
    EXPECT_LT(chi_squared, degrees + 5 * std::sqrt(2 * degrees)) << "seed " << seed;
  }
}

TEST(TokenGenerator, JumpsBetweenSlots) {
  TokenGenerator tokens(1);
  std::set<uint64_t> steps;  // between the slots of one token and the next, of 4 096
  uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t slot = tokens.Next().value() >> 52;
    steps.insert((slot - last) & 0xfff);
    last = slot;
  }
  EXPECT_GT(steps.size(), 700u);  // of 1 000 random steps about 890 differ
}

// Finds the token's low bits, and keeps count.
struct Counted {
  mutable uint64_t primaries = 0, rows = 0;
  NodeIndex Primary(Token token) const { return ++primaries, NodeIndex(token.value() & 0xffff); }
  ThreeNodes Replicas(Token token) const {
    const auto low = static_cast<uint32_t>(token.value() & 0xffff);
    return ++rows, ThreeNodes{NodeIndex(low), NodeIndex(low + 1), NodeIndex(low + 2)};
  }
};
struct CountedPrimaries {
  NodeIndex Primary(Token token) const { return NodeIndex(token.value() & 0xffff); }
};

TEST(Loops, AddUpEveryIndependentLookup) {
  const Counted scheme;
  const LoopsOver<Counted> loops(scheme);
  TokenGenerator tokens(3);
  uint64_t sum = 0;
  for (int i = 0; i < 100; ++i) sum += tokens.Next().value() & 0xffff;
  EXPECT_EQ(loops.Run(Loop::kPrimary, 3, 100), sum);
  EXPECT_EQ(loops.Run(Loop::kRow, 3, 100), 3 * sum + 3 * 100);
  EXPECT_EQ(scheme.primaries, 100u);
  EXPECT_EQ(scheme.rows, 100u);
}

TEST(Loops, DependOnEveryAnswerWhereTheySaySo) {
  const Counted scheme;
  const LoopsOver<Counted> loops(scheme);
  TokenGenerator tokens(3);
  uint64_t answer = 0;
  for (int i = 0; i < 100; ++i) answer = (tokens.Next().value() ^ answer) & 0xffff;
  EXPECT_EQ(loops.Run(Loop::kPrimaryDependent, 3, 100), answer);
  EXPECT_EQ(scheme.primaries, 100u);
}

TEST(Loops, HaveRowsOnlyWhereTheSchemeHas) {
  const CountedPrimaries primaries;
  EXPECT_FALSE(LoopsOver(primaries).Has(Loop::kRow));
  EXPECT_TRUE(LoopsOver(primaries).Has(Loop::kPrimaryDependent));
  const Counted rows;
  EXPECT_TRUE(LoopsOver(rows).Has(Loop::kRowDependent));
}

TEST(TimeInterleaved, HasAllRunsOfEachLoop) {
  const Counted rows;
  const CountedPrimaries primaries;
  const LoopsOver first(rows);
  const LoopsOver second(primaries);
  const LookupLoops* all[] = {&first, &second};
  const std::vector<LookupTimes> times = TimeInterleaved(all, 7, 1e-4);
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].size(), 4u);
  EXPECT_EQ(times[1].size(), 2u);
  for (const LookupTimes& one : times) {
    for (const auto& [loop, samples] : one) {
      EXPECT_EQ(samples.size(), 7u);
      EXPECT_GT(samples.Min(), 0);
      EXPECT_LE(samples.Min(), samples.Median());
      EXPECT_LE(samples.Median(), samples.Max());
    }
  }
}

TEST(RunReaders, CallsEachReaderOnItsOwnThread) {
  std::mutex mutex;
  std::set<std::thread::id> made, read;
  const MakeReader make = [&]() -> ReaderBody {
    std::lock_guard lock(mutex);
    made.insert(std::this_thread::get_id());
    return [&](uint64_t, uint64_t) {
      std::lock_guard reading(mutex);
      read.insert(std::this_thread::get_id());
      return uint64_t{0};
    };
  };
  ReaderTimes times;
  RunReaders(3, 0.02, 10, make, times);
  EXPECT_EQ(made.size(), 3u);
  EXPECT_LE(read.size(), 3u);
  EXPECT_FALSE(made.contains(std::this_thread::get_id()));
  ASSERT_EQ(times.per_second.size(), 1u);
  ASSERT_EQ(times.per_cpu_second.size(), 1u);
}

TEST(RunReaders, CountsHowOftenReadersWaited) {
  ReaderTimes working, waiting;
  RunReaders(
      1, 0.02, 1, [] { return [](uint64_t seed, uint64_t) { return seed; }; }, working);
  RunReaders(
      1, 0.02, 1,
      [] {
        return [](uint64_t, uint64_t) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          return uint64_t{0};
        };
      },
      waiting);
  EXPECT_LT(working.waits.Median(), waiting.waits.Median());
}

TEST(Samples, KnowTheirMedianAndEnds) {
  Samples samples;
  EXPECT_TRUE(samples.empty());
  for (double value : {5.0, 1.0, 4.0}) samples.Add(value);
  EXPECT_EQ(samples.Median(), 4);
  EXPECT_EQ(samples.Min(), 1);
  EXPECT_EQ(samples.Max(), 5);
  samples.Add(100);
  EXPECT_EQ(samples.Median(), 4);
  EXPECT_EQ(samples.size(), 4u);
}

TEST(Samples, AreComparedRunByRun) {
  // A machine that gets ten times as slow meanwhile: the medians are of different moments.
  Samples limit, ring;
  for (double value : {1.0, 10.0, 10.0}) limit.Add(value);
  for (double value : {2.0, 2.0, 20.0}) ring.Add(value);
  EXPECT_EQ(ring.RatiosTo(limit).Median(), 2);
  EXPECT_EQ(ring.RatiosTo(limit).Min(), 0.2);
}

TEST(Repeat, RunsAtLeastOnceAndAsOftenAsItsBudgetLasts) {
  int runs = 0;
  const auto run = [&] { return static_cast<double>(++runs); };
  EXPECT_EQ(Repeat({.runs = 5, .budget_s = 0}, run).size(), 1u);
  EXPECT_EQ(Repeat({.runs = 5, .budget_s = 3600}, run).size(), 5u);
  EXPECT_EQ(runs, 6);
}

TEST(AllocatedBytes, SeesWhatIsAllocated) {
  constexpr size_t kBytes = size_t{64} << 20;
  const size_t before = AllocatedBytes();
  {
    const HugeTable<char> table(kBytes);
    const size_t during = AllocatedBytes();
    EXPECT_GE(during, before + kBytes);
    EXPECT_LE(during, before + kBytes + 2 * kHugePageBytes);
  }
  EXPECT_LT(AllocatedBytes(), before + kBytes / 2);
}

TEST(HugePages, AreAlignedToThem) {
  const HugeTable<uint64_t> table(kHugePageBytes);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(table.data()) % kHugePageBytes, 0u);
}

TEST(Quantities, AreWrittenWithThreeDigitsAndAUnit) {
  EXPECT_EQ(NumberText(0), "0");
  EXPECT_EQ(NumberText(0.9514), "0.951");
  EXPECT_EQ(NumberText(12.34), "12.3");
  EXPECT_EQ(NumberText(1234.5), "1234");
  EXPECT_EQ(SecondsText(4.151e-3), "4.15 ms");
  EXPECT_EQ(SecondsText(23e-9), "23.0 ns");
  EXPECT_EQ(SecondsText(75), "75.0 s");
  EXPECT_EQ(BytesText(512 * 1024), "512 KiB");
  EXPECT_EQ(BytesText(3), "3.00 B");
  EXPECT_EQ(GroupedText(999), "999");
  EXPECT_EQ(GroupedText(1000), "1 000");
  EXPECT_EQ(GroupedText(67'108'864), "67 108 864");
}

}  // namespace
}  // namespace ringkv::bench
