// The program with our own cluster, which is there: Redis and etcd are packages that only
// `./dev bench peers` fetches.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/peers/load_run.h"
#include "tests/bench/program_run.h"
#include "tests/kvnode/temp_dir.h"
#include "tests/processes/server_process.h"

namespace ringkv::bench {
namespace {

Ended RunProgram(const std::string& arguments) {
  return bench::RunProgram(RINGKV_BENCH_PEERS, arguments);
}

TEST(PeersProgram, MeasuresEachLoadAndWritesJson) {
  const TempDir directory;
  const Ended ended = RunProgram(
      "--systems ringkv-os,ringkv-periodic --seconds 0.4 --warm-seconds 0.1 --load 2x2,1x1 "
      "--mix put,50/50 --value-size 500 --keys 1000 --json " +
      directory.Sub("peers.json"));
  ASSERT_EQ(ended.code, 0) << ended.output;
  const auto json = nlohmann::json::parse(std::ifstream(directory.Sub("peers.json")));
  ASSERT_EQ(json["systems"].size(), 2u);
  EXPECT_NE(json["systems"][0]["promise"], "");
  ASSERT_EQ(json["cases"].size(), 8u);
  for (const auto& one : json["cases"]) {
    EXPECT_EQ(one["value_bytes"], 500) << one;
    const auto& figures = one["figures"];
    EXPECT_GT(figures["operations"], 0) << one;
    EXPECT_EQ(figures["failed"], 0) << one;
    EXPECT_GT(figures["latency_us"]["p50"], 0.0) << one;
    EXPECT_GE(figures["latency_us"]["max"], figures["latency_us"]["p99"]) << one;
    for (const char* process : {"clients", "router", "nodes"}) {
      EXPECT_GT(figures["cpu_us_per_operation"][process], 0.0) << one;
    }
  }
  EXPECT_EQ(json["judged_all"], false);
  EXPECT_NE(ended.output.find("not all targets were judged"), std::string::npos) << ended.output;
}

TEST(PeersProgram, WrongUsageEndsWithTwo) {
  for (const char* bad : {"--load 64", "--mix none", "--systems mysql", "--seconds 0",
                          "--value-size 0", "--value-size 1048577", "--keys 1", "--unknown"}) {
    const Ended ended = RunProgram(bad);
    EXPECT_EQ(ended.code, 2) << bad << ": " << ended.output;
  }
}

TEST(PeersProgram, MissingServersEndWithTwoBeforeAnythingIsStarted) {
  for (const char* system : {"redis", "redis-wait", "etcd"}) {
    const Ended ended =
        RunProgram(std::string("--programs /nonexistent --systems ringkv-os,") + system);
    EXPECT_EQ(ended.code, 2) << ended.output;
    EXPECT_NE(ended.output.find(std::string(system) + " needs /nonexistent/"), std::string::npos)
        << ended.output;
    EXPECT_NE(ended.output.find("./dev bench peers fetches it"), std::string::npos) << ended.output;
    EXPECT_EQ(ended.output.find("ops/s"), std::string::npos) << ended.output;
  }
}

// What stands in for etcd says something and ends at once.
TEST(PeersProgram, ServersThatDoNotStartAreAFailureWhoseLogsAreKept) {
  const TempDir directory;
  WriteWholeFile(directory.Sub("etcd"), "#!/bin/sh\necho cannot serve; exit 1\n");
  std::filesystem::permissions(directory.Sub("etcd"), std::filesystem::perms::owner_all);
  const Ended ended = RunProgram("--systems etcd --programs " + directory.Sub(""));
  EXPECT_EQ(ended.code, 1) << ended.output;
  EXPECT_NE(ended.output.find(" has ended"), std::string::npos) << ended.output;
  const std::string marker = "the logs are in ";
  const size_t at = ended.output.find(marker);
  ASSERT_NE(at, std::string::npos) << ended.output;
  const size_t begin = at + marker.size();
  const std::string logs = ended.output.substr(begin, ended.output.find('\n', begin) - begin);
  EXPECT_EQ(ReadWholeFile(logs + "/etcd1.log"), "cannot serve\n");
  const auto place = std::filesystem::path(logs).parent_path();
  EXPECT_FALSE(std::filesystem::exists(place / "data"));
  ASSERT_TRUE(place.filename().string().starts_with("ringkv-peers-"));
  std::filesystem::remove_all(place);
}

// Processes whose command line holds `text`.
int ProcessesWith(const std::string& text) {
  int found = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string line = ReadWholeFile(entry.path() / "cmdline");
    if (line.find(text) != std::string::npos) ++found;
  }
  return found;
}

TEST(PeersProgram, SignalEndsItWithItsServers) {
  const TempDir directory;
  ServerProcess program(RINGKV_BENCH_PEERS,
                        {"--systems", "ringkv-os", "--seconds", "600", "--load", "1x1", "--mix",
                         "put", "--keys", "1000"},
                        directory.Sub("log"));
  program.Start();
  // The nodes of this run, by the parent that started them.
  const auto children = [pid = program.pid()] {
    return ReadWholeFile("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) +
                         "/children");
  };
  std::string router;
  ASSERT_TRUE(Eventually(
      [&] {
        const std::string pids = children();
        if (std::count(pids.begin(), pids.end(), ' ') < 4) return false;
        router = ReadWholeFile("/proc/" + pids.substr(0, pids.find(' ')) + "/cmdline");
        return true;
      },
      60));
  // "--data-dir" is in a directory that only this run has.
  const size_t at = router.find("/tmp/ringkv-bench-");
  ASSERT_NE(at, std::string::npos) << router;
  const std::string place = router.substr(at, sizeof "/tmp/ringkv-bench-XXXXXX" - 1);
  ASSERT_TRUE(Eventually([&] { return ProcessesWith(place) >= 4; }));
  EXPECT_EQ(program.Stop(), 1);
  EXPECT_EQ(ProcessesWith(place), 0);
  EXPECT_FALSE(std::filesystem::exists(place));
  EXPECT_NE(ReadWholeFile(directory.Sub("log")).find("interrupted"), std::string::npos);
}

}  // namespace
}  // namespace ringkv::bench
