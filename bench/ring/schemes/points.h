// The points of the classic hash rings: each node has a number of pseudo-random tokens (Karger et
// al., "Consistent hashing and random trees", 1997; libketama), and a key belongs to the node of
// the first point at or after its token, around the end to the first of all. The more points, the
// evener, but never even: about 1 / sqrt(points a node) off. Pure functions; thread-safe.
#pragma once

#include <vector>

#include "base/ids.h"
#include "bench/ring/schemes/arithmetic.h"
#include "ring/ring.h"

namespace ringkv::bench {

struct Point {
  Token token;
  NodeIndex node;
};

constexpr bool operator<(const Point& a, const Point& b) { return a.token < b.token; }

// The `number`th point of `node`.
constexpr Point PointOf(NodeIndex node, uint32_t number) {
  return {Token(Mix(Mix(node.value(), number), node.value())), node};
}

// Those of one node, in the order of tokens.
std::vector<Point> PointsOf(NodeIndex node, uint32_t points);

}  // namespace ringkv::bench
