// How evenly a scheme divides the hash space, and how much of it a change moves: from exact counts
// where there are any, otherwise from random tokens, which by themselves make even nodes look
// uneven; how much is told beside. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "ring/ring.h"

namespace ringkv::bench {

struct Evenness {
  double max_over_mean = 1;
  double deviation = 0;  // standard deviation / mean
  // 0: exact. Otherwise the random tokens looked up, and what chance alone makes of so many on
  // perfectly even nodes.
  uint64_t tokens = 0;
  double max_over_mean_by_chance = 1;
  double deviation_by_chance = 0;
};

// From what each node has, in any unit; at least one node, and not all zero.
Evenness EvennessOf(std::span<const double> loads);

// The nodes of a stream of random tokens, which is the same one for the same seed.
using PrimaryOf = std::function<NodeIndex(Token)>;
std::vector<NodeIndex> SampledPrimaries(const PrimaryOf& primary, uint64_t seed, uint64_t tokens);

// As many tokens as `budget_s` seconds suffice for, at most `tokens`.
std::vector<NodeIndex> SampledPrimariesWithin(const PrimaryOf& primary, uint64_t seed,
                                              uint64_t tokens, double budget_s);

// From the primaries of random tokens, all below `nodes`.
Evenness SampledEvenness(std::span<const NodeIndex> primaries, uint32_t nodes);

// The tokens that have another node than before, for each that `joined` has got; none if it has got
// none. Needs two streams of the same tokens.
std::optional<double> SampledMoves(std::span<const NodeIndex> before,
                                   std::span<const NodeIndex> after, NodeIndex joined);

}  // namespace ringkv::bench
