// Who owns what of the hash space, exactly: the arcs between one token and the next, and what
// follows from them, whatever the scheme. For schemes that are a table or a list of points.
// Pure functions; thread-safe. O(arcs).
#pragma once

#include <span>
#include <vector>

#include "base/ids.h"
#include "ring/ring.h"

namespace ringkv::bench {

// The tokens after the arc before it (from 0, for the first), up to and with `last`.
struct Arc {
  Token last;
  NodeIndex node;
};

// In the order of tokens; the last one ends at the greatest token.
using Arcs = std::vector<Arc>;

// By node, from 0 to nodes-1: its part of the hash space, 0 to 1.
std::vector<double> SharesOf(std::span<const Arc> arcs, uint32_t nodes);

// The part of the hash space that has another owner in `after` than in `before`.
double ChangedShare(std::span<const Arc> before, std::span<const Arc> after);

}  // namespace ringkv::bench
