// The fixed set of seeds that every commit must pass. Together they must also reach what is rare: a
// simulator that never gets there proves nothing about it.
#include <gtest/gtest.h>

#include "tests/sim/sim_run.h"

namespace ringkv {
namespace {

class Seeds : public testing::TestWithParam<uint64_t> {};

constexpr uint64_t kSeedsPerTest = 50;

TEST_P(Seeds, HoldEveryInvariant) {
  for (uint64_t seed = GetParam(); seed < GetParam() + kSeedsPerTest; ++seed) {
    RunOptions options;
    options.seed = seed;
    RunReport report = RunSeed(options);
    ASSERT_EQ(report.violation, "")
        << "replay: ./dev sim --first " << seed << " --seeds 1 --trace\n"
        << report.mix;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixed, Seeds, testing::Values(1, 51, 101, 151, 201, 251, 301, 351));

// Each once found a flaw, with what was drawn then.
struct Found {
  uint64_t seed;
  bool leave_out_newer;
};

class FoundSeeds : public testing::TestWithParam<Found> {};

TEST_P(FoundSeeds, HoldEveryInvariant) {
  RunOptions options;
  options.seed = GetParam().seed;
  options.leave_out_newer = GetParam().leave_out_newer;
  const RunReport report = RunSeed(options);
  EXPECT_EQ(report.violation, "") << report.mix;
}

INSTANTIATE_TEST_SUITE_P(Before, FoundSeeds,
                         testing::Values(Found{900048, true}, Found{5102469, true},
                                         Found{5400578, true}, Found{1796055770171, false},
                                         Found{1796062524604, false}, Found{1796585110694, false},
                                         Found{1796086162485, false}, Found{1796094631510, false}),
                         [](const auto& found) { return std::to_string(found.param.seed); });

TEST(RareBranches, AreReachedByTheFixedSeeds) {
  RunReport sum;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    RunOptions options;
    options.seed = seed;
    RunReport report = RunSeed(options);
    Add(report, &sum);
  }
  EXPECT_GT(sum.unknown, 0u);
  EXPECT_GT(sum.retries, 0u);
  EXPECT_GT(sum.expiring, 0u);
  EXPECT_GT(sum.shard.retries_found, 0u);
  EXPECT_GT(sum.faults.power_losses, 0u);
  EXPECT_GT(sum.faults.router_crashes, 0u);
  EXPECT_GT(sum.faults.takeovers, 0u);
  EXPECT_GT(sum.faults.removals, 0u);
  EXPECT_GT(sum.faults.pauses, 0u);
  EXPECT_GT(sum.faults.metadata_away, 0u);
  EXPECT_GT(sum.faults.leases_ended, 0u);
  EXPECT_GT(sum.faults.former_ended, 0u);
  EXPECT_GT(sum.faults.late_transactions, 0u);
  EXPECT_GT(sum.faults.retakes, 0u);
  EXPECT_GT(sum.faults.ways_closed, 0u);
  EXPECT_GT(sum.faults.clogs, 0u);
  EXPECT_GT(sum.faults.slow_disks, 0u);
  EXPECT_GT(sum.faults.disk_errors, 0u);
  EXPECT_GT(sum.faults.damaged, 0u);
  EXPECT_GT(sum.faults.clock_jumps, 0u);
  EXPECT_GT(sum.replica.corrupt, 0u);
  EXPECT_GT(sum.shard.lease_refusals, 0u);
  EXPECT_GT(sum.shard.write_backs, 0u);
  EXPECT_GT(sum.shard.hedged_reads, 0u);
  EXPECT_GT(sum.shard.reads_left, 0u);
  EXPECT_GT(sum.shard.large_reads, 0u);
  EXPECT_GT(sum.shard.large_waits, 0u);
  EXPECT_GT(sum.replica.reads_large, 0u);
  EXPECT_GT(sum.shard.awaited_commits, 0u);
  EXPECT_GT(sum.shard.spread_reads, 0u);
  EXPECT_GT(sum.shard.retransmits, 0u);
  EXPECT_GT(sum.shard.repairs, 0u);
  EXPECT_GT(sum.replica.version_reads, 0u);
  EXPECT_GT(sum.replica.applies_old, 0u);
  EXPECT_GT(sum.replica.fenced, 0u);
  EXPECT_GT(sum.faults.wipes, 0u);
  EXPECT_GT(sum.faults.old_copies, 0u);
  EXPECT_GT(sum.shard.overflows, 0u);
  EXPECT_GT(sum.shard.comparisons, 0u);
  EXPECT_GT(sum.shard.syncs_aborted, 0u);
  EXPECT_GT(sum.shard.source_changes, 0u);
  EXPECT_GT(sum.shard.resolved, 0u);
  EXPECT_GT(sum.shard.stable_rounds, 0u);
  EXPECT_GT(sum.shard.stable_dropped, 0u);
  EXPECT_GT(sum.faults.changes, 0u);
  EXPECT_GT(sum.faults.metadata_faults, 0u);
  EXPECT_GT(sum.shard.flips, 0u);
  EXPECT_GT(sum.shard.abandoned, 0u);
  EXPECT_GT(sum.replica.dropped, 0u);
  EXPECT_GT(sum.shard.floors, 0u);
  EXPECT_GT(sum.replica.collected, 0u);
  EXPECT_GT(sum.replica.pulled_records, 0u);
  EXPECT_GT(sum.replica.source_refusals, 0u);
  EXPECT_GT(sum.replica.reinstated, 0u);
  EXPECT_GT(sum.checks, 1'000u) << "admin check under load";
  EXPECT_GT(sum.looks, 5'000u);
}

TEST(Determinism, SameSeedGivesTheSameTrace) {
  auto trace = [] {
    std::string lines;
    RunOptions options;
    options.seed = 7;
    options.trace = [&](const std::string& line) { lines += line + '\n'; };
    RunSeed(options);
    return lines;
  };
  std::string first = trace();
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, trace());
}

}  // namespace
}  // namespace ringkv
