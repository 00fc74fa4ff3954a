#include "bench/ring/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringkv::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Invocation> Parsed(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "bench");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

Options Good(const std::vector<const char*>& arguments) {
  const Result<Invocation> invocation = Parsed(arguments);
  EXPECT_TRUE(invocation.ok()) << invocation.status().message();
  return invocation.value().options.value();
}

TEST(Options, AreTheFullRunByDefault) {
  const Options options = Good({});
  EXPECT_THAT(options.nodes, ElementsAre(10, 100, 1'000, 100'000, 1'000'000));
  EXPECT_EQ(options.runs, 7);
  EXPECT_FALSE(options.quick);
  EXPECT_TRUE(options.json_file.empty());
  EXPECT_TRUE(options.Wants("ring"));
  EXPECT_TRUE(options.Wants("map"));
}

TEST(Options, AreTaken) {
  const Options options = Good({"--nodes", "3,1000000", "--runs=9", "--only", "ring,maglev",
                                "--quick", "--json", "out.json"});
  EXPECT_THAT(options.nodes, ElementsAre(3, 1'000'000));
  EXPECT_EQ(options.runs, 9);
  EXPECT_TRUE(options.Wants("maglev"));
  EXPECT_FALSE(options.Wants("map"));
  EXPECT_TRUE(options.quick);
  EXPECT_EQ(options.json_file, "out.json");
}

TEST(Options, QuickTakesFewSizesUnlessTold) {
  EXPECT_THAT(Good({"--quick"}).nodes, ElementsAre(10, 1'000));
  EXPECT_THAT(Good({"--quick", "--nodes", "7"}).nodes, ElementsAre(7));
}

TEST(Options, HelpIsATextThatNamesEachOption) {
  const Result<Invocation> invocation = Parsed({"--help"});
  ASSERT_TRUE(invocation.ok());
  EXPECT_FALSE(invocation->options.has_value());
  for (const char* option : {"--nodes", "--runs", "--only", "--quick", "--json", "rendezvous"}) {
    EXPECT_THAT(invocation->text, HasSubstr(option));
  }
}

TEST(Options, RefusesWhatIsWrongAndSaysWhat) {
  const auto says = [](const std::vector<const char*>& arguments, const char* text) {
    const Result<Invocation> invocation = Parsed(arguments);
    ASSERT_FALSE(invocation.ok()) << text;
    EXPECT_EQ(invocation.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(invocation.status().message(), HasSubstr(text));
  };
  says({"--nodes", "2"}, "--nodes: 2 is not from 3 to 1000000");
  says({"--nodes", "10,1000001"}, "1000001");
  says({"--nodes", "ten"}, "--nodes");
  says({"--nodes", "-5"}, "--nodes");
  says({"--nodes"}, "--nodes");
  says({"--runs", "6"}, "--runs: 6 is not from 7");
  says({"--runs", "7x"}, "--runs");
  says({"--only", "ring,md5"}, "'md5' is none of ring, map, ketama");
  says({"--json"}, "--json");
  says({"--what"}, "--what");
  says({"plain"}, "plain");
}

}  // namespace
}  // namespace ringkv::bench
