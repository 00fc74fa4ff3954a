#include "bench/ring/schemes/arcs.h"

#include <algorithm>

namespace ringkv::bench {
namespace {

// Tokens from `first` to `last`, as a part of all of them.
double Width(uint64_t first, uint64_t last) {
  return (static_cast<double>(last - first) + 1) * 0x1.0p-64;
}

}  // namespace

std::vector<double> SharesOf(std::span<const Arc> arcs, uint32_t nodes) {
  std::vector<double> shares(nodes, 0);
  uint64_t first = 0;
  for (const Arc& arc : arcs) {
    shares.at(arc.node.value()) += Width(first, arc.last.value());
    first = arc.last.value() + 1;
  }
  return shares;
}

double ChangedShare(std::span<const Arc> before, std::span<const Arc> after) {
  double changed = 0;
  uint64_t first = 0;
  for (size_t b = 0, a = 0; b < before.size() && a < after.size();) {
    const Token last = std::min(before[b].last, after[a].last);
    if (before[b].node != after[a].node) changed += Width(first, last.value());
    first = last.value() + 1;
    const bool b_ends = before[b].last == last, a_ends = after[a].last == last;
    b += b_ends;
    a += a_ends;
  }
  return changed;
}

}  // namespace ringkv::bench
