// LatencyHistogram: counts of durations in buckets that grow with the duration, 64 to each power of
// two, so that any percentile is at most 1.6 % too high (the layout of HdrHistogram, G. Tene).
// Nanoseconds up to 2^46 (19 hours). Fixed memory, thread-compatible.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace ringkv {

class LatencyHistogram {
 public:
  LatencyHistogram() : counts_(kPowers * kSteps) {}

  void Add(Duration latency) {
    const auto ns = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
    ++counts_[BucketOf(std::min(ns, (uint64_t{1} << 46) - 1))];
    ++count_;
    max_ = std::max(max_, Duration(ns));
  }

  void Merge(const LatencyHistogram& other) {
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      counts_[bucket] += other.counts_[bucket];
    }
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  Duration max() const { return max_; }

  // The highest duration of the bucket below which a part `fraction` (0 to 1) of all lies; 0
  // without any.
  Duration At(double fraction) const {
    if (count_ == 0) return Duration(0);
    const auto rank =
        std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(fraction * double(count_))));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen >= rank) return std::min(max_, Duration(HighestOf(bucket)));
    }
    return max_;
  }

 private:
  static constexpr size_t kSteps = 64;
  static constexpr size_t kPowers = 42;

  // Below 128 ns a bucket for each; then the 7 leading bits name the bucket.
  static size_t BucketOf(uint64_t ns) {
    if (ns < 2 * kSteps) return ns;
    const int shift = std::bit_width(ns) - 7;
    return static_cast<size_t>(shift) * kSteps + (ns >> shift);
  }
  static int64_t HighestOf(size_t bucket) {
    if (bucket < 2 * kSteps) return static_cast<int64_t>(bucket);
    const size_t shift = bucket / kSteps - 1;
    return static_cast<int64_t>(((bucket - shift * kSteps + 1) << shift) - 1);
  }

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  Duration max_{0};
};

}  // namespace ringkv
