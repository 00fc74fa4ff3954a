#include "bench/ring/evenness.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ringkv::bench {
namespace {

std::vector<NodeIndex> Nodes(std::initializer_list<uint32_t> numbers) {
  std::vector<NodeIndex> nodes;
  for (uint32_t number : numbers) nodes.emplace_back(number);
  return nodes;
}

TEST(EvennessOf, TellsTheGreatestAndTheDeviationAgainstTheMean) {
  const Evenness even = EvennessOf(std::vector<double>{3, 3, 3});
  EXPECT_EQ(even.max_over_mean, 1);
  EXPECT_EQ(even.deviation, 0);
  const Evenness uneven = EvennessOf(std::vector<double>{0, 2, 4});
  EXPECT_EQ(uneven.max_over_mean, 2);
  EXPECT_DOUBLE_EQ(uneven.deviation, std::sqrt(8.0 / 3) / 2);
  EXPECT_EQ(uneven.tokens, 0u);
}

TEST(SampledEvenness, CountsNodesThatNoTokenFound) {
  const Evenness evenness = SampledEvenness(Nodes({1, 1, 0, 1}), 4);
  EXPECT_EQ(evenness.max_over_mean, 3);
  EXPECT_EQ(evenness.tokens, 4u);
}

TEST(SampledEvenness, TellsWhatChanceMakesOfEvenNodes) {
  constexpr uint32_t kNodes = 100;
  constexpr uint64_t kTokens = 100'000;
  const auto even = [](Token token) {
    return NodeIndex(static_cast<uint32_t>(token.value() % kNodes));
  };
  const Evenness evenness = SampledEvenness(SampledPrimaries(even, 5, kTokens), kNodes);
  const double expected = std::sqrt(double(kNodes) / kTokens);
  EXPECT_NEAR(evenness.deviation_by_chance, expected, expected / 4);
  EXPECT_NEAR(evenness.deviation, expected, expected / 4);
  EXPECT_GT(evenness.max_over_mean_by_chance, 1);
  EXPECT_NEAR(evenness.max_over_mean, evenness.max_over_mean_by_chance, 2 * expected);
}

TEST(SampledMoves, AreCountedForEachTokenGained) {
  const auto before = Nodes({0, 1, 2, 0, 1, 2});
  EXPECT_EQ(SampledMoves(before, Nodes({0, 3, 2, 0, 1, 3}), NodeIndex(3)), 1.0);
  EXPECT_EQ(SampledMoves(before, Nodes({2, 3, 2, 0, 1, 1}), NodeIndex(3)), 3.0);
  EXPECT_EQ(SampledMoves(before, before, NodeIndex(3)), std::nullopt);
}

TEST(SampledPrimaries, AreOfTheSameTokensForTheSameSeed) {
  const auto low_bits = [](Token token) { return NodeIndex(uint32_t(token.value())); };
  const std::vector<NodeIndex> sampled = SampledPrimaries(low_bits, 9, 100);
  EXPECT_EQ(sampled.size(), 100u);
  EXPECT_EQ(sampled, SampledPrimaries(low_bits, 9, 100));
  EXPECT_NE(sampled, SampledPrimaries(low_bits, 10, 100));
}

TEST(SampledPrimariesWithin, StopsWhenItsTimeIsUp) {
  uint64_t calls = 0;
  const auto counted = [&](Token) { return NodeIndex(uint32_t(++calls)); };
  const std::vector<NodeIndex> sampled = SampledPrimariesWithin(counted, 1, UINT32_MAX / 64, 0);
  EXPECT_EQ(sampled.size(), calls);
  EXPECT_GT(calls, 0u);
  EXPECT_LT(calls, 1000u);
}

}  // namespace
}  // namespace ringkv::bench
