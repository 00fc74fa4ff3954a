// The points of all nodes (points.h) in one sorted array, for the rings that search it. After the
// last point stands a sentinel: the greatest token, with the node of the first point, so that the
// search needs no case for going around. A change copies or moves the whole array. At least three
// nodes. Thread-compatible.
#pragma once

#include <span>

#include "bench/ring/schemes/arcs.h"
#include "bench/ring/schemes/huge_pages.h"
#include "bench/ring/schemes/points.h"
#include "bench/ring/schemes/three_nodes.h"

namespace ringkv::bench {

class SortedPoints {
 public:
  SortedPoints(uint32_t nodes, uint32_t points_each);

  // Without the sentinel.
  std::span<const Point> circle() const { return {points_.data(), points_.size() - 1}; }
  // With the sentinel.
  std::span<const Point> with_sentinel() const { return points_; }

  // The first three distinct nodes from `at` on, clockwise.
  ThreeNodes ReplicasFrom(const Point* at) const {
    return FirstThreeDistinct([this, at]() mutable {
      const NodeIndex node = at->node;
      if (++at == points_.data() + points_.size()) at = points_.data();
      return node;
    });
  }

  NodeIndex Add();
  void Remove(NodeIndex node);
  Arcs OwnedArcs() const;

 private:
  void AddSentinel() { points_.push_back({Token(UINT64_MAX), points_.front().node}); }

  const uint32_t points_each_;
  uint32_t next_node_;
  HugeTable<Point> points_;
};

}  // namespace ringkv::bench
