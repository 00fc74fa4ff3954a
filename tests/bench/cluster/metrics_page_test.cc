#include "bench/cluster/metrics_page.h"

#include <gtest/gtest.h>

namespace ringkv::bench {
namespace {

TEST(MetricsPage, SumsSamplesOfANameByTheirLabels) {
  const MetricsPage page = MetricsPage::Parse(
      "# HELP a_total Things.\n# TYPE a_total counter\n"
      "a_total{op=\"get\",code=\"ok\"} 3\n"
      "a_total{op=\"get\",code=\"not_found\"} 4\n"
      "a_total{op=\"put\",code=\"ok\"} 5\n"
      "a_total_more 100\n"
      "b 1.5e+06\n"
      "broken\n");
  EXPECT_EQ(page.Sum("a_total"), 12);
  EXPECT_EQ(page.Sum("a_total", "op=\"get\""), 7);
  EXPECT_EQ(page.Sum("a_total", "op=\"del\""), 0);
  EXPECT_EQ(page.Sum("b"), 1.5e6);
  EXPECT_EQ(page.Sum("nothing"), 0);
}

TEST(MetricsPage, ProcessThatIsNotThereIsAnError) {
  EXPECT_EQ(MetricsPage::Fetch("127.0.0.1:9").status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(MetricsPage::Fetch("nowhere").ok());
}

}  // namespace
}  // namespace ringkv::bench
