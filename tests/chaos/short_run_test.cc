// The chaos run as a program: what it writes, and how it ends.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/history/history_file.h"
#include "tests/kvnode/temp_dir.h"
#include "tests/processes/server_process.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;

// Its exit code, or -1 after two minutes.
ExitCode RunChaos(const std::vector<std::string>& arguments, const std::string& output) {
  ServerProcess chaos(RINGKV_CHAOS, arguments, output);
  chaos.Start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (chaos.pid() != 0) {
    if (std::chrono::steady_clock::now() > deadline) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // between two looks
  }
  return chaos.TakeOwnEnd().value_or(-1);
}

TEST(ShortChaosRun, KillsAndPausesAndPassesWithAHistoryThatOthersCanRead) {
  TempDir dir;
  const std::string out = dir.Sub("out");
  const ExitCode code = RunChaos(
      {"--minutes", "0.15", "--seed", "5", "--faults", "kill,pause", "--rate", "200", "--out", out},
      dir.Sub("log"));
  ASSERT_EQ(code, 0) << ReadWholeFile(dir.Sub("log"));
  const Json report = Json::parse(ReadWholeFile(out + "/report.json"), nullptr, false);
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["passed"], true);
  EXPECT_EQ(report["seed"], 5);
  std::set<std::string> kinds;
  for (const Json& fault : report["faults"]) kinds.insert(fault["kind"]);
  EXPECT_EQ(kinds, (std::set<std::string>{"kill", "pause"}));
  std::set<std::string> checks;
  for (const Json& check : report["checks"]) checks.insert(check["name"]);
  for (const char* name : {"linearizable", "nothing-lost", "promises-kept", "processes", "logs",
                           "convergence", "admin-check"}) {
    EXPECT_TRUE(checks.contains(name)) << name;
  }
  EXPECT_GT(report["operations"]["get"]["done"], 500);
  EXPECT_GT(report["operations"]["cas"]["done"], 10);
  EXPECT_GT(report["operations"]["incr"]["done"], 100);

  auto events = ReadHistory(out + "/history.jsonl");
  ASSERT_TRUE(events.ok()) << events.status().message();
  EXPECT_TRUE(PairOperations(*events).ok());
  for (const char* id : {"r1", "n1", "n2", "n3"}) {
    EXPECT_FALSE(ReadWholeFile(out + "/logs/" + id + ".log").empty()) << id;
  }
}

TEST(ShortChaosRun, WrongUsageEndsWithTwoAndTouchesNothing) {
  TempDir dir;
  EXPECT_EQ(RunChaos({"--faults", "storm", "--out", dir.Sub("out")}, dir.Sub("log")), 2);
  EXPECT_NE(ReadWholeFile(dir.Sub("log")).find("no fault 'storm'"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir.Sub("out")));
  // A folder that holds something else.
  WriteWholeFile(dir.Sub("precious"), "x");
  EXPECT_EQ(RunChaos({"--out", dir.Sub("")}, dir.Sub("log")), 2);
  EXPECT_EQ(ReadWholeFile(dir.Sub("precious")), "x");
}

}  // namespace
}  // namespace ringkv
