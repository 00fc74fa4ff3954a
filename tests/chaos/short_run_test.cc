// The chaos run as a program: what it writes, and how it ends.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
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

// A kvnode that `parent` started; 0: none yet.
pid_t NodeOf(pid_t parent) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadWholeFile(entry.path() / "stat");  // "pid (name) state parent ..."
    const size_t end = stat.rfind(')');
    if (end == std::string::npos || stat.find("(kvnode)") == std::string::npos) continue;
    if (std::stol(stat.substr(end + 4)) == parent) return static_cast<pid_t>(std::stol(name));
  }
  return 0;
}

TEST(ShortChaosRun, FailsWhenAProcessCrashesThatItDidNotHarm) {
  TempDir dir;
  const std::string out = dir.Sub("out");
  ServerProcess chaos(RINGKV_CHAOS,
                      {"--minutes", "0.1", "--seed", "5", "--faults", "pause", "--out", out},
                      dir.Sub("log"));
  chaos.Start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  bool crashed = false;
  while (chaos.pid() != 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    // Once the load is on: before that it is the probe's cluster.
    if (!crashed && std::filesystem::exists(out + "/history.jsonl")) {
      const pid_t node = NodeOf(chaos.pid());
      crashed = node != 0 && ::kill(node, SIGSEGV) == 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two looks
  }
  ASSERT_TRUE(crashed);
  EXPECT_EQ(chaos.TakeOwnEnd(), std::optional<ExitCode>(1)) << ReadWholeFile(dir.Sub("log"));
  const Json report = Json::parse(ReadWholeFile(out + "/report.json"), nullptr, false);
  EXPECT_EQ(report["passed"], false);
  for (const Json& check : report["checks"]) {
    if (check["name"] != "processes") continue;
    EXPECT_EQ(check["verdict"], "failed");
    EXPECT_NE(check["details"].dump().find("ended by itself with 139"), std::string::npos)
        << check["details"];
  }
  const std::string log = ReadWholeFile(dir.Sub("log"));
  EXPECT_NE(log.find("./dev chaos --minutes 0.1 --seed 5 --faults pause"), std::string::npos);
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
