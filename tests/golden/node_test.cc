// The nodes' golden scripts: kvnode/boot_sequence.h and replica.h, from their events to their
// effects.
#include <gtest/gtest.h>

#include "tests/golden/node_machine.h"

namespace ringkv::golden {
namespace {

class NodeScript : public testing::TestWithParam<std::string> {};

TEST_P(NodeScript, HasTheEffectsItSays) {
  CheckScript(GetParam(), [] { return std::make_unique<NodeMachine>(); });
}

INSTANTIATE_TEST_SUITE_P(Golden, NodeScript, testing::ValuesIn(ScriptsFor("node")),
                         [](const auto& info) { return TestName(info.param); });

}  // namespace
}  // namespace ringkv::golden
