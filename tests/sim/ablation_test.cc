// Is the simulator strong enough? Each rule, switched off, must lead to a violation.
#include <gtest/gtest.h>

#include "base/rule.h"
#include "tests/sim/sim_run.h"

namespace ringkv {
namespace {

struct Ablation {
  Rule rule;
  const char* name;
};

class Ablations : public testing::TestWithParam<Ablation> {};

TEST_P(Ablations, AreCaught) {
  AblatedRule() = GetParam().rule;
  uint64_t caught_at = 0;
  std::string violation;
  for (uint64_t seed = 1; seed <= 3000 && caught_at == 0; ++seed) {
    RunOptions options;
    options.seed = seed;
    violation = RunSeed(options).violation;
    if (!violation.empty()) caught_at = seed;
  }
  AblatedRule() = Rule::kNone;
  EXPECT_NE(caught_at, 0u) << "no seed noticed that the rule was off";
  std::cout << GetParam().name << ": caught at seed " << caught_at << ": "
            << violation.substr(0, violation.find('\n')) << std::endl;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, Ablations,
    testing::Values(Ablation{Rule::kBehindAtSingleReads, "BehindAtSingleReads"},
                    Ablation{Rule::kRegressedDoesNotVote, "RegressedDoesNotVote"},
                    Ablation{Rule::kSettleBeforeCondition, "SettleBeforeCondition"},
                    Ablation{Rule::kQuorumCommits, "QuorumCommits"},
                    Ablation{Rule::kPendingIsNotReleased, "PendingIsNotReleased"},
                    Ablation{Rule::kCompareVersions, "CompareVersions"},
                    Ablation{Rule::kTermCheckOnNode, "TermCheckOnNode"},
                    Ablation{Rule::kOwnBootOnly, "OwnBootOnly"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Ablation, NothingSwitchedOffFindsNothing) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    RunOptions options;
    options.seed = seed;
    EXPECT_EQ(RunSeed(options).violation, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace ringkv
