// The textbook's ring: a std::map from token to node (points.h). Cheap to change; a look-up walks
// down a tree, a cache miss a level. Where two points have one token (which 64 bits make unlikely),
// the one that came first stays. At least three nodes. Thread-compatible.
#pragma once

#include <map>

#include "bench/ring/schemes/arcs.h"
#include "bench/ring/schemes/points.h"
#include "bench/ring/schemes/three_nodes.h"

namespace ringkv::bench {

class MapRing {
 public:
  MapRing(uint32_t nodes, uint32_t points_each);

  NodeIndex Primary(Token token) const { return At(token)->second; }
  ThreeNodes Replicas(Token token) const {
    return FirstThreeDistinct([this, at = At(token)]() mutable {
      const NodeIndex node = at->second;
      if (++at == points_.end()) at = points_.begin();
      return node;
    });
  }

  NodeIndex Add();
  void Remove(NodeIndex node);
  Arcs OwnedArcs() const;

 private:
  using Points = std::map<Token, NodeIndex>;

  Points::const_iterator At(Token token) const {
    const auto at = points_.lower_bound(token);
    return at == points_.end() ? points_.begin() : at;
  }

  const uint32_t points_each_;
  uint32_t next_node_;
  Points points_;
};

}  // namespace ringkv::bench
