#include "tests/sim/ablations.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/check.h"

namespace ringkv {
namespace {

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
  mix.loss = 0.2;
  mix.router_crash = true;
  mix.partition = true;
  mix.between_faults = std::chrono::milliseconds(400);
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

// The same, and less is lost: more of the changes come to their flip.
FaultMix MovingOn() {
  FaultMix mix = Moving();
  mix.loss = 0.08;
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

// And a third, when the second has removed a node by force that the first still reaches.
FaultMix Removals() {
  FaultMix mix = Takeovers();
  mix.nodes = 4;
  mix.topology = true;
  mix.removals = true;
  return mix;
}

// Sources lose the ends of their logs and are back at once, while what others ask of them is late;
// and replicas are filled all the while, for more is behind than is tracked.
FaultMix ForgetfulSources() {
  FaultMix mix;
  mix.loss = 0.2;
  mix.long_delay = 0.3;
  mix.latest = std::chrono::milliseconds(150);
  mix.power_loss = true;
  mix.max_behind = 1;
  mix.sync_interval = std::chrono::seconds(2);
  mix.longest_outage = std::chrono::milliseconds(5);
  mix.between_faults = std::chrono::milliseconds(250);
  return mix;
}

// Clients that try again what they got no answer to, mostly soon after it was applied.
FaultMix Retries() {
  FaultMix mix;
  mix.synced_writes = true;
  mix.client_retries = true;
  mix.loss = 0.1;
  mix.router_crash = true;
  mix.node_crash = true;
  mix.between_faults = std::chrono::milliseconds(500);
  return mix;
}

// Seeds that a child has run come through a pipe, as the number of the last one; what it has found
// after that. A broken invariant aborts it.
struct Progress {
  uint64_t seed;
  char violation[160];
};

[[noreturn]] void RunAblated(const Ablation& ablation, uint64_t first, uint64_t seeds, int out) {
  AblatedRule() = ablation.rule;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    RunOptions options;
    options.seed = seed;
    options.mix = ablation.mix;
    const std::string violation = RunSeed(options).violation;
    Progress progress{seed, {}};
    std::snprintf(progress.violation, sizeof progress.violation, "%s",
                  violation.substr(0, violation.find('\n')).c_str());
    const ssize_t written = write(out, &progress, sizeof progress);
    if (written != static_cast<ssize_t>(sizeof progress) || !violation.empty()) break;
  }
  _exit(0);
}

}  // namespace

const std::vector<Ablation>& Ablations() {
  static const std::vector<Ablation> all = {
      Ablation{Rule::kBehindAtSingleReads, "BehindAtSingleReads"},
      Ablation{Rule::kRegressedDoesNotVote, "RegressedDoesNotVote"},
      Ablation{Rule::kSettleBeforeCondition, "SettleBeforeCondition"},
      Ablation{Rule::kQuorumCommits, "QuorumCommits"},
      Ablation{Rule::kPendingIsNotReleased, "PendingIsNotReleased"},
      Ablation{Rule::kCompareVersions, "CompareVersions"},
      Ablation{Rule::kWriteBackUnderThisTerm, "WriteBackUnderThisTerm", DyingRouters()},
      Ablation{Rule::kNewDiskNamesTheLastBoot, "NewDiskNamesTheLastBoot", LateRegistrations()},
      Ablation{Rule::kPredecessorIsAwaited, "PredecessorIsAwaited", Takeovers()},
      Ablation{Rule::kPredecessorIsAwaited, "PredecessorIsAwaitedWithRemovals", Removals()},
      Ablation{Rule::kLeaseAtSingleReads, "LeaseAtSingleReads", Takeovers()},
      Ablation{Rule::kOnlyTheOneItPromised, "OnlyTheOneItPromised", Takeovers()},
      Ablation{Rule::kBehindOfSourceTakenOver, "BehindOfSourceTakenOver"},
      Ablation{Rule::kExcessIsResolved, "ExcessIsResolved"},
      Ablation{Rule::kCandidateIsAwaited, "CandidateIsAwaited"},
      Ablation{Rule::kResultGoesToAll, "ResultGoesToAll"},
      Ablation{Rule::kReinstateAfterCatchUp, "ReinstateAfterCatchUp"},
      Ablation{Rule::kSourceVotesUnderItsBoot, "SourceVotesUnderItsBoot", ForgetfulSources()},
      Ablation{Rule::kGapStartsSyncAnew, "GapStartsSyncAnew"},
      Ablation{Rule::kRestartEndsSync, "RestartEndsSync"},
      Ablation{Rule::kSmallerStable, "SmallerStable"},
      Ablation{Rule::kLearnerDoesNotCount, "LearnerDoesNotCount", Moving()},
      Ablation{Rule::kJointQuorum, "JointQuorum", Moving()},
      Ablation{Rule::kLearnerHasAllBeforeFlip, "LearnerHasAllBeforeFlip", MovingOn()},
      Ablation{Rule::kFloorIsOnAllReplicas, "FloorIsOnAllReplicas"},
      Ablation{Rule::kAbsentReadsAsTheFloor, "AbsentReadsAsTheFloor", VeryLateMessages()},
      Ablation{Rule::kStableIsBoundToItsBoot, "StableIsBoundToItsBoot", LateMessages()},
      Ablation{Rule::kUnionTakesAFreshTerm, "UnionTakesAFreshTerm", BriefLossesOfPower()},
      Ablation{Rule::kUnionIsBoundToItsBoots, "UnionIsBoundToItsBoots", LossesOfPower()},
      Ablation{Rule::kUnionReachesAll, "UnionReachesAll", LossesOfPower()},
      Ablation{Rule::kRetryIsLookedFor, "RetryIsLookedFor", Retries()},
      Ablation{Rule::kBehindBeforeAsked, "BehindBeforeAsked"}};
  return all;
}

AblationResult Ablate(const Ablation& ablation, uint64_t first, uint64_t seeds) {
  int ends[2];
  RINGKV_CHECK(pipe(ends) == 0, "a pipe can be made");
  const pid_t child = fork();
  RINGKV_CHECK(child >= 0, "a process can be made");
  if (child == 0) {
    // Not the pipes of others that run beside it: they would seem not to end.
    const auto out = static_cast<unsigned>(ends[1]);
    close_range(STDERR_FILENO + 1, out - 1, 0);
    close_range(out + 1, ~0U, 0);
    RunAblated(ablation, first, seeds, ends[1]);
  }
  close(ends[1]);
  AblationResult result;
  Progress progress;
  while (read(ends[0], &progress, sizeof progress) == static_cast<ssize_t>(sizeof progress)) {
    ++result.seeds;
    result.violation = progress.violation;
  }
  close(ends[0]);
  int status = 0;
  RINGKV_CHECK(waitpid(child, &status, 0) == child, "the child ends");
  result.by_invariant = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (result.by_invariant) ++result.seeds;
  result.noticed = result.by_invariant || !result.violation.empty();
  return result;
}

}  // namespace ringkv
