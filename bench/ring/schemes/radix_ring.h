// The sorted array of points (points.h) with an index by the token's top bits before it: about one
// entry a point, so that the search ends after a step or two. Thread-compatible.
#pragma once

#include "bench/ring/schemes/sorted_points.h"

namespace ringkv::bench {

class RadixRing {
 public:
  RadixRing(uint32_t nodes, uint32_t points_each);

  NodeIndex Primary(Token token) const { return At(token)->node; }
  ThreeNodes Replicas(Token token) const { return points_.ReplicasFrom(At(token)); }

  NodeIndex Add();
  void Remove(NodeIndex node);
  Arcs OwnedArcs() const { return points_.OwnedArcs(); }

 private:
  const Point* At(Token token) const {
    const Point* at = points_.with_sentinel().data() + index_[token.value() >> shift_];
    while (at->token < token) ++at;
    return at;
  }
  void Index();

  SortedPoints points_;
  int shift_ = 0;              // a token's top bits are those above
  HugeTable<uint32_t> index_;  // by top bits: the first point that has these, or the next
};

}  // namespace ringkv::bench
