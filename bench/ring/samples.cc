#include "bench/ring/samples.h"

#include <algorithm>

#include "base/check.h"

namespace ringkv::bench {

double Samples::Median() const {
  RINGKV_CHECK(!empty(), "no sample has no median");
  std::vector<double> values = values_;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Samples::Min() const {
  RINGKV_CHECK(!empty(), "no sample has no least");
  return *std::min_element(values_.begin(), values_.end());
}

double Samples::Max() const {
  RINGKV_CHECK(!empty(), "no sample has no greatest");
  return *std::max_element(values_.begin(), values_.end());
}

Samples Samples::RatiosTo(const Samples& others) const {
  RINGKV_CHECK(size() == others.size(), "ratios are those of the same runs");
  Samples ratios;
  for (size_t i = 0; i < size(); ++i) ratios.Add(values_[i] / others.values_[i]);
  return ratios;
}

}  // namespace ringkv::bench
