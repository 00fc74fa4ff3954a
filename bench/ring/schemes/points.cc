#include "bench/ring/schemes/points.h"

#include <algorithm>

namespace ringkv::bench {

std::vector<Point> PointsOf(NodeIndex node, uint32_t points) {
  std::vector<Point> all;
  all.reserve(points);
  for (uint32_t number = 0; number < points; ++number) all.push_back(PointOf(node, number));
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace ringkv::bench
