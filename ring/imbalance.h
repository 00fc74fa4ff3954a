// Who has too much and who has too little in a placement that is being changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/placement.h"

namespace ringkv {

// By number; nobody, if at all, last.
struct Imbalance {
  std::vector<uint32_t> givers, takers;
  size_t hops = 0;  // that are needed at least
};

Imbalance FindImbalance(Placement& placement);

// Pseudo-random and the same everywhere: where to begin in a list of `size`.
inline size_t StartOf(uint32_t node, size_t size) {
  return size == 0 ? 0 : (uint64_t{node} + 1) * 0x9E3779B97F4A7C15 % size;
}

}  // namespace ringkv
