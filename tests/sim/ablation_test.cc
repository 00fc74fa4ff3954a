// Is the simulator strong enough? Each rule, switched off, must be noticed: by a check of the
// simulator or by an invariant of the code itself. `./dev sim --ablations` does the same on ranges
// of seeds of its own, and says how many it took.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "tests/sim/ablations.h"

namespace ringkv {
namespace {

constexpr uint64_t kSeeds = 2000;

class AblatedSeeds : public testing::TestWithParam<Ablation> {};

TEST_P(AblatedSeeds, Notice) {
  const AblationResult result = Ablate(GetParam(), 1, kSeeds);
  EXPECT_TRUE(result.noticed) << "none of " << result.seeds
                              << " seeds noticed that the rule is off";
  std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(result.seeds),
               result.by_invariant ? "an invariant" : result.violation.c_str());
}

INSTANTIATE_TEST_SUITE_P(Rules, AblatedSeeds, testing::ValuesIn(Ablations()),
                         [](const auto& info) { return info.param.name; });

TEST(Ablation, NothingSwitchedOffFindsNothing) {
  std::set<std::string> seen;
  for (const Ablation& ablation : Ablations()) {
    const bool fresh = seen.insert(ablation.mix ? ablation.mix->ToString() : "").second;
    if (!fresh) continue;
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      RunOptions options;
      options.seed = seed;
      options.mix = ablation.mix;
      EXPECT_EQ(RunSeed(options).violation, "") << ablation.name << ", seed " << seed;
    }
  }
}

// Scenarios that are about one rule: they fail without it.
struct Scripted {
  Rule rule;
  const char* name;
  const char* scenario;
};

class AblatedScenarios : public testing::TestWithParam<Scripted> {
 protected:
  // Whether the scenario passes.
  static bool Passes(Rule without, const std::string& scenario) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("RINGKV_ABLATED_RULE", std::to_string(static_cast<int>(without)).c_str(), 1);
      const std::string filter = "--gtest_filter=" + scenario;
      execl(RINGKV_ABLATED_SCENARIOS, RINGKV_ABLATED_SCENARIOS, filter.c_str(), "--gtest_brief=1",
            nullptr);
      _exit(127);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 127) << "it cannot be started";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
};

TEST_P(AblatedScenarios, FailWithoutTheRule) {
  EXPECT_TRUE(Passes(Rule::kNone, GetParam().scenario));
  EXPECT_FALSE(Passes(GetParam().rule, GetParam().scenario));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, AblatedScenarios,
    testing::Values(Scripted{Rule::kReplyOfItsAttempt, "ReplyOfItsAttempt",
                             "Routers.S08_RepliesOfEarlierAttemptsArriveInALaterOne"},
                    Scripted{Rule::kSourceVotesUnderItsBoot, "SourceVotesUnderItsBoot",
                             "Source.StartsAgainWithALostTailWhileItIsAsked"},
                    Scripted{Rule::kReadAgainIfItExpired, "ReadAgainIfItExpired",
                             "Ttl.S22_ReadDuringWhichAnOverwrittenValueExpires"},
                    Scripted{
                        Rule::kPredecessorIsAwaited, "PredecessorIsAwaited",
                        "RemovedByForce.ThreeRoutersInARowAndNoStaleReadWithinTheLeaseOfTheFirst"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ringkv
