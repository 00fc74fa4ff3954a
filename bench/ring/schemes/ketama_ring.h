// The ring of libketama: a sorted array of points (points.h) and a binary search.
// Thread-compatible.
#pragma once

#include <algorithm>

#include "bench/ring/schemes/sorted_points.h"

namespace ringkv::bench {

class KetamaRing {
 public:
  KetamaRing(uint32_t nodes, uint32_t points_each) : points_(nodes, points_each) {}

  NodeIndex Primary(Token token) const { return At(token)->node; }
  ThreeNodes Replicas(Token token) const { return points_.ReplicasFrom(At(token)); }

  NodeIndex Add() { return points_.Add(); }
  void Remove(NodeIndex node) { points_.Remove(node); }
  Arcs OwnedArcs() const { return points_.OwnedArcs(); }

 private:
  const Point* At(Token token) const {
    const std::span<const Point> points = points_.with_sentinel();
    return &*std::lower_bound(points.begin(), points.end(), Point{token, NodeIndex()});
  }

  SortedPoints points_;
};

}  // namespace ringkv::bench
