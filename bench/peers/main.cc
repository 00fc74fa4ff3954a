// ringkv beside Redis Cluster and etcd, on real processes: `./dev bench peers`. Exit codes: 0 all
// targets met, 1 not, or it could not be measured, 2 wrong usage, or a program is missing.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>

#include "bench/cluster/bench_cluster.h"
#include "bench/path/common_options.h"
#include "bench/peers/peers_bench.h"

namespace ringkv::bench {
namespace {

std::atomic<bool> interrupted{false};

int Fail(const Status& why) {
  std::fprintf(stderr, "bench peers: %s\n", why.message().c_str());
  return why.code() == StatusCode::kInvalidArgument ? 2 : 1;
}

int Main(int argc, char** argv) {
  PeersOptions options;
  std::string names;
  for (const PeerKind& kind : PeerKinds()) {
    options.systems.emplace_back(kind.name);
    names += (names.empty() ? "" : ", ") + options.systems.back();
  }
  CLI::App app{
      "Throughput, latency and CPU time of puts and gets: ringkv (three nodes and a router), Redis "
      "Cluster (three masters, three replicas) and etcd (three members), all on this machine.",
      "bench peers"};
  AddCaseOptions(options, &app);
  app.add_option("--systems", options.systems, names)
      ->delimiter(',')
      ->check(CLI::IsMember(options.systems));
  // etcd takes requests up to 1.5 MiB.
  app.add_option("--value-size", options.value_bytes, "Bytes of a value")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--programs", options.programs, "Directory with redis-server and etcd");
  app.add_option("--json", options.json_file, "Where to write the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (Status there = CheckPrograms(options); !there.ok()) return Fail(there);
  // The servers are in process groups of their own: this process ends them, whatever ends it.
  struct sigaction stop {};
  stop.sa_handler = [](int) { interrupted = true; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::sigaction(number, &stop, nullptr);
  PeersBench bench(options, interrupted);
  const auto passed = bench.Run();
  if (!passed.ok()) {
    (void)Fail(passed.status());
    return 1;
  }
  const Status written = WriteFigures(options.json_file, bench.figures().dump(1));
  if (!written.ok()) return Fail(written);
  return *passed ? 0 : 1;
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
