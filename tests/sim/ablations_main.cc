// ringkv_sim_ablations: each rule switched off, on disjoint ranges of seeds; one line each.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/sim/ablations.h"

namespace ringkv {
namespace {

struct Task {
  const Ablation* ablation;
  uint64_t range;
};

int Main(int argc, char** argv) {
  CLI::App app{
      "Switches each rule of the protocol off and says how many seeds it takes the simulator to "
      "notice."};
  uint64_t seeds = 20'000, ranges = 3, apart = 1'000'000, first = 10'000'000;
  double minutes = 0;
  std::string only;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  app.add_option("--seeds", seeds, "of a range, at most")->capture_default_str();
  app.add_option("--ranges", ranges, "disjoint ones")->capture_default_str();
  app.add_option("--first", first, "the first seed of the first range")->capture_default_str();
  app.add_option("--rule", only, "this one only");
  app.add_option("--minutes", minutes, "begin nothing after so long");
  app.add_option("--jobs", jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1u, 64u));
  CLI11_PARSE(app, argc, argv);
  if (seeds == 0 || seeds > apart || ranges == 0) {
    std::fprintf(stderr, "ringkv_sim_ablations: --seeds takes 1 to 1000000, --ranges at least 1\n");
    return 2;
  }
  std::vector<Task> tasks;
  for (uint64_t range = 0; range < ranges; ++range) {
    for (const Ablation& ablation : Ablations()) {
      if (only.empty() || ablation.name == only) tasks.push_back({&ablation, range});
    }
  }
  if (tasks.empty()) {
    std::fprintf(stderr, "ringkv_sim_ablations: no rule is called %s\n", only.c_str());
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  std::atomic<size_t> next{0};
  std::mutex mutex;
  size_t missed = 0, done = 0;  // guarded by mutex
  auto work = [&] {
    for (;;) {
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      if (minutes > 0 && elapsed.count() > minutes * 60) return;
      const size_t at = next++;
      if (at >= tasks.size()) return;
      const uint64_t from = first + tasks[at].range * apart;
      const AblationResult result = Ablate(*tasks[at].ablation, from, seeds);
      std::lock_guard lock(mutex);
      ++done;
      missed += result.noticed ? 0 : 1;
      std::printf("%-26s from %-9llu %6llu seeds  %s\n", tasks[at].ablation->name.c_str(),
                  static_cast<unsigned long long>(from),
                  static_cast<unsigned long long>(result.seeds),
                  !result.noticed       ? "NOT NOTICED"
                  : result.by_invariant ? "an invariant of the code"
                                        : result.violation.c_str());
      std::fflush(stdout);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < jobs; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  std::printf("%zu of %zu done, %zu not noticed\n", done, tasks.size(), missed);
  return missed == 0 && done == tasks.size() ? 0 : 1;
}

}  // namespace
}  // namespace ringkv

int main(int argc, char** argv) { return ringkv::Main(argc, argv); }
