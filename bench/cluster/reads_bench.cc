// How many reads nodes answer for each read of a client, on real processes, from their metrics:
// `./dev bench reads`. Exit codes: 0 within the limits, 1 not, or it could not be measured, 2 wrong
// usage.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/cluster/bench_cluster.h"

namespace ringkv::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  uint64_t keys = 100'000;
  size_t value_bytes = 1'000;
  int clients = 64;
  double seconds = 15;
  std::string json_file;
};

struct Mix {
  const char* workload;  // of kvctl bench
  double reads;          // of all operations
  double limit;          // node reads for each client read
};
constexpr Mix kMixes[] = {{"b", 0.95, 1.05}, {"a", 0.5, 1.2}};

struct Counts {
  double client_reads = 0;
  double node_reads = 0;
  double hedged = 0;
  double quorum = 0;
};

Result<Counts> Read(BenchCluster& cluster) {
  const auto client = cluster.OfRouter("operations_total", "op=\"get\"");
  const auto hedged = cluster.OfRouter("reads_hedged_total");
  const auto quorum = cluster.OfRouter("reads_quorum_total");
  const auto nodes = cluster.OfNodes("node_operations_total", "op=\"read\"");
  for (const auto* one : {&client, &hedged, &quorum, &nodes}) {
    if (!one->ok()) return one->status();
  }
  return Counts{*client, *nodes, *hedged, *quorum};
}

Result<Json> Measure(BenchCluster& cluster, const Mix& mix, const Options& options, bool* passed) {
  const auto before = Read(cluster);
  if (!before.ok()) return before.status();
  const Status loaded = cluster.Load(mix.workload, options.keys, options.value_bytes,
                                     options.clients, options.seconds);
  if (!loaded.ok()) return loaded;
  const auto after = Read(cluster);
  if (!after.ok()) return after.status();
  const double client_reads = after->client_reads - before->client_reads;
  const double node_reads = after->node_reads - before->node_reads;
  if (client_reads == 0) return Status::Internal("no client read anything");
  const double ratio = node_reads / client_reads;
  const bool within = ratio <= mix.limit;
  *passed = *passed && within;
  std::printf(
      "%2.0f %% reads: %.0f reads of clients, %.0f of nodes: %.4f for each (at most %.2f): "
      "%s; %.0f hedged, %.0f of a quorum\n\n",
      mix.reads * 100, client_reads, node_reads, ratio, mix.limit, within ? "within" : "MISSED",
      after->hedged - before->hedged, after->quorum - before->quorum);
  return Json{{"reads_share", mix.reads},
              {"client_reads", client_reads},
              {"node_reads", node_reads},
              {"node_reads_per_client_read", ratio},
              {"limit", mix.limit},
              {"hedged", after->hedged - before->hedged},
              {"quorum", after->quorum - before->quorum},
              {"within", within}};
}

int Fail(const Status& why) {
  std::fprintf(stderr, "bench reads: %s\n", why.message().c_str());
  return 1;
}

int Run(const Options& options) {
  BenchCluster cluster;
  Status ready = cluster.Start();
  // The names of kvctl bench's keys are its own.
  if (ready.ok()) {
    ready = cluster.LoadKeys(options.keys, options.value_bytes);
  }
  if (ready.ok()) ready = cluster.WaitWhole(60);
  if (!ready.ok()) return Fail(ready);
  bool passed = true;
  Json document{{"keys", options.keys},
                {"value_bytes", options.value_bytes},
                {"clients", options.clients},
                {"seconds", options.seconds},
                {"mixes", Json::array()}};
  for (const Mix& mix : kMixes) {
    const Result<Json> measured = Measure(cluster, mix, options, &passed);
    if (!measured.ok()) return Fail(measured.status());
    document["mixes"].push_back(*measured);
  }
  document["passed"] = passed;
  const Status written = WriteFigures(options.json_file, document.dump(1));
  if (!written.ok()) return Fail(written);
  return passed ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"Reads of nodes for each read of a client, when all is well.", "bench reads"};
  app.add_option("--keys", options.keys, "Keys")->check(CLI::Range(1, 100'000'000));
  app.add_option("--value-size", options.value_bytes, "Bytes of a value")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--clients", options.clients, "Calls in flight")->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", options.seconds, "For each mix")->check(CLI::Range(0.5, 3'600.0));
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
