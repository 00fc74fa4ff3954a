// Each rule of docs/protocol.md and each scenario that has a name has a golden script, and each
// script is run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "tests/golden/golden_run.h"

namespace ringkv::golden {
namespace {

constexpr int kRules = 12;
constexpr int kScenarios = 25;
// Of the opening comment: enough to say what could go wrong, and short enough to be read.
constexpr size_t kFewestLines = 2, kMostLines = 6;

std::string Numbered(const char* format, int number) {
  char text[32];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

// Whether a script is called so and opens with these words.
bool IsThere(const std::string& prefix, const std::string& words) {
  const std::vector<std::string> paths = AllScripts();
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    if (!path.starts_with(prefix)) return false;
    const Result<Script> script = LoadScript(path);
    return script.ok() && script->opening[0].starts_with("# " + words);
  });
}

TEST(GoldenCoverage, EachRuleHasAScript) {
  for (int rule = 1; rule <= kRules; ++rule) {
    EXPECT_TRUE(IsThere(Numbered("owner/r%02d_", rule), Numbered("R%d, ", rule))) << "R" << rule;
  }
}

TEST(GoldenCoverage, EachScenarioHasAScript) {
  for (int scenario = 1; scenario <= kScenarios; ++scenario) {
    EXPECT_TRUE(
        IsThere(Numbered("scenarios/s%02d_", scenario), Numbered("Scenario %d: ", scenario)))
        << "scenario " << scenario;
  }
}

TEST(GoldenCoverage, WhatIsNotThereIsNoticed) {
  EXPECT_FALSE(IsThere("owner/r13_", "R13, "));
  EXPECT_FALSE(IsThere("owner/r01_", "R2, "));
}

TEST(GoldenCoverage, EachScriptIsRunAndOpensWithWhatItIsAbout) {
  for (const std::string& path : AllScripts()) {
    const Result<Script> script = LoadScript(path);
    ASSERT_TRUE(script.ok()) << script.status().message();
    EXPECT_TRUE(script->machine == "owner" || script->machine == "node")
        << path << ": no test plays a '" << script->machine << "'";
    size_t lines = 0;
    while (script->opening[lines].starts_with('#')) ++lines;
    EXPECT_GE(lines, kFewestLines) << path;
    EXPECT_LE(lines, kMostLines) << path;
  }
}

}  // namespace
}  // namespace ringkv::golden
