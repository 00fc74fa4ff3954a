#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "client/kvctl/latency_histogram.h"
#include "client/kvctl/workload.h"

namespace ringkv {
namespace {

TEST(LatencyHistogram, PercentilesAreCloseToThoseOfASortedList) {
  Random random(3);
  LatencyHistogram histogram;
  std::vector<int64_t> all;
  for (int i = 0; i < 50'000; ++i) {
    const auto ns = static_cast<int64_t>(random.Below(uint64_t{1} << random.Between(1, 36)));
    histogram.Add(Duration(ns));
    all.push_back(ns);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(histogram.max().count(), all.back());
  for (double fraction : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const size_t rank = static_cast<size_t>(fraction * double(all.size()) + 0.5);
    const double exact = double(all[rank - 1]);
    EXPECT_GE(double(histogram.At(fraction).count()), exact);
    EXPECT_LE(double(histogram.At(fraction).count()), exact * 1.016 + 1);
  }
  EXPECT_EQ(LatencyHistogram().At(0.5).count(), 0);
}

std::map<OpKind, double> Shares(const std::string& name) {
  Workload workload(name, 1000, 5);
  std::map<OpKind, double> shares;
  for (int i = 0; i < 20'000; ++i) shares[workload.Next().kind] += 1.0 / 20'000;
  return shares;
}

TEST(Workload, SharesAreThoseOfYcsb) {
  EXPECT_NEAR(Shares("a")[OpKind::kRead], 0.5, 0.02);
  EXPECT_NEAR(Shares("a")[OpKind::kUpdate], 0.5, 0.02);
  EXPECT_NEAR(Shares("b")[OpKind::kUpdate], 0.05, 0.01);
  EXPECT_NEAR(Shares("c")[OpKind::kRead], 1.0, 0.001);
  EXPECT_NEAR(Shares("d")[OpKind::kInsert], 0.05, 0.01);
  EXPECT_NEAR(Shares("e")[OpKind::kScan], 0.95, 0.01);
  EXPECT_NEAR(Shares("f")[OpKind::kReadModifyWrite], 0.5, 0.02);
  EXPECT_NEAR(Shares("put")[OpKind::kUpdate], 1.0, 0.001);
}

TEST(Workload, ZipfianPrefersFewKeysAndStaysInRange) {
  for (uint64_t n : {1, 2, 3, 1000}) {
    Zipfian zipfian(n);
    Random random(4);
    std::map<uint64_t, int> counts;
    for (int i = 0; i < 20'000; ++i) ++counts[zipfian.Next(random)];
    EXPECT_LT(counts.rbegin()->first, n);
    if (n == 1000) {
      EXPECT_GT(counts[0], 20 * counts[500]);
    }
  }
}

}  // namespace
}  // namespace ringkv
