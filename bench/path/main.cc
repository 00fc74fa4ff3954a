// The whole path beside RocksDB alone and a gRPC echo, on real processes: `./dev bench path`. Exit
// codes: 0 all targets met, 1 not, or it could not be measured, 2 wrong usage.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/path/common_options.h"
#include "bench/path/path_bench.h"

namespace ringkv::bench {
namespace {

int Fail(const Status& why) {
  std::fprintf(stderr, "bench path: %s\n", why.message().c_str());
  return 1;
}

int Main(int argc, char** argv) {
  PathOptions options;
  CLI::App app{
      "Throughput, latency and CPU time of puts and gets: RocksDB alone, a gRPC echo of the same "
      "messages, and a cluster of three nodes and a router, all on this machine.",
      "bench path"};
  AddCaseOptions(options, &app);
  app.add_option("--durability", options.durabilities, "os, periodic, sync")
      ->delimiter(',')
      ->check(CLI::IsMember({"os", "periodic", "sync"}));
  app.add_option("--value-size", options.value_bytes, "Bytes of a value")
      ->delimiter(',')
      ->check(CLI::Range(1, 8 << 20));
  app.add_option("--json", options.json_file, "Where to write the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto echo = EchoServer::Fork();
  if (!echo.ok()) return Fail(echo.status());
  PathBench bench(options, std::move(*echo));
  const auto passed = bench.Run();
  if (!passed.ok()) return Fail(passed.status());
  const Status written = WriteFigures(options.json_file, bench.figures().dump(1));
  if (!written.ok()) return Fail(written);
  return *passed ? 0 : 1;
}

}  // namespace
}  // namespace ringkv::bench

int main(int argc, char** argv) { return ringkv::bench::Main(argc, argv); }
