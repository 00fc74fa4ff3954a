#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/bench/program_run.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv::bench {
namespace {

Ended RunProgram(const std::string& arguments) {
  return bench::RunProgram(RINGKV_BENCH_OVERLOAD, arguments);
}

// Small, and whatever the verdict: on a machine that does something else it says little.
TEST(OverloadProgram, MeasuresEachScenarioAndWritesJson) {
  const TempDir directory;
  const Ended ended = RunProgram(
      "--seconds 0.3 --warm-seconds 0.1 --keys 1000 --load 2x64 --pause-seconds 1 "
      "--deaf-streams 2 --deaf-gets 8 --idle 50 --json " +
      directory.Sub("overload.json"));
  ASSERT_TRUE(ended.code == 0 || ended.code == 1) << ended.output;
  const auto json = nlohmann::json::parse(std::ifstream(directory.Sub("overload.json")));
  EXPECT_EQ(json["passed"], ended.code == 0) << ended.output;
  std::set<std::string> names;
  for (const auto& scenario : json["scenarios"]) {
    names.insert(scenario["name"]);
    ASSERT_GE(scenario["loads"].size(), 2u) << scenario;
    // The first is the one that nothing disturbs; values of 8 MiB take longer than this test.
    EXPECT_GT(scenario["loads"][0]["figures"]["operations"], 0) << scenario << ended.output;
    EXPECT_EQ(scenario["loads"][0]["figures"]["failed"], 0) << scenario << ended.output;
    ASSERT_GE(scenario["memory"].size(), 1u) << scenario;
    for (const auto& memory : scenario["memory"]) {
      EXPECT_EQ(memory["processes"].size(), 4u) << memory;
      for (const auto& [process, figures] : memory["processes"].items()) {
        EXPECT_GT(figures["resident_bytes"], 1 << 20) << process;
        EXPECT_GE(figures["peak_bytes"], figures["resident_bytes"]) << process;
      }
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"load", "paused", "deaf", "idle", "large", "large-reads",
                                          "slow"}));
  bool met = true;
  for (const auto& target : json["targets"]) met = met && target["met"].get<bool>();
  EXPECT_EQ(met, json["passed"]);
  for (const char* process : {"router", "node"}) {
    uint64_t sum = 0;
    for (const auto& part : json["memory_bounds"][process]["parts"]) {
      sum += part["bytes"].get<uint64_t>();
    }
    EXPECT_EQ(json["memory_bounds"][process]["total_bytes"], sum);
  }
  EXPECT_EQ(json["left_out"].size(), 1u);
}

TEST(OverloadProgram, OnlyWhatIsWantedIsMeasured) {
  const TempDir directory;
  const Ended ended =
      RunProgram("--seconds 0.2 --warm-seconds 0 --keys 1000 --only idle --idle 10 --json " +
                 directory.Sub("overload.json"));
  ASSERT_TRUE(ended.code == 0 || ended.code == 1) << ended.output;
  const auto json = nlohmann::json::parse(std::ifstream(directory.Sub("overload.json")));
  ASSERT_EQ(json["scenarios"].size(), 1u);
  EXPECT_EQ(json["scenarios"][0]["name"], "idle");
}

TEST(OverloadProgram, WrongUsageEndsWithTwo) {
  for (const char* bad : {"--load 64", "--only nonsense", "--seconds 0", "--keys 1", "--idle 0",
                          "--idle 999999", "--deaf-gets 4097", "--pause-seconds 0", "--unknown"}) {
    const Ended ended = RunProgram(bad);
    EXPECT_EQ(ended.code, 2) << bad << ": " << ended.output;
  }
}

}  // namespace
}  // namespace ringkv::bench
