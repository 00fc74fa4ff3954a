// What `bench overload` wants, and what it says of a measurement. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/path/cases.h"

namespace ringkv::bench {

struct OverloadTarget {
  std::string scenario;
  std::string what;
  double value = 0;
  double bound = 0;
  bool at_least = false;  // otherwise at most
  bool met() const { return at_least ? value >= bound : value <= bound; }
};

// More load than the cluster can do keeps so much of the throughput; so does a small load beside
// clients that do nothing, or do not read.
inline constexpr double kKeptThroughput = 0.8;
// Two nodes of three are left beside one that is slow, and who waits for a read that went to it
// does nothing meanwhile.
inline constexpr double kKeptBesideSlowNode = 0.6;
// An operation has 5 s by default, and an answer one more to arrive.
inline constexpr double kSlowestAnswerSeconds = 6;
// No key is without writes for longer because a node is paused; beside it, what the same load shows
// without.
inline constexpr double kLongestGapSeconds = 0.3;
inline constexpr double kWholeAgainSeconds = 60;
inline constexpr double kIdleConnectionBytes = 64 << 10;

// Of the failed operations, those that do not say "nothing was changed, try again".
uint64_t NotTryAgain(const LoadFigures& figures);

// The longest time between two looks at a count that grows, over which it did not grow.
class LongestGap {
 public:
  void Look(double seconds, uint64_t count);
  double seconds() const { return longest_; }

 private:
  bool looked_ = false;
  double grew_at_ = 0;
  uint64_t count_ = 0;
  double longest_ = 0;
};

}  // namespace ringkv::bench
