// Are the golden scripts sharp enough? Each rule of these machines that can be switched off,
// switched off, must change what some script finds. (That a new disk names the last boot is a rule
// of the registration, and kRegressedDoesNotVote one of the simulator's nodes: the scripts play
// neither.)
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "base/rule.h"
#include "tests/golden/golden_run.h"
#include "tests/golden/node_machine.h"
#include "tests/golden/owner_machine.h"

namespace ringkv::golden {
namespace {

struct Ablation {
  Rule rule;
  const char* name;
};

class GoldenAblation : public testing::TestWithParam<Ablation> {};

bool SomeScriptDiffers() {
  const struct {
    const char* name;
    MakeMachine make;
  } machines[] = {{"owner", [] { return std::make_unique<OwnerMachine>(); }},
                  {"node", [] { return std::make_unique<NodeMachine>(); }}};
  for (const auto& machine : machines) {
    for (const std::string& path : ScriptsFor(machine.name)) {
      const Result<Script> script = LoadScript(path);
      RINGKV_CHECK(script.ok(), script.status().message());
      const Result<Script> found = Play(*script, machine.make);
      if (!found.ok() || !Differences(*script, *found).empty()) {
        if (getenv("SHOW"))
          fprintf(stderr, "%s ", path.c_str());
        else
          return true;
      }
    }
  }
  return false;
}

// In a process of its own: what the code itself checks may end it, which counts as noticed.
bool IsNoticed(Rule rule) {
  const pid_t child = fork();
  if (child == 0) {
    AblatedRule() = rule;
    _exit(SomeScriptDiffers() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

TEST_P(GoldenAblation, IsNoticed) { EXPECT_TRUE(IsNoticed(GetParam().rule)); }

TEST(GoldenAblation, WithAllRulesNoScriptDiffers) { EXPECT_FALSE(IsNoticed(Rule::kNone)); }

#define RULE(name) \
  Ablation { Rule::name, #name }
INSTANTIATE_TEST_SUITE_P(
    Rules, GoldenAblation,
    testing::Values(
        RULE(kBehindAtSingleReads), RULE(kSettleBeforeCondition), RULE(kQuorumCommits),
        RULE(kPendingIsNotReleased), RULE(kWriteBackUnderThisTerm), RULE(kReadAgainIfItExpired),
        RULE(kRetryIsLookedFor), RULE(kCompareVersions), RULE(kPredecessorIsAwaited),
        RULE(kLeaseAtSingleReads), RULE(kOnlyTheOneItPromised), RULE(kBehindOfSourceTakenOver),
        RULE(kExcessIsResolved), RULE(kCandidateIsAwaited), RULE(kResultGoesToAll),
        RULE(kReinstateAfterCatchUp), RULE(kSourceVotesUnderItsBoot), RULE(kGapStartsSyncAnew),
        RULE(kRestartEndsSync), RULE(kSmallerStable), RULE(kFloorIsOnAllReplicas),
        RULE(kAbsentReadsAsTheFloor), RULE(kStableIsBoundToItsBoot), RULE(kLearnerDoesNotCount),
        RULE(kJointQuorum), RULE(kLearnerHasAllBeforeFlip), RULE(kUnionTakesAFreshTerm),
        RULE(kUnionIsBoundToItsBoots), RULE(kUnionReachesAll), RULE(kBehindBeforeAsked)),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ringkv::golden
