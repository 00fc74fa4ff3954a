#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "bench/path/measured_load.h"
#include "bench/path/operations.h"
#include "bench/path/process_cpu.h"

namespace ringkv::bench {
namespace {

TEST(Operations, EachOnceWritesEveryKeyOnce) {
  Operations operations({"get", 1}, {1'000, 33});
  operations.EachOnce();
  Random random(1);
  std::set<uint64_t> keys;
  std::set<std::string> values;
  while (const auto operation = operations.Next(random)) {
    EXPECT_FALSE(operation->read);
    EXPECT_TRUE(keys.insert(operation->key).second) << operation->key;
    EXPECT_EQ(operation->value.size(), 33u);
    values.emplace(operation->value);
  }
  EXPECT_EQ(keys.size(), 1'000u);
  EXPECT_EQ(*keys.rbegin(), 999u);
  EXPECT_GT(values.size(), 990u) << "values are slices at random places";
}

TEST(Operations, ReadsAreTheSharesOfTheMixAndKeysAreEquallyLikely) {
  for (const double reads : {0.0, 0.5, 0.95, 1.0}) {
    Operations operations({"", reads}, {10, 100});
    Random random(2);
    std::map<uint64_t, int> keys;
    int read = 0;
    for (int i = 0; i < 20'000; ++i) {
      const auto operation = operations.Next(random);
      ASSERT_TRUE(operation);
      read += operation->read ? 1 : 0;
      ++keys[operation->key];
      EXPECT_EQ(operation->value.size(), operation->read ? 0u : 100u);
    }
    EXPECT_NEAR(read / 20'000.0, reads, 0.02);
    ASSERT_EQ(keys.size(), 10u);
    for (const auto& [key, times] : keys) EXPECT_NEAR(times, 2'000, 250) << key;
  }
}

TEST(Operations, AreOverOnceEndedOrInterrupted) {
  Random random(3);
  Operations ended({"put", 0}, {10, 1});
  EXPECT_TRUE(ended.Next(random));
  ended.End();
  EXPECT_FALSE(ended.Next(random));
  std::atomic<bool> interrupted{false};
  Operations interruptible({"put", 0}, {10, 1}, &interrupted);
  EXPECT_TRUE(interruptible.Next(random));
  interrupted = true;
  EXPECT_FALSE(interruptible.Next(random));
}

TEST(LoadFigures, FailuresOfTheWarmUpStay) {
  LoadFigures figures;
  figures.Succeeded(std::chrono::microseconds(5));
  figures.Failed(2, "first");
  figures.BeginMeasuring();
  figures.Succeeded(std::chrono::microseconds(7));
  figures.Failed(1, "second");
  EXPECT_EQ(figures.operations, 1u);
  EXPECT_EQ(figures.latency.max(), std::chrono::microseconds(7));
  EXPECT_EQ(figures.failed, 3u);
  EXPECT_EQ(figures.first_error, "first");
}

// Notes what is done with it.
class NotedLoad final : public Load {
 public:
  Status Start() override {
    calls += "start ";
    return start;
  }
  void BeginMeasuring() override { calls += "begin "; }
  LoadFigures EndMeasuring() override {
    calls += "end ";
    LoadFigures figures;
    figures.operations = 1'000;
    return figures;
  }
  void Stop() override { calls += "stop "; }
  Status WriteAll() override { return Status::Ok(); }

  Status start;
  std::string calls;
};

TEST(ProcessCpu, ChildrenThatHaveEndedAreInIt) {
  const double before = CpuSecondsOf(::getpid());
  ASSERT_EQ(std::system("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"), 0);
  EXPECT_GE(CpuSecondsOf(::getpid()) - before, 0.02);
  EXPECT_LT(CpuSecondsOfThisProcess(), CpuSecondsOf(::getpid()));
  EXPECT_EQ(CpuSecondsOf(0), 0);
}

TEST(MeasuredLoad, IsStartedMeasuredAndStopped) {
  NotedLoad load;
  const auto figures = MeasureLoad(load, {{"servers", {::getpid(), ::getpid()}}}, {0.01, 0.05});
  ASSERT_TRUE(figures.ok());
  EXPECT_EQ(load.calls, "start begin end stop ");
  EXPECT_EQ(figures->operations, 1'000u);
  EXPECT_TRUE(figures->cpu_us.contains("servers"));
  EXPECT_TRUE(figures->cpu_us.contains("clients"));
}

TEST(MeasuredLoad, CannotStartOrIsInterrupted) {
  NotedLoad refused;
  refused.start = Status::Unavailable("nobody there");
  EXPECT_EQ(MeasureLoad(refused, {}, {0, 0.01}).status().message(), "nobody there");
  EXPECT_EQ(refused.calls, "start ");
  NotedLoad load;
  const std::atomic<bool> interrupted{true};
  const auto figures = MeasureLoad(load, {}, {600, 600}, &interrupted);
  EXPECT_EQ(figures.status().message(), "interrupted");
  EXPECT_TRUE(load.calls.ends_with("stop ")) << load.calls;
}

}  // namespace
}  // namespace ringkv::bench
