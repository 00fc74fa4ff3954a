// More than a cluster can do, and clients and nodes that are slow, on real processes:
// `./dev bench overload`. Exit codes: 0 all targets met, 1 not, or it could not be measured, 2
// wrong usage.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>

#include "bench/cluster/bench_cluster.h"
#include "bench/overload/idle_connections.h"
#include "bench/overload/overload_bench.h"
#include "bench/overload/scenarios.h"
#include "bench/path/common_options.h"

namespace ringkv::bench {
namespace {

std::atomic<bool> interrupted{false};

int Fail(const Status& why) {
  std::fprintf(stderr, "bench overload: %s\n", why.message().c_str());
  return 1;
}

int Main(int argc, char** argv) {
  OverloadOptions options;
  std::vector<std::string> names;
  std::string listed;
  for (const Scenario& scenario : Scenarios()) {
    names.emplace_back(scenario.name);
    listed += (listed.empty() ? "" : ", ") + names.back();
  }
  CLI::App app{
      "What a cluster of three nodes and a router does when it gets more than it can do, when a "
      "node "
      "is stopped, when clients do not read, say nothing, or send large values; and how much "
      "memory "
      "it takes, beside the bounds of its options.",
      "bench overload"};
  app.add_option("--seconds", options.seconds, "For each measurement")
      ->check(CLI::Range(0.2, 60.0));
  app.add_option("--warm-seconds", options.warm_seconds, "Before each")
      ->check(CLI::Range(0.0, 60.0));
  app.add_option("--only", options.only, listed)->delimiter(',')->check(CLI::IsMember(names));
  app.add_option("--load", options.loads, "CONNECTIONSxIN_FLIGHT, of the scenario load")
      ->delimiter(',')
      ->check(Parses(&ParseShape));
  app.add_option("--pause-seconds", options.pause_seconds, "How long a node is stopped")
      ->check(CLI::Range(0.2, 60.0));
  app.add_option("--deaf-streams", options.deaf_streams, "Streams whose answers nobody reads")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--deaf-gets", options.deaf_gets, "Values of 1 MiB that each asks for")
      ->check(CLI::Range(1, 4'096));
  app.add_option("--idle", options.idle, "Idle connections")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}));
  app.add_option("--keys", options.keys, "Keys with small values")
      ->check(CLI::Range(uint64_t{1'000}, uint64_t{100'000'000}));
  app.add_option("--json", options.json_file, "Where to write the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // The servers get the same.
  if (Status fits = CheckOverloadOptions(options, RaiseOpenFiles()); !fits.ok()) {
    (void)Fail(fits);
    return 2;
  }
  // The servers are in process groups of their own: this process ends them, whatever ends it, and
  // lets go on what it has stopped.
  struct sigaction stop {};
  stop.sa_handler = [](int) { interrupted = true; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::sigaction(number, &stop, nullptr);
  OverloadBench bench(options, interrupted);
  const auto passed = bench.Run();
  if (!passed.ok()) return Fail(passed.status());
  const Status written = WriteFigures(options.json_file, bench.figures().dump(1));
  if (!written.ok()) return Fail(written);
  return *passed ? 0 : 1;
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
