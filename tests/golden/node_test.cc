// The nodes' golden scripts: kvnode/boot_sequence.h and replica.h, from their events to their
// effects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/golden/node_machine.h"

namespace ringkv::golden {
namespace {

using ::testing::HasSubstr;

class NodeScript : public testing::TestWithParam<std::string> {};

TEST_P(NodeScript, HasTheEffectsItSays) {
  CheckScript(GetParam(), [] { return std::make_unique<NodeMachine>(); });
}

INSTANTIATE_TEST_SUITE_P(Golden, NodeScript, testing::ValuesIn(ScriptsFor("node")),
                         [](const auto& info) { return TestName(info.param); });

std::string ErrorOf(const std::string& commands) {
  const Result<Script> script = ParseScript("f.txt", "# c\nmachine node\n" + commands + "\n----\n");
  if (!script.ok()) return script.status().message();
  const Result<Script> found = Play(*script, [] { return std::make_unique<NodeMachine>(); });
  return found.ok() ? "none" : found.status().message();
}

TEST(NodeMachine, CommandsThatMakeNoSenseAreErrors) {
  EXPECT_THAT(ErrorOf("fly"), HasSubstr("f.txt:3: a node has no command 'fly'"));
  EXPECT_THAT(ErrorOf("read k at=n9"), HasSubstr("there is no node 'n9'"));
  EXPECT_THAT(ErrorOf("set-up n1,n9"), HasSubstr("knows no node 'n9'"));
  EXPECT_THAT(ErrorOf("start durability=luck"), HasSubstr("periodic, sync or os"));
  EXPECT_THAT(ErrorOf("read k"), HasSubstr("n1 does not serve"));
  EXPECT_THAT(ErrorOf("start\nstart"), HasSubstr("runs already"));
  EXPECT_THAT(ErrorOf("start\nwipe"), HasSubstr("still runs"));
  EXPECT_THAT(ErrorOf("restore"), HasSubstr("without 'save'"));
  EXPECT_THAT(ErrorOf("start\ndamage k"), HasSubstr("not there"));
  EXPECT_THAT(ErrorOf("start\nset-floor"), HasSubstr("needs floor="));
  EXPECT_THAT(ErrorOf("start\npull from=n7"), HasSubstr("needs from="));
  EXPECT_THAT(ErrorOf("grant"), HasSubstr("needs inc="));
}

}  // namespace
}  // namespace ringkv::golden
