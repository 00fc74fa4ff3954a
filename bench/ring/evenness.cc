#include "bench/ring/evenness.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "bench/ring/measuring.h"

namespace ringkv::bench {
namespace {

// Few enough that even the slowest scheme notices its budget.
constexpr uint64_t kTokensBetweenLooksAtTheClock = 64;

Evenness EvennessOfCounts(std::span<const NodeIndex> primaries, uint32_t nodes) {
  std::vector<double> counts(nodes, 0);
  for (NodeIndex node : primaries) counts.at(node.value()) += 1;
  return EvennessOf(counts);
}

}  // namespace

Evenness EvennessOf(std::span<const double> loads) {
  RINGKV_CHECK(!loads.empty(), "without nodes nothing is even");
  const auto nodes = static_cast<double>(loads.size());
  const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) / nodes;
  double squares = 0;
  for (double load : loads) squares += (load - mean) * (load - mean);
  return {.max_over_mean = *std::max_element(loads.begin(), loads.end()) / mean,
          .deviation = std::sqrt(squares / nodes) / mean};
}

std::vector<NodeIndex> SampledPrimariesWithin(const PrimaryOf& primary, uint64_t seed,
                                              uint64_t tokens, double budget_s) {
  const CpuStopwatch stopwatch;
  Random random(seed);
  std::vector<NodeIndex> primaries;
  primaries.reserve(tokens);
  while (primaries.size() < tokens) {
    primaries.push_back(primary(Token(random.Next())));
    if (primaries.size() % kTokensBetweenLooksAtTheClock == 0 && stopwatch.Seconds() > budget_s) {
      break;
    }
  }
  return primaries;
}

std::vector<NodeIndex> SampledPrimaries(const PrimaryOf& primary, uint64_t seed, uint64_t tokens) {
  return SampledPrimariesWithin(primary, seed, tokens, HUGE_VAL);
}

Evenness SampledEvenness(std::span<const NodeIndex> primaries, uint32_t nodes) {
  Evenness evenness = EvennessOfCounts(primaries, nodes);
  const std::vector<NodeIndex> chance = SampledPrimaries(
      [nodes](Token token) { return NodeIndex(static_cast<uint32_t>(token.value() % nodes)); },
      primaries.size(), primaries.size());
  evenness.tokens = primaries.size();
  const Evenness by_chance = EvennessOfCounts(chance, nodes);
  evenness.max_over_mean_by_chance = by_chance.max_over_mean;
  evenness.deviation_by_chance = by_chance.deviation;
  return evenness;
}

std::optional<double> SampledMoves(std::span<const NodeIndex> before,
                                   std::span<const NodeIndex> after, NodeIndex joined) {
  RINGKV_CHECK(before.size() == after.size(), "not the same tokens");
  uint64_t changed = 0;
  for (size_t i = 0; i < before.size(); ++i) changed += before[i] != after[i];
  const auto got = std::count(after.begin(), after.end(), joined);
  if (got == 0) return std::nullopt;
  return static_cast<double>(changed) / static_cast<double>(got);
}

}  // namespace ringkv::bench
