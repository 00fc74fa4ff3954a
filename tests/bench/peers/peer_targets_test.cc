#include "bench/peers/peer_targets.h"

#include <gtest/gtest.h>

namespace ringkv::bench {
namespace {

PeerCase Case(const std::string& system, int connections, double rate, int p50_us,
              int in_flight = 1, const std::string& mix = "put", size_t value_bytes = 100) {
  PeerCase made{system, {connections, in_flight}, mix, value_bytes, {}};
  made.figures.operations = static_cast<uint64_t>(rate);
  made.figures.seconds = 1;
  made.figures.latency.Add(std::chrono::microseconds(p50_us));
  return made;
}

std::vector<PeerCase> Cases(double ours, int our_p50_us) {
  return {Case("ringkv-periodic", 64, ours, 900), Case("ringkv-periodic", 1, 3'000, our_p50_us),
          Case("redis", 64, 57'000, 900), Case("etcd", 64, 8'000, 900),
          Case("etcd", 1, 1'000, 700)};
}

TEST(PeerTargets, AreMetAtTheirBounds) {
  const PeerVerdict verdict = JudgePeers(Cases(57'000, 700));
  ASSERT_EQ(verdict.comparisons.size(), 3u);
  EXPECT_TRUE(verdict.complete);
  EXPECT_TRUE(verdict.met());
  EXPECT_DOUBLE_EQ(verdict.comparisons[0].ratio, 1);
  EXPECT_DOUBLE_EQ(verdict.comparisons[1].ratio, 57.0 / 8);
}

TEST(PeerTargets, EachOfThemMayBeMissed) {
  EXPECT_FALSE(JudgePeers(Cases(56'999, 700)).comparisons[0].met);
  EXPECT_FALSE(JudgePeers(Cases(39'999, 700)).comparisons[1].met);
  EXPECT_FALSE(JudgePeers(Cases(57'000, 750)).comparisons[2].met);
  EXPECT_FALSE(JudgePeers(Cases(57'000, 750)).met());
}

TEST(PeerTargets, OtherDurabilitiesAreComparedAndNotJudged) {
  auto cases = Cases(57'000, 700);
  cases.push_back(Case("ringkv-sync", 64, 10'000, 900));
  cases.push_back(Case("ringkv-sync", 1, 300, 5'000));
  const PeerVerdict verdict = JudgePeers(cases);
  ASSERT_EQ(verdict.comparisons.size(), 6u);
  EXPECT_TRUE(verdict.met());
  int compared = 0;
  for (const PeerComparison& one : verdict.comparisons) compared += one.judged ? 0 : 1;
  EXPECT_EQ(compared, 3);
}

TEST(PeerTargets, OtherLoadsAndFailedOnesAreNotThere) {
  const std::vector<PeerCase> cases{Case("ringkv-periodic", 64, 57'000, 900, 16),
                                    Case("ringkv-periodic", 64, 57'000, 900, 1, "get"),
                                    Case("ringkv-periodic", 64, 57'000, 900, 1, "put", 1'000),
                                    Case("ringkv-periodic", 64, 0, 900),
                                    Case("redis", 64, 57'000, 900)};
  const PeerVerdict verdict = JudgePeers(cases);
  EXPECT_TRUE(verdict.comparisons.empty());
  EXPECT_FALSE(verdict.complete);
  EXPECT_TRUE(verdict.met());
}

}  // namespace
}  // namespace ringkv::bench
