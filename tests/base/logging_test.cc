#include "base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace ringkv {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class LoggingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetUpLogging(LogLevel::kInfo);
    ::testing::internal::CaptureStderr();
  }
  static std::string Written() {
    FlushLog();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LoggingTest, ALineHasTimeLevelComponentAndText) {
  RINGKV_LOG(kWarning, "router", "owns {} of {} slots", 3, "many");
  EXPECT_THAT(Written(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                           "warning router: owns 3 of many slots\n"));
}

TEST_F(LoggingTest, BelowTheLevelNothingIsWrittenNorEvaluated) {
  int evaluated = 0;
  RINGKV_LOG(kDebug, "x", "{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
  SetUpLogging(LogLevel::kDebug);
  RINGKV_LOG(kDebug, "x", "{}", ++evaluated);
  EXPECT_EQ(evaluated, 1);
  SetUpLogging(LogLevel::kOff);
  RINGKV_LOG(kError, "x", "silent");
  EXPECT_THAT(Written(), Not(HasSubstr("silent")));
}

TEST_F(LoggingTest, AnEventIsOneLineWhateverIsInIt) {
  RINGKV_LOG(kInfo, "x", "{}", "a\nb\x1b[31m {} é");
  EXPECT_THAT(Written(), HasSubstr("x: a\\nb\\x1b[31m {} é\n"));
}

TEST_F(LoggingTest, ARepeatedErrorIsWrittenOnceAnInterval) {
  for (int i = 0; i < 100; ++i) {
    RINGKV_LOG_EVERY(std::chrono::hours(1), kError, "x", "number {}", i);
  }
  std::string written = Written();
  EXPECT_THAT(written, HasSubstr("number 0\n"));
  EXPECT_THAT(written, Not(HasSubstr("number 1")));
}

TEST_F(LoggingTest, TheNextLineSaysHowManyWereLeftOut) {
  LogLimitedLine(LogLevel::kInfo, "x", "again", 41);
  LogLimitedLine(LogLevel::kInfo, "x", "first", 0);
  std::string written = Written();
  EXPECT_THAT(written, HasSubstr("again (41 more like this)\n"));
  EXPECT_THAT(written, HasSubstr("first\n"));
}

TEST(LogLimiter, LetsOneThroughAnIntervalAndCountsTheOthers) {
  LogLimiter limiter(std::chrono::seconds(1));
  uint64_t suppressed = 99;
  EXPECT_TRUE(limiter.Allow(MonoTime{5}, &suppressed));
  EXPECT_EQ(suppressed, 0u);
  EXPECT_FALSE(limiter.Allow(MonoTime{6}, &suppressed));
  EXPECT_FALSE(limiter.Allow(MonoTime{1'000'000'004}, &suppressed));
  EXPECT_TRUE(limiter.Allow(MonoTime{1'000'000'005}, &suppressed));
  EXPECT_EQ(suppressed, 2u);
}

TEST(LogLimiter, LetsOneOfManyThreadsThrough) {
  LogLimiter limiter(std::chrono::hours(1));
  std::atomic<int> allowed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      uint64_t suppressed = 0;
      for (int j = 0; j < 1000; ++j) allowed += limiter.Allow(MonoTime{7}, &suppressed) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 1);
}

TEST(LogLevel, HasNames) {
  for (const std::string& name : LogLevelNames()) EXPECT_TRUE(ParseLogLevel(name).ok());
  EXPECT_EQ(*ParseLogLevel("error"), LogLevel::kError);
  EXPECT_FALSE(ParseLogLevel("loud").ok());
}

}  // namespace
}  // namespace ringkv
