#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/path/path_bench.h"
#include "tests/bench/program_run.h"

namespace ringkv::bench {
namespace {

TEST(PathLoads, ShapesAreConnectionsAndOperationsInFlight) {
  const auto shape = ParseShape("64x16");
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->connections, 64);
  EXPECT_EQ(shape->in_flight, 16);
  for (const char* bad : {"", "64", "64x", "x16", "0x1", "1x0", "64x16x2", "64x16 ", "a", "-1x1",
                          "10001x1", "1x4097"}) {
    EXPECT_FALSE(ParseShape(bad).ok()) << bad;
  }
}

TEST(PathLoads, MixesAreSharesOfGetsAndPuts) {
  EXPECT_EQ(ParseMix("put")->reads, 0);
  EXPECT_EQ(ParseMix("get")->reads, 1);
  EXPECT_EQ(ParseMix("95/5")->reads, 0.95);
  for (const char* bad : {"", "read", "95", "95/6", "95/", "/5", "95/5/0", "-5/105", "95/5 "}) {
    EXPECT_FALSE(ParseMix(bad).ok()) << bad;
  }
}

TEST(PathLoads, KeysHave16Bytes) {
  EXPECT_EQ(PathKey(0), "k000000000000000");
  EXPECT_EQ(PathKey(123'456'789).size(), 16u);
}

TEST(PathLoads, ValuesOfASpaceAreAtMost256MiB) {
  EXPECT_EQ(SpaceOf(100'000, 100).keys, 100'000u);
  EXPECT_EQ(SpaceOf(100'000, 1 << 20).keys, 256u);
}

Ended RunProgram(const std::string& arguments) {
  return bench::RunProgram(RINGKV_BENCH_PATH, arguments);
}

TEST(PathProgram, MeasuresRocksDbEchoAndClusterAndWritesJson) {
  const std::string file = testing::TempDir() + "bench_path_test.json";
  const Ended ended = RunProgram(
      "--seconds 0.4 --warm-seconds 0.1 --durability os --value-size 100,5000 --load 2x2 "
      "--mix put,50/50 --keys 1000 --json " +
      file);
  ASSERT_EQ(ended.code, 0) << ended.output;
  const auto json = nlohmann::json::parse(std::ifstream(file));
  ASSERT_EQ(json["cases"].size(), 4u);
  for (const auto& one : json["cases"]) {
    EXPECT_GT(one["rocksdb_operations_per_second"], 0.0) << one;
    for (const char* what : {"echo", "path"}) {
      EXPECT_GT(one[what]["operations"], 0) << one;
      EXPECT_EQ(one[what]["failed"], 0) << one;
      EXPECT_GT(one[what]["latency_us"]["p50"], 0.0) << one;
      EXPECT_GE(one[what]["latency_us"]["max"], one[what]["latency_us"]["p99"]) << one;
    }
    for (const char* process : {"clients", "router", "nodes"}) {
      EXPECT_TRUE(one["path"]["cpu_us_per_operation"].contains(process)) << one;
    }
  }
}

TEST(PathProgram, WrongUsageEndsWithTwo) {
  for (const char* bad : {"--load 64", "--mix none", "--durability maybe", "--seconds 0",
                          "--value-size 0", "--keys 1", "--unknown"}) {
    const Ended ended = RunProgram(bad);
    EXPECT_EQ(ended.code, 2) << bad << ": " << ended.output;
  }
}

}  // namespace
}  // namespace ringkv::bench
