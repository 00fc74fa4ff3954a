#include "tests/golden/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "tests/golden/golden_run.h"

namespace ringkv::golden {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kScript[] =
    "# What it is about.\n"
    "machine echo\n"
    "\n"
    "# First.\n"
    "say a b x=1\n"
    "say c\n"
    "----\n"
    "a b x=1\n"
    "c\n"
    "\n"
    "\n"
    "quiet\n"
    "----\n"
    "(nothing)\n"
    "# The end is a comment only after an empty line.\n"
    "\n"
    "# The end.\n";

std::string ErrorOf(const std::string& text) {
  const Result<Script> script = ParseScript("dir/bad.txt", text);
  return script.ok() ? "none" : script.status().message();
}

// Says what it is told, and how often it was told something.
class Echo final : public Machine {
 public:
  Status Run(const Command& command, std::vector<std::string>* effects) override {
    Arguments args(command);
    if (command.name == "quiet") return args.Finish();
    ++told_;
    if (command.name == "count") {
      RINGKV_RETURN_IF_ERROR(args.Finish());
      effects->push_back(std::to_string(told_));
      return Status::Ok();
    }
    std::string text = args.Word("something to say");
    while (const auto word = args.WordIfAny()) text += ' ' + *word;
    if (const auto x = args.NumberIfAny("x")) text += " x=" + std::to_string(*x);
    RINGKV_RETURN_IF_ERROR(args.Finish());
    effects->push_back(text);
    return Status::Ok();
  }

