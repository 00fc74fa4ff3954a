#include "bench/ring/schemes/sorted_points.h"

#include <algorithm>

namespace ringkv::bench {

SortedPoints::SortedPoints(uint32_t nodes, uint32_t points_each)
    : points_each_(points_each), next_node_(nodes) {
  points_.reserve(size_t{nodes} * points_each + 1);
  for (uint32_t node = 0; node < nodes; ++node) {
    for (uint32_t number = 0; number < points_each; ++number) {
      points_.push_back(PointOf(NodeIndex(node), number));
    }
  }
  std::sort(points_.begin(), points_.end());
  AddSentinel();
}

NodeIndex SortedPoints::Add() {
  const NodeIndex node(next_node_++);
  points_.pop_back();
  const auto old_size = static_cast<std::ptrdiff_t>(points_.size());
  const std::vector<Point> added = PointsOf(node, points_each_);
  points_.insert(points_.end(), added.begin(), added.end());
  std::inplace_merge(points_.begin(), points_.begin() + old_size, points_.end());
  AddSentinel();
  return node;
}

void SortedPoints::Remove(NodeIndex node) {
  points_.pop_back();
  std::erase_if(points_, [node](const Point& point) { return point.node == node; });
  AddSentinel();
}

Arcs SortedPoints::OwnedArcs() const {
  Arcs arcs;
  arcs.reserve(points_.size());
  for (const Point& point : points_) arcs.push_back({point.token, point.node});
  return arcs;
}

}  // namespace ringkv::bench
