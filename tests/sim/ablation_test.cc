// Is the simulator strong enough? Each rule, switched off, must be noticed: by a check of the
// simulator or by an invariant of the code itself.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "base/rule.h"
#include "tests/sim/sim_run.h"

namespace ringkv {
namespace {

struct Ablation {
  Rule rule;
  const char* name;
  // Where the rule is for what chance alone seldom brings about: faults directed at it.
  std::optional<FaultMix> mix = std::nullopt;
};

// Messages outlive the process that they were meant for.
FaultMix LateMessages() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.long_delay = 0.5;
  mix.wipe = true;
  mix.between_faults = std::chrono::milliseconds(700);
  return mix;
}

// Disks are replaced again while what their predecessors sent is still on its way.
FaultMix LateRegistrations() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.loss = 0.2;
  mix.long_delay = 0.5;
  mix.wipe = true;
  mix.node_crash = true;
  mix.between_faults = std::chrono::milliseconds(250);
  return mix;
}

// Terms that leave something on single replicas, one after the other.
FaultMix DyingRouters() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.loss = 0.25;
  mix.router_crash = true;
  mix.partition = true;
  mix.between_faults = std::chrono::milliseconds(250);
  return mix;
}

// Nodes come and go all the while, and what is written seldom reaches everybody.
FaultMix Moving() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.topology = true;
  mix.spare = 2;
  mix.metadata_delay = std::chrono::milliseconds(400);  // slots stay joint for a while
  mix.loss = 0.15;
  mix.partition = true;
  mix.router_crash = true;
  mix.between_faults = std::chrono::milliseconds(300);
  return mix;
}

// Power fails everywhere, and again while the replicas are made equal.
FaultMix LossesOfPower() {
  FaultMix mix;
  mix.loss = 0.05;
  mix.long_delay = 0.3;
  mix.total_loss = true;
  mix.power_loss = true;
  mix.between_faults = std::chrono::milliseconds(600);
  return mix;
}

// And is back before all that was sent has arrived.
FaultMix BriefLossesOfPower() {
  FaultMix mix;
  mix.long_delay = 0.1;
  mix.latest = std::chrono::seconds(3);
  mix.total_loss = true;
  mix.longest_loss = std::chrono::milliseconds(100);
  mix.between_faults = std::chrono::milliseconds(1500);
  return mix;
}

// So late that what they are about has been collected.
FaultMix VeryLateMessages() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.duplication = 0.1;
  mix.long_delay = 0.02;
  mix.latest = std::chrono::seconds(5);
  mix.node_crash = true;
  return mix;
}

// Routers take over from one that lives on, reaches other nodes than they, and cannot ask whether
// it is still the owner.
FaultMix Takeovers() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.takeover = true;
  mix.lease_ttl = std::chrono::milliseconds(2000);
  mix.partition = true;
  mix.between_faults = std::chrono::milliseconds(500);
  return mix;
}

constexpr uint64_t kSeeds = 2000;
constexpr int kNoticed = 42;

// Runs seeds in this process, which is a child of the test: a broken invariant aborts it.
[[noreturn]] void RunAblated(const Ablation& ablation) {
  AblatedRule() = ablation.rule;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.mix = ablation.mix;
    std::string violation = RunSeed(options).violation;
    if (violation.empty()) continue;
    std::fprintf(stderr, "caught at seed %llu: %s\n", static_cast<unsigned long long>(seed),
                 violation.substr(0, violation.find('\n')).c_str());
    _exit(kNoticed);
  }
  _exit(0);
}

class Ablations : public testing::TestWithParam<Ablation> {};

TEST_P(Ablations, AreNoticed) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) RunAblated(GetParam());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  bool by_check = WIFEXITED(status) && WEXITSTATUS(status) == kNoticed;
  bool by_invariant = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  EXPECT_TRUE(by_check || by_invariant)
      << "none of " << kSeeds << " seeds noticed that the rule was off";
}

INSTANTIATE_TEST_SUITE_P(
    Rules, Ablations,
    testing::Values(
        Ablation{Rule::kBehindAtSingleReads, "BehindAtSingleReads"},
        Ablation{Rule::kRegressedDoesNotVote, "RegressedDoesNotVote"},
        Ablation{Rule::kSettleBeforeCondition, "SettleBeforeCondition"},
        Ablation{Rule::kQuorumCommits, "QuorumCommits"},
        Ablation{Rule::kPendingIsNotReleased, "PendingIsNotReleased"},
        Ablation{Rule::kCompareVersions, "CompareVersions"},
        Ablation{Rule::kWriteBackUnderThisTerm, "WriteBackUnderThisTerm", DyingRouters()},
        Ablation{Rule::kNewDiskNamesTheLastBoot, "NewDiskNamesTheLastBoot", LateRegistrations()},
        Ablation{Rule::kPredecessorIsAwaited, "PredecessorIsAwaited", Takeovers()},
        Ablation{Rule::kLeaseAtSingleReads, "LeaseAtSingleReads", Takeovers()},
        Ablation{Rule::kOnlyTheOneItPromised, "OnlyTheOneItPromised", Takeovers()},
        Ablation{Rule::kBehindOfSourceTakenOver, "BehindOfSourceTakenOver"},
        Ablation{Rule::kExcessIsResolved, "ExcessIsResolved"},
        Ablation{Rule::kCandidateIsAwaited, "CandidateIsAwaited"},
        Ablation{Rule::kResultGoesToAll, "ResultGoesToAll"},
        Ablation{Rule::kReinstateAfterCatchUp, "ReinstateAfterCatchUp"},
        Ablation{Rule::kGapStartsSyncAnew, "GapStartsSyncAnew"},
        Ablation{Rule::kRestartEndsSync, "RestartEndsSync"},
        Ablation{Rule::kSmallerStable, "SmallerStable"},
        Ablation{Rule::kLearnerDoesNotCount, "LearnerDoesNotCount", Moving()},
        Ablation{Rule::kJointQuorum, "JointQuorum", Moving()},
        Ablation{Rule::kLearnerHasAllBeforeFlip, "LearnerHasAllBeforeFlip", Moving()},
        Ablation{Rule::kFloorIsOnAllReplicas, "FloorIsOnAllReplicas"},
        Ablation{Rule::kAbsentReadsAsTheFloor, "AbsentReadsAsTheFloor", VeryLateMessages()},
        Ablation{Rule::kStableIsBoundToItsBoot, "StableIsBoundToItsBoot", LateMessages()},
        Ablation{Rule::kUnionTakesAFreshTerm, "UnionTakesAFreshTerm", BriefLossesOfPower()},
        Ablation{Rule::kUnionIsBoundToItsBoots, "UnionIsBoundToItsBoots", LossesOfPower()},
        Ablation{Rule::kUnionReachesAll, "UnionReachesAll", LossesOfPower()},
        Ablation{Rule::kBehindBeforeAsked, "BehindBeforeAsked"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Ablation, NothingSwitchedOffFindsNothing) {
  for (const std::optional<FaultMix>& mix :
       {std::optional<FaultMix>(), std::optional<FaultMix>(LateMessages()),
        std::optional<FaultMix>(VeryLateMessages()), std::optional<FaultMix>(DyingRouters()),
        std::optional<FaultMix>(Moving()), std::optional<FaultMix>(LateRegistrations()),
        std::optional<FaultMix>(Takeovers()), std::optional<FaultMix>(LossesOfPower()),
        std::optional<FaultMix>(BriefLossesOfPower())}) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      RunOptions options;
      options.seed = seed;
      options.mix = mix;
      EXPECT_EQ(RunSeed(options).violation, "") << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ringkv
