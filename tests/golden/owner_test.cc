// The owner's golden scripts: router/shard.h, from its events to its effects.
#include <gtest/gtest.h>

#include "tests/golden/owner_machine.h"

namespace ringkv::golden {
namespace {

class OwnerScript : public testing::TestWithParam<std::string> {};

TEST_P(OwnerScript, HasTheEffectsItSays) {
  CheckScript(GetParam(), [] { return std::make_unique<OwnerMachine>(); });
}

INSTANTIATE_TEST_SUITE_P(Golden, OwnerScript, testing::ValuesIn(ScriptsFor("owner")),
                         [](const auto& info) { return TestName(info.param); });

}  // namespace
}  // namespace ringkv::golden
