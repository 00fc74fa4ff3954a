// Samples: what several runs of one measurement gave; the median is the result, least and greatest
// tell how far to trust it. Thread-compatible.
#pragma once

#include <cstddef>
#include <vector>

namespace ringkv::bench {

class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }

  // Each needs a sample.
  double Median() const;  // of an even number: the lower one in the middle
  double Min() const;
  double Max() const;

  // Of each sample to that of `others` from the same run: on a machine whose speed changes from one
  // run to the next, the ratio of two medians compares different moments. Needs as many.
  Samples RatiosTo(const Samples& others) const;

 private:
  std::vector<double> values_;
};

}  // namespace ringkv::bench
