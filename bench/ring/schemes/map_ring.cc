#include "bench/ring/schemes/map_ring.h"

#include "bench/ring/schemes/sorted_points.h"

namespace ringkv::bench {

MapRing::MapRing(uint32_t nodes, uint32_t points_each)
    : points_each_(points_each), next_node_(nodes) {
  // In order, each goes to the end: far quicker than one by one.
  const SortedPoints sorted(nodes, points_each);
  for (const Point& point : sorted.circle()) {
    points_.emplace_hint(points_.end(), point.token, point.node);
  }
}

NodeIndex MapRing::Add() {
  const NodeIndex node(next_node_++);
  for (const Point& point : PointsOf(node, points_each_)) points_.emplace(point.token, node);
  return node;
}

void MapRing::Remove(NodeIndex node) {
  for (const Point& point : PointsOf(node, points_each_)) {
    const auto at = points_.find(point.token);
    if (at != points_.end() && at->second == node) points_.erase(at);
  }
}

Arcs MapRing::OwnedArcs() const {
  Arcs arcs;
  arcs.reserve(points_.size() + 1);
  for (const auto& [token, node] : points_) arcs.push_back({token, node});
  arcs.push_back({Token(UINT64_MAX), points_.begin()->second});
  return arcs;
}

}  // namespace ringkv::bench
