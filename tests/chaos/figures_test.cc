#include "tests/chaos/figures.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/chaos/report.h"

namespace ringkv {
namespace {

using Outcome = ClientOperation::Outcome;
using Function = HistoryEvent::Function;

constexpr int64_t kMs = 1'000'000;

ClientOperation Op(Function function, int64_t from_ms, int64_t to_ms,
                   Outcome outcome = Outcome::kDone) {
  ClientOperation operation;
  operation.function = function;
  operation.key = "r1";
  operation.outcome = outcome;
  operation.op.invoked = from_ms * kMs;
  operation.ended_ns = to_ms * kMs;
  return operation;
}

// A load of 20 s with one kill from 10 s to 11 s, a slow write and a failed read in it.
RunRecord Example() {
  RunRecord record;
  record.seed = 7;
  record.replay = "./dev chaos --seed 7";
  record.load_to_ns = 20'000 * kMs;
  FaultRecord kill;
  kill.kind = "kill";
  kill.target = "n2";
  kill.from_ns = 10'000 * kMs;
  kill.healed_ns = kill.whole_ns = 11'000 * kMs;
  record.faults.push_back(kill);
  for (int64_t at = 0; at < 20'000; at += 100) {
    record.operations.push_back(Op(Function::kGet, at, at + 2));
    record.operations.push_back(Op(Function::kPut, at, at + 4));
  }
  record.operations.push_back(Op(Function::kPut, 10'005, 10'055));
  record.operations.push_back(Op(Function::kGet, 10'010, 10'200, Outcome::kNotApplied));
  record.operations.push_back(Op(Function::kGet, 90'000, 95'000));  // a read at the end
  return record;
}

TEST(Figures, LatenciesAreOfWhatWasDoneInTheStretch) {
  const RunRecord record = Example();
  const LatencyFigures reads = LatencyIn(record.operations, Access::kRead, {0, 9'999 * kMs});
  EXPECT_EQ(reads.count, 100u);
  EXPECT_DOUBLE_EQ(reads.p50_ms, 2);
  EXPECT_DOUBLE_EQ(reads.max_ms, 2);
  const LatencyFigures writes =
      LatencyIn(record.operations, Access::kWrite, {10'000 * kMs, 11'000 * kMs});
  EXPECT_DOUBLE_EQ(writes.max_ms, 50);
  EXPECT_DOUBLE_EQ(writes.p50_ms, 4);
  EXPECT_EQ(LatencyIn(record.operations, Access::kRead, {1, 2}).count, 0u);
}

TEST(Figures, AvailabilityOfAFaultStandsBesideThatWithout) {
  const auto by_kind = AvailabilityByKind(Example());
  ASSERT_TRUE(by_kind.contains("kill"));
  EXPECT_EQ(by_kind.at("kill").faults, 1u);
  EXPECT_DOUBLE_EQ(by_kind.at("kill").no_writes_ms, 50);
  EXPECT_DOUBLE_EQ(by_kind.at("kill").no_reads_ms, 92) << "from 10.010 to the read at 10.1";
  EXPECT_EQ(by_kind.at("kill").no_reads_key, "r1");
  EXPECT_EQ(by_kind.at("kill").outcomes.not_applied, 1u);
  EXPECT_DOUBLE_EQ(by_kind.at("none").no_reads_ms, 2) << "without the reads at the end";
  EXPECT_DOUBLE_EQ(by_kind.at("none").no_writes_ms, 4);
  EXPECT_EQ(by_kind.at("none").outcomes.not_applied, 0u);
}

TEST(Figures, ReportHasEverythingThatThePageDescribes) {
  RunRecord record = Example();
  record.checks.push_back({.name = "linearizable"});
  record.checks.back().Fail("key r1: \xff");
  record.left_out.push_back({"check admin-check", "kvctl has none"});
  const auto report = nlohmann::json::parse(ReportJson(record), nullptr, false);
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["seed"], 7);
  EXPECT_EQ(report["replay"], "./dev chaos --seed 7");
  EXPECT_EQ(report["passed"], false);
  EXPECT_EQ(report["checks"][0]["verdict"], "failed");
  EXPECT_EQ(report["left_out"][0]["what"], "check admin-check");
  EXPECT_EQ(report["faults"][0]["kind"], "kill");
  EXPECT_EQ(report["faults"][0]["from_s"], 10.0);
  EXPECT_EQ(report["faults"][0]["whole_s"], 11.0);
  EXPECT_EQ(report["operations"]["get"]["done"], 201);
  EXPECT_EQ(report["operations"]["get"]["not_applied"], 1);
  EXPECT_EQ(report["availability"]["kill"]["longest_without_writes_ms"], 50.0);
  EXPECT_EQ(report["availability"]["none"]["longest_without_reads_ms"], 2.0);
  for (const char* stretch : {"before", "during", "after"}) {
    EXPECT_GT(report["latency_ms"][stretch]["writes"]["count"], 0) << stretch;
  }
}

TEST(Figures, SummaryOfAFailureNamesTheSeedAndTheCommand) {
  RunRecord record = Example();
  EXPECT_NE(Summary(record, "/x").find("passed all that was checked"), std::string::npos);
  record.checks.push_back({.name = "linearizable"});
  record.checks.back().Fail("key r1 went back");
  const std::string text = Summary(record, "/x");
  EXPECT_NE(text.find("FAILED, seed 7"), std::string::npos) << text;
  EXPECT_NE(text.find("./dev chaos --seed 7"), std::string::npos) << text;
  EXPECT_NE(text.find("key r1 went back"), std::string::npos) << text;
}

}  // namespace
}  // namespace ringkv
