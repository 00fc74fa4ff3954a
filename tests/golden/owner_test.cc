// The owner's golden scripts: router/shard.h, from its events to its effects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/golden/owner_machine.h"

namespace ringkv::golden {
namespace {

using ::testing::HasSubstr;

class OwnerScript : public testing::TestWithParam<std::string> {};

TEST_P(OwnerScript, HasTheEffectsItSays) {
  CheckScript(GetParam(), [] { return std::make_unique<OwnerMachine>(); });
}

INSTANTIATE_TEST_SUITE_P(Golden, OwnerScript, testing::ValuesIn(ScriptsFor("owner")),
                         [](const auto& info) { return TestName(info.param); });

std::string ErrorOf(const std::string& commands) {
  const Result<Script> script =
      ParseScript("f.txt", "# c\nmachine owner\n" + commands + "\n----\n");
  if (!script.ok()) return script.status().message();
  const Result<Script> found = Play(*script, [] { return std::make_unique<OwnerMachine>(); });
  return found.ok() ? "none" : found.status().message();
}

TEST(OwnerMachine, CommandsThatMakeNoSenseAreErrors) {
  EXPECT_THAT(ErrorOf("fly"), HasSubstr("f.txt:3: the owner has no command 'fly'"));
  EXPECT_THAT(ErrorOf("take-group"), HasSubstr("needs term="));
  EXPECT_THAT(ErrorOf("take-group term=7 predecessors=asleep"), HasSubstr("gone or may-read"));
  EXPECT_THAT(ErrorOf("connect n9"), HasSubstr("knows no node 'n9'"));
  EXPECT_THAT(ErrorOf("connect n1/x"), HasSubstr("knows no node 'n1/x'"));
  EXPECT_THAT(ErrorOf("put k"), HasSubstr("'put' needs a value"));
  EXPECT_THAT(ErrorOf("get k now"), HasSubstr("does not know what to do with 'now'"));
  EXPECT_THAT(ErrorOf("advance soon"), HasSubstr("not a duration"));
  const std::string asked = "set-up term=7 first-term=yes\nget k\n";
  EXPECT_EQ(ErrorOf(asked + "reply n1 read absent"), "none");
  EXPECT_THAT(ErrorOf(asked + "reply n2 read absent"), HasSubstr("n2 was not sent"));
  EXPECT_THAT(ErrorOf(asked + "reply n1 read#2 absent"), HasSubstr("n1 was not sent"));
  EXPECT_THAT(ErrorOf(asked + "reply n1 read#x absent"), HasSubstr("names no operation"));
  EXPECT_THAT(ErrorOf(asked + "reply n1 read v"), HasSubstr("needs version="));
  EXPECT_THAT(ErrorOf(asked + "reply n1 read code=fine"), HasSubstr("there is no code 'fine'"));
  EXPECT_THAT(ErrorOf(asked + "reply n1 read v version=7.1 expires=soon"), HasSubstr("t+10s"));
}

}  // namespace
}  // namespace ringkv::golden
