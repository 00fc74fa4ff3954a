// TokenGenerator: pseudo-random tokens from a register, at a cost far below a look-up's, so that a
// benchmark times the look-up and not the reading of keys: a Weyl sequence through one
// multiplication. The top bits, by which tables are indexed, are good enough to defeat caches and
// branch predictors; it is no generator for statistics (base/random.h is). Thread-compatible.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace ringkv::bench {

class TokenGenerator {
 public:
  explicit TokenGenerator(uint64_t seed) : state_(seed * 0xd1342543de82ef95ULL) {}

  Token Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return Token((state_ ^ (state_ >> 32)) * 0xd6e8feb86659fd93ULL);
  }

 private:
  uint64_t state_;
};

}  // namespace ringkv::bench
