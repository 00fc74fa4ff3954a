// What moves when a node returns that missed some writes, on real processes, from their metrics:
// `./dev bench rejoin`. Two cases: the router was there all the while, and knows what the node
// missed; and it was restarted meanwhile, so that the copies have to be compared. Exit codes: 0
// within the limit, 1 not, or it could not be measured, 2 wrong usage.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "bench/cluster/bench_cluster.h"

namespace ringkv::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kLimit = 1.5;  // bytes that reach the node, for each byte that it missed
constexpr int kNode = 3;
constexpr int kPatienceSeconds = 600;

struct Options {
  uint64_t keys = 1'000'000;
  size_t value_bytes = 1'000;
  double missed_percent = 1;
  std::string json_file;
};

enum class Case { kRouterStays, kRouterRestarts };
const char* NameOf(Case which) {
  return which == Case::kRouterStays ? "router-stays" : "router-restarts";
}

// Everything that came in at the node's process, which has just started: from the router and from
// other nodes, what asks and answers included.
Result<double> ReceivedBy(BenchCluster& cluster, int node) {
  const auto batches = cluster.OfNode(node, "node_received_bytes_total");
  const auto sync = cluster.OfNode(node, "node_sync_received_bytes_total");
  if (!batches.ok()) return batches.status();
  if (!sync.ok()) return sync.status();
  return *batches + *sync;
}

// All that any process received of any other one.
Result<double> ReceivedByAll(BenchCluster& cluster) {
  const auto batches = cluster.OfNodes("node_received_bytes_total");
  const auto sync = cluster.OfNodes("node_sync_received_bytes_total");
  const auto router = cluster.OfRouter("node_received_bytes_total");
  for (const auto* one : {&batches, &sync, &router}) {
    if (!one->ok()) return one->status();
  }
  return *batches + *sync + *router;
}

Result<Json> Measure(BenchCluster& cluster, Case which, int round, const Options& options,
                     bool* passed) {
  const auto step = static_cast<uint64_t>(100 / options.missed_percent);
  cluster.processes().node(kNode).Kill();
  if (!cluster.processes().WaitReach(kNode, v1::REACH_DOWN)) {
    return Status::Unavailable("the router does not notice that the node is gone");
  }
  // Other keys each time.
  Status stored =
      cluster.Store(static_cast<uint64_t>(round), options.keys, step, options.value_bytes, round);
  if (!stored.ok()) return stored;
  const uint64_t missed_keys = (options.keys - static_cast<uint64_t>(round) + step - 1) / step;
  const double missed =
      static_cast<double>(missed_keys * (options.value_bytes + KeyName(0).size()));
  if (which == Case::kRouterRestarts) {
    cluster.processes().router().Kill();
    cluster.processes().router().Start();
    const bool serves = cluster.processes().WaitFor([](const v1::GetClusterResponse& status) {
      return status.slot_health().total() > 0 && status.slot_health().blocked() == 0;
    });
    if (!serves) return Status::Unavailable("the router does not come back");
  }
  // Of the router that is there now.
  const auto all_before = ReceivedByAll(cluster);
  if (!all_before.ok()) return all_before.status();
  const RealClock clock;
  const MonoTime begun = clock.Now();
  cluster.processes().node(kNode).Start();
  const Status whole = cluster.WaitWhole(kPatienceSeconds);
  if (!whole.ok()) return whole;
  const double seconds = static_cast<double>((clock.Now() - begun).count()) / 1e9;
  const auto received = ReceivedBy(cluster, kNode);
  const auto all_after = ReceivedByAll(cluster);
  if (!received.ok()) return received.status();
  if (!all_after.ok()) return all_after.status();
  const double ratio = *received / missed;
  const bool within = ratio <= kLimit;
  *passed = *passed && within;
  std::printf(
      "%-16s missed %.0f keys, %.1f MB; received %.1f MB: %.3f x (at most %.1f): %s; "
      "%.1f MB between all processes; clean after %.1f s\n\n",
      NameOf(which), static_cast<double>(missed_keys), missed / 1e6, *received / 1e6, ratio, kLimit,
      within ? "within" : "MISSED", (*all_after - *all_before) / 1e6, seconds);
  return Json{{"case", NameOf(which)},
              {"missed_keys", missed_keys},
              {"missed_bytes", missed},
              {"received_bytes", *received},
              {"ratio", ratio},
              {"limit", kLimit},
              {"between_all_bytes", *all_after - *all_before},
              {"seconds_until_clean", seconds},
              {"within", within}};
}

int Fail(const Status& why) {
  std::fprintf(stderr, "bench rejoin: %s\n", why.message().c_str());
  return 1;
}

int Run(const Options& options) {
  BenchCluster cluster;
  Status ready = cluster.Start();
  if (ready.ok()) ready = cluster.Store(0, options.keys, 1, options.value_bytes, 0);
  if (ready.ok()) ready = cluster.WaitWhole(60);
  if (!ready.ok()) return Fail(ready);
  bool passed = true;
  Json document{{"keys", options.keys},
                {"value_bytes", options.value_bytes},
                {"missed_percent", options.missed_percent},
                {"cases", Json::array()}};
  int round = 0;
  for (Case which : {Case::kRouterStays, Case::kRouterRestarts}) {
    const Result<Json> measured = Measure(cluster, which, ++round, options, &passed);
    if (!measured.ok()) return Fail(measured.status());
    document["cases"].push_back(*measured);
  }
  document["passed"] = passed;
  const Status written = WriteFigures(options.json_file, document.dump(1));
  if (!written.ok()) return Fail(written);
  return passed ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"What moves when a node returns that missed some writes.", "bench rejoin"};
  app.add_option("--keys", options.keys, "Keys")->check(CLI::Range(100, 100'000'000));
  app.add_option("--value-size", options.value_bytes, "Bytes of a value")
      ->check(CLI::Range(64, 1 << 20));
  app.add_option("--missed-percent", options.missed_percent,
                 "Of the keys, written while it is away")
      ->check(CLI::Range(0.01, 100.0));
  app.add_option("--json", options.json_file, "Where to write the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Run(options);
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
