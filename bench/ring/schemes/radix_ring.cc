#include "bench/ring/schemes/radix_ring.h"

#include <bit>

namespace ringkv::bench {

RadixRing::RadixRing(uint32_t nodes, uint32_t points_each) : points_(nodes, points_each) {
  Index();
}

void RadixRing::Index() {
  const std::span<const Point> points = points_.with_sentinel();
  shift_ = 64 - std::bit_width(points.size());
  index_.resize(size_t{1} << (64 - shift_));
  uint32_t point = 0;
  for (uint64_t top = 0; top < index_.size(); ++top) {
    while (points[point].token.value() >> shift_ < top) ++point;
    index_[top] = point;
  }
}

NodeIndex RadixRing::Add() {
  const NodeIndex node = points_.Add();
  Index();
  return node;
}

void RadixRing::Remove(NodeIndex node) {
  points_.Remove(node);
  Index();
}

}  // namespace ringkv::bench
