// What the ring is meant to reach (docs/ring.md), and whether this run says that it does. A report,
// no test: a busy machine misses targets that the ring meets. Pure function; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "bench/ring/results.h"

namespace ringkv::bench {

inline constexpr uint32_t kTargetNodes = 1'000;
inline constexpr uint32_t kLargeTargetNodes = 1'000'000;
inline constexpr double kTimesTheLimit = 1.5;
inline constexpr double kTwoReadersOverOne = 1.9;
inline constexpr double kBytesPerSlot = 8;
inline constexpr double kFewMilliseconds = 5e-3;
// Of the speed that readers have while nothing changes, and of the wanted rate of changes.
inline constexpr double kUnharmed = 0.95;

enum class Verdict { kMet, kMissed, kNotMeasured };

struct Target {
  uint32_t nodes;
  std::string wanted;
  std::string measured;
  Verdict verdict;
};

std::vector<Target> CompareWithTargets(const Results& results);

}  // namespace ringkv::bench
