// ringkv_sim: runs seeds until one fails, their number is reached or the time is over.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/sim/sim_run.h"

namespace ringkv {
namespace {

struct Totals {
  uint64_t seeds = 0;
  uint64_t counting_seeds = 0;  // with at least 200 operations, 10 faults and 20 simulated seconds
  RunReport sum;
};

void Add(const RunReport& run, Totals* totals) {
  ++totals->seeds;
  if (run.operations >= 200 && run.faults.Total() >= 10 && run.simulated_seconds >= 20)
    ++totals->counting_seeds;
  Add(run, &totals->sum);
}

void Print(const Totals& totals, double seconds) {
  auto n = [](uint64_t number) { return static_cast<unsigned long long>(number); };
  const RunReport& sum = totals.sum;
  std::printf(
      "seeds            %llu in %.1f s (%.0f a minute); %llu of full size (200 operations, 10 "
      "faults, 20 s)\n",
      n(totals.seeds), seconds, static_cast<double>(totals.seeds) * 60 / seconds,
      n(totals.counting_seeds));
  std::printf("simulated        %.0f s (%.0f x real time)\n", sum.simulated_seconds,
              sum.simulated_seconds / seconds);
  std::printf("operations       %llu: %llu answered, %llu not applied, %llu unknown\n",
              n(sum.operations), n(sum.done), n(sum.not_applied), n(sum.unknown));
  std::printf(
      "                 %llu attempts after a first one, of %llu an earlier one was found; %llu "
      "writes "
      "of what expires\n",
      n(sum.retries), n(sum.shard.retries_found), n(sum.expiring));
  std::printf(
      "faults           %llu node crashes, %llu power losses, %llu router crashes, %llu "
      "partitions, %llu stalls, %llu wiped disks, %llu old disks, %llu losses of all power\n",
      n(sum.faults.node_crashes), n(sum.faults.power_losses), n(sum.faults.router_crashes),
      n(sum.faults.partitions), n(sum.faults.stalls), n(sum.faults.wipes), n(sum.faults.old_copies),
      n(sum.faults.total_losses));
  std::printf(
      "                 %llu ways closed, %llu clogged nodes, %llu slow disks, %llu disk errors, "
      "%llu damaged records (met %llu times), %llu clock jumps\n",
      n(sum.faults.ways_closed), n(sum.faults.clogs), n(sum.faults.slow_disks),
      n(sum.faults.disk_errors), n(sum.faults.damaged), n(sum.replica.corrupt),
      n(sum.faults.clock_jumps));
  std::printf(
      "routers          %llu takeovers beside a living owner (%llu found out), %llu pauses, %llu "
      "times without the metadata store, %llu leases ended, %llu reads refused for the lease\n",
      n(sum.faults.takeovers), n(sum.faults.former_ended), n(sum.faults.pauses),
      n(sum.faults.metadata_away), n(sum.faults.leases_ended), n(sum.shard.lease_refusals));
  std::printf("messages         %llu lost, %llu duplicated, %llu late\n",
              n(sum.faults.messages_lost), n(sum.faults.messages_duplicated),
              n(sum.faults.messages_late));
  std::printf(
      "owner            %llu commits, %llu single (%llu spread) and %llu quorum reads, %llu "
      "hedged, "
      "%llu write-backs, %llu retransmissions, %llu repairs\n",
      n(sum.shard.commits), n(sum.shard.single_reads), n(sum.shard.spread_reads),
      n(sum.shard.quorum_reads), n(sum.shard.hedged_reads), n(sum.shard.write_backs),
      n(sum.shard.retransmits), n(sum.shard.repairs));
  std::printf(
      "                 %llu late reads left alone; %llu reads of large values (%llu waited, %llu "
      "refused)\n",
      n(sum.shard.reads_left), n(sum.shard.large_reads), n(sum.shard.large_waits),
      n(sum.shard.large_refused));
  std::printf(
      "replicas         %llu applies compared first, %llu found the same or a later version, %llu "
      "operations fenced\n",
      n(sum.replica.version_reads), n(sum.replica.applies_old), n(sum.replica.fenced));
  std::printf(
      "syncs            %llu pulls, %llu comparisons, %llu replicas made clean, %llu begun again, "
      "%llu other sources, %llu overflows, %llu keys resolved\n",
      n(sum.shard.syncs), n(sum.shard.comparisons), n(sum.shard.syncs_done),
      n(sum.shard.syncs_aborted), n(sum.shard.source_changes), n(sum.shard.overflows),
      n(sum.shard.resolved));
  std::printf(
      "                 %llu records copied, %llu leftovers dropped, %llu sources refused, %llu "
      "votes given back; W advanced %llu times, %llu times not\n",
      n(sum.replica.pulled_records), n(sum.replica.leftovers), n(sum.replica.source_refusals),
      n(sum.replica.reinstated), n(sum.shard.stable_rounds), n(sum.shard.stable_dropped));
  std::printf(
      "replacements     %llu changes ordered (%llu refused), %llu instances made, %llu times joint "
      "(%llu left), %llu flips, %llu abandoned, %llu retired, %llu dropped, %llu metadata faults, "
      "%llu transactions that took effect late\n",
      n(sum.faults.changes), n(sum.faults.changes_refused), n(sum.replica.created),
      n(sum.shard.joints), n(sum.shard.joints_left), n(sum.shard.flips), n(sum.shard.abandoned),
      n(sum.shard.retired), n(sum.replica.dropped), n(sum.faults.metadata_faults),
      n(sum.faults.late_transactions));
  std::printf(
      "unions           %llu begun, %llu slots went on with one; %llu fresh terms of groups of "
      "several slots\n",
      n(sum.shard.unions_begun), n(sum.shard.unions), n(sum.faults.retakes));
  std::printf("checks           %llu of all replicas, %llu looks at all copies of a key\n",
              n(sum.checks), n(sum.looks));
  std::printf("garbage          %llu floors, %llu sweeps, %llu records collected\n",
              n(sum.shard.floors), n(sum.replica.sweeps), n(sum.replica.collected));
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Deterministic simulation of a ringkv cluster. A failure prints its seed and how to replay "
      "it."};
  uint64_t seeds = 0, first = 1;
  double minutes = 0;
  bool trace = false;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  app.add_option("--seeds", seeds,
                 "how many seeds to run (default 1000, or no limit with --minutes)");
  app.add_option("--first", first, "the first seed")->capture_default_str();
  app.add_option("--minutes", minutes, "stop after so long");
  app.add_option("--jobs", jobs, "seeds run at the same time, each in its own thread")
      ->capture_default_str()
      ->check(CLI::Range(1u, 64u));
  app.add_flag("--trace", trace, "print every step; one seed only");
  CLI11_PARSE(app, argc, argv);
  if (seeds == 0) seeds = trace ? 1 : minutes > 0 ? UINT64_MAX - first : 1000;
  if (trace && seeds != 1) {
    std::fprintf(stderr, "ringkv_sim: --trace needs --seeds 1\n");
    return 2;
  }
  if (trace) jobs = 1;

  auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::atomic<uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  Totals totals;                      // guarded by mutex
  std::vector<std::string> failures;  // guarded by mutex
  auto work = [&] {
    while (!stop && (minutes <= 0 || elapsed() < minutes * 60)) {
      uint64_t index = next++;
      if (index >= seeds) return;
      RunOptions options;
      options.seed = first + index;
      if (trace) options.trace = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
      RunReport report = RunSeed(options);
      std::lock_guard lock(mutex);
      Add(report, &totals);
      if (report.violation.empty()) continue;
      const std::string seed = std::to_string(options.seed);
      failures.push_back("seed " + seed + " FAILED: " + report.violation +
                         "\n  faults: " + report.mix + "\n  replay: ./dev sim --first " + seed +
                         " --seeds 1 --trace\n");
      stop = true;
      std::printf("%s", failures.back().c_str());
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < jobs; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  Print(totals, elapsed());
  // Again, as the last lines: where a log is shown in part, that is its end.
  for (const std::string& failure : failures) std::printf("%s", failure.c_str());
  std::printf("%s\n", failures.empty() ? "no violation" : "VIOLATION");
  return failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace ringkv

int main(int argc, char** argv) { return ringkv::Main(argc, argv); }
