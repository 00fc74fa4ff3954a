#include "tests/chaos/options.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const Result<ChaosOptions> options = ParseChaosOptions(arguments);
  return options.ok() ? "" : options.status().message();
}

TEST(ChaosOptions, DefaultsDrawASeedAndNameAFolderByIt) {
  const Result<ChaosOptions> options = ParseChaosOptions({});
  ASSERT_TRUE(options.ok());
  EXPECT_GT(options->seed, 0u);
  EXPECT_EQ(options->out, "build/chaos/seed-" + std::to_string(options->seed));
  EXPECT_TRUE(options->faults.empty());
}

TEST(ChaosOptions, ReplayIsTheCommandThatGivesTheSameOptions) {
  const Result<ChaosOptions> options = ParseChaosOptions(
      {"--minutes", "0.5", "--seed=7", "--faults", "kill,pause", "--out", "/x", "--rate", "100"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->Replay(), "./dev chaos --minutes 0.5 --seed 7 --faults kill,pause --rate 100");
  EXPECT_EQ(options->Length(), std::chrono::seconds(30));
  EXPECT_EQ(options->out, "/x");
}

TEST(ChaosOptions, WhatIsWrongIsSaidClearly) {
  EXPECT_NE(ErrorOf({"--minutes"}).find("needs a value"), std::string::npos);
  EXPECT_NE(ErrorOf({"--minutes", "two"}).find("'two' is not a number"), std::string::npos);
  EXPECT_NE(ErrorOf({"--minutes", "0"}), "");
  EXPECT_NE(ErrorOf({"--minutes", "nan"}), "");
  EXPECT_NE(ErrorOf({"--seed", "-1"}), "");
  EXPECT_NE(ErrorOf({"--seed", "0"}), "");
  EXPECT_NE(ErrorOf({"--rate", "1.5"}), "");
  EXPECT_NE(ErrorOf({"--out", ""}), "");
  EXPECT_NE(ErrorOf({"--speed", "9"}).find("unknown option '--speed'"), std::string::npos);
  EXPECT_NE(ErrorOf({"now"}).find("unknown option 'now'"), std::string::npos);
  const std::string no_such = ErrorOf({"--faults", "kill,storm"});
  EXPECT_NE(no_such.find("'storm'"), std::string::npos) << no_such;
  EXPECT_NE(no_such.find("disk-wiped"), std::string::npos) << no_such;
  EXPECT_NE(ErrorOf({"--faults", ""}), "");
}

}  // namespace
}  // namespace ringkv
