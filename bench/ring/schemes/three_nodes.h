// A row of three replicas, as the reference schemes return it. Pure; thread-safe.
#pragma once

#include <algorithm>
#include <array>

#include "ring/ring.h"

namespace ringkv::bench {

using ThreeNodes = std::array<NodeIndex, 3>;

// The first three distinct nodes of what `next()` yields. It must yield three sooner or later.
template <class Next>
ThreeNodes FirstThreeDistinct(Next next) {
  ThreeNodes row{};
  for (auto end = row.begin(); end != row.end();) {
    const NodeIndex node = next();
    if (std::find(row.begin(), end, node) == end) *end++ = node;
  }
  return row;
}

}  // namespace ringkv::bench
