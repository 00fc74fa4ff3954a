// Scenarios with one rule switched off: RINGKV_ABLATED_RULE is its number. ablation_test starts it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/rule.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* rule = std::getenv("RINGKV_ABLATED_RULE"))
    ringkv::AblatedRule() = static_cast<ringkv::Rule>(std::atoi(rule));
  return RUN_ALL_TESTS();
}