 private:
  int told_ = 0;
};

std::unique_ptr<Machine> MakeEcho() { return std::make_unique<Echo>(); }

TEST(GoldenScript, IsTakenApartAndPutTogetherAgain) {
  const Result<Script> script = ParseScript("f.txt", kScript);
  ASSERT_TRUE(script.ok()) << script.status().message();
  EXPECT_EQ(script->machine, "echo");
  ASSERT_EQ(script->blocks.size(), 2u);
  const Block& first = script->blocks[0];
  ASSERT_EQ(first.commands.size(), 2u);
  EXPECT_EQ(first.commands[0].line, 5);
  EXPECT_EQ(first.commands[0].name, "say");
  EXPECT_THAT(first.commands[0].words, ElementsAre("a", "b"));
  EXPECT_EQ(first.commands[0].options.at("x"), "1");
  EXPECT_EQ(first.effects_line, 8);
  EXPECT_THAT(first.effects, ElementsAre("a b x=1", "c"));
  EXPECT_THAT(script->after, ElementsAre("", "# The end."));
  EXPECT_EQ(FormatScript(*script), kScript);
}

TEST(GoldenScript, BadOnesAreErrorsThatNameFileAndLine) {
  EXPECT_EQ(ErrorOf(""), "dir/bad.txt:1: a script opens with a comment that says what it is about");
  EXPECT_THAT(ErrorOf("machine a\n"), HasSubstr("bad.txt:1: a script opens with a comment"));
  EXPECT_THAT(ErrorOf("# c\n\nput k v\n"), HasSubstr("bad.txt:3: a line 'machine NAME'"));
  EXPECT_THAT(ErrorOf("# c\nmachine a b\n"), HasSubstr("bad.txt:2: a line 'machine NAME'"));
  EXPECT_THAT(ErrorOf("# c\n"), HasSubstr("a line 'machine NAME'"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\n\n"), HasSubstr("bad.txt:3: the script has no commands"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nput k\n\n----\n"), HasSubstr("bad.txt:4: a line '----'"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nput k\n"), HasSubstr("bad.txt:3: a line '----'"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\n----\n"), HasSubstr("bad.txt:3: there is no command"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nput k\n# no\n----\n"), HasSubstr("bad.txt:4: a comment"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nput x=1 x=2\n----\n"), HasSubstr("'x' is given twice"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nx=1\n----\n"), HasSubstr("'x=1' is no command"));
  EXPECT_THAT(ErrorOf("# c\nmachine a\nput =1\n----\n"), HasSubstr("'=1' is no command"));
}

TEST(GoldenScript, ArgumentsThatAreMissingLeftOrSenselessAreErrors) {
  auto error_of = [](Command command, const std::function<void(Arguments&)>& take) {
    command.name = "put";
    Arguments args(command);
    take(args);
    const Status status = args.Finish();
    return status.ok() ? std::string("none") : status.message();
  };
  auto nothing = [](Arguments&) {};
  Command none;
  EXPECT_EQ(error_of(none, nothing), "none");
  EXPECT_EQ(error_of(none, [](Arguments& a) { (void)a.Word("a key"); }), "'put' needs a key");
  Command word;
  word.words = {"k"};
  EXPECT_THAT(error_of(word, nothing), HasSubstr("does not know what to do with 'k'"));
  EXPECT_EQ(error_of(word, [](Arguments& a) { (void)a.Flag("k"); }), "none");
  Command option;
  option.options = {{"x", "what"}};
  EXPECT_THAT(error_of(option, nothing), HasSubstr("has no option 'x'"));
  EXPECT_THAT(error_of(option, [](Arguments& a) { (void)a.Number("x", 0); }), HasSubstr("'x': "));
  EXPECT_THAT(error_of(option, [](Arguments& a) { (void)a.YesNo("x", true); }),
              HasSubstr("yes or no"));
  EXPECT_THAT(error_of(option, [](Arguments& a) { (void)a.Time("x", {}); }), HasSubstr("'x': "));
  EXPECT_THAT(error_of(option, [](Arguments& a) { (void)a.VersionIfAny("x"); }),
              HasSubstr("'x': "));
}

TEST(GoldenRun, TheSameEffectsAreNoDifference) {
  const Result<Script> script = ParseScript("f.txt", kScript);
  ASSERT_TRUE(script.ok());
  const Result<Script> found = Play(*script, MakeEcho);
  ASSERT_TRUE(found.ok());
  // The comment below "(nothing)" was written as an effect.
  EXPECT_EQ(Differences(*script, *found),
            "f.txt:14: after\n"
            "    quiet\n"
            "          (nothing)\n"
            "  wanted: # The end is a comment only after an empty line.\n");
  EXPECT_EQ(Differences(*found, *found), "");
}

TEST(GoldenRun, DifferencesShowBothSides) {
  const Result<Script> script =
      ParseScript("f.txt", "# c\nmachine echo\nsay a\nsay b\nsay b\nsay c\n----\na\nx\nc\n");
  ASSERT_TRUE(script.ok());
  const Result<Script> found = Play(*script, MakeEcho);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(Differences(*script, *found),
            "f.txt:8: after\n"
            "    say a\n"
            "    say b\n"
            "    say b\n"
            "    say c\n"
            "          a\n"
            "  wanted: x\n"
            "  found:  b (2 times)\n"
            "          c\n");
}

TEST(GoldenRun, RewrittenScriptHasWhatWasFoundAndIsElseAsItWas) {
  const std::string text =
      "# c\nmachine echo\n\n# First.\nsay  a\n----\nb\n\n# Second.\nsay c\n----\n\n# End.\n";
  const Result<Script> script = ParseScript("f.txt", text);
  ASSERT_TRUE(script.ok());
  const Result<Script> found = Play(*script, MakeEcho);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(
      FormatScript(*found),
      "# c\nmachine echo\n\n# First.\nsay  a\n----\na\n\n# Second.\nsay c\n----\nc\n\n# End.\n");
}

TEST(GoldenRun, AnotherStoryBeginsAnew) {
  const Result<Script> script =
      ParseScript("f.txt", "# c\nmachine echo\ncount\ncount\nanew\ncount\n----\n");
  ASSERT_TRUE(script.ok());
  const Result<Script> found = Play(*script, MakeEcho);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->blocks[0].effects, ElementsAre("1", "2", "1"));
}

TEST(GoldenRun, CommandThatMakesNoSenseNamesItsLine) {
  const Result<Script> script = ParseScript("f.txt", "# c\nmachine echo\nquiet\nsay\n----\n");
  ASSERT_TRUE(script.ok());
  EXPECT_EQ(Play(*script, MakeEcho).status().message(), "f.txt:4: 'say' needs something to say");
}

}  // namespace
}  // namespace ringkv::golden
