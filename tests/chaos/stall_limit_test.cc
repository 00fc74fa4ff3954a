#include "tests/chaos/stall_limit.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

AvailabilityFigures Figures(uint64_t faults, double reads_ms, double writes_ms) {
  AvailabilityFigures figures;
  figures.faults = faults;
  figures.no_reads_ms = reads_ms;
  figures.no_reads_key = "r1";
  figures.no_writes_ms = writes_ms;
  figures.no_writes_key = "w1";
  return figures;
}

TEST(StallLimit, PassesUpToTheLimitAndWhatTheMachineStallsByItself) {
  const Check check = CheckStalls({{"none", Figures(0, 40, 60)}, {"kill", Figures(2, 340, 360)}});
  EXPECT_EQ(check.verdict, Check::Verdict::kPassed);
  EXPECT_EQ(check.summary,
            "kill: 340 ms without reads, 360 ms without writes; without faults: 40 ms and 60 ms");
}

TEST(StallLimit, FailsAndNamesKeyAndFigures) {
  const Check check = CheckStalls({{"none", Figures(0, 40, 60)},
                                   {"kill", Figures(2, 10, 361)},
                                   {"pause", Figures(1, 341, 10)}});
  EXPECT_EQ(check.verdict, Check::Verdict::kFailed);
  ASSERT_EQ(check.details.size(), 2u);
  EXPECT_EQ(check.details[0],
            "kill: key w1 was without writes for 361 ms; allowed are 300 ms and the 60 ms that one "
            "was without them while nothing happened");
  EXPECT_EQ(check.details[1].find("pause: key r1 was without reads for 341 ms"), 0u);
}

TEST(StallLimit, OtherFaultsMayTakeTheirTime) {
  const Check check = CheckStalls({{"none", Figures(0, 1, 1)},
                                   {"router", Figures(3, 4'000, 4'000)},
                                   {"pause", Figures(1, 100, 100)}});
  EXPECT_EQ(check.verdict, Check::Verdict::kPassed);
}

TEST(StallLimit, IsLeftOutWhereNothingWasMeasured) {
  EXPECT_EQ(
      CheckStalls({{"none", Figures(0, 40, 60)}, {"router", Figures(1, 9'000, 9'000)}}).verdict,
      Check::Verdict::kLeftOut);
  EXPECT_EQ(CheckStalls({}).verdict, Check::Verdict::kLeftOut);
}

}  // namespace
}  // namespace ringkv
