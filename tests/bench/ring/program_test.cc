// The program itself, as `./dev bench ring` runs it, with little to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/bench/program_run.h"

namespace ringkv::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Ended RunProgram(const std::string& arguments) {
  return bench::RunProgram(RINGKV_BENCH_RING, arguments);
}

TEST(BenchRing, MeasuresEveryContenderAndWritesJson) {
  const std::string file = testing::TempDir() + "bench_ring_program_test.json";
  const Ended ended = RunProgram("--quick --nodes 5 --json " + file);
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("5 nodes, 4 096 slots"));
  EXPECT_THAT(ended.output, HasSubstr("Targets"));

  std::ifstream stream(file);
  const auto json = nlohmann::json::parse(stream);
  std::remove(file.c_str());
  ASSERT_EQ(json["scales"].size(), 1u);
  std::vector<std::string> keys;
  for (const auto& row : json["scales"][0]["rows"]) {
    keys.push_back(row["key"]);
    for (const char* loop : {"primary_throughput", "primary_latency"}) {
      const auto& samples = row["lookup_ns"][loop];
      EXPECT_GE(samples["runs"], 7) << keys.back();
      EXPECT_GT(samples["min"], 0) << keys.back();
    }
    EXPECT_GT(row["readers"]["2"]["lookups_per_s"]["median"], 0) << keys.back();
  }
  EXPECT_THAT(keys, ElementsAre("limit", "ring", "ring", "map", "ketama", "radix", "rendezvous",
                                "maglev", "jump", "anchor"));
  EXPECT_GT(
      json["scales"][0]["rows"][2]["ring"]["published"]["writer"]["1"]["changes_per_s"]["median"],
      0);
}

TEST(BenchRing, EndsWithTwoWhereItIsUsedWrongly) {
  for (const char* arguments : {"--nodes 2", "--runs 1", "--only nothing", "--what", "stray",
                                "--quick --json /nonexistent/file.json"}) {
    const Ended ended = RunProgram(arguments);
    EXPECT_EQ(ended.code, 2) << arguments;
    EXPECT_THAT(ended.output, HasSubstr("bench ring: ")) << arguments;
  }
}

TEST(BenchRing, TellsItsOptions) {
  const Ended ended = RunProgram("--help");
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, HasSubstr("--json"));
}

}  // namespace
}  // namespace ringkv::bench
