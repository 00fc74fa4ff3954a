#include "tests/chaos/value_text.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

TEST(ValueText, NameComesBackFromItsValueShortAndLong) {
  size_t shortest = SIZE_MAX, longest = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "v" + std::to_string(i);
    const std::string value = ValueOfName(name);
    EXPECT_EQ(NameOfValue(value), name);
    shortest = std::min(shortest, value.size());
    longest = std::max(longest, value.size());
  }
  EXPECT_LT(shortest, 10u);
  EXPECT_GT(longest, 16'000u);
}

TEST(ValueText, ValueThatIsNotAsItWasWrittenIsNoName) {
  std::string value;
  for (int i = 0; value.size() < 1'000; ++i) value = ValueOfName("v" + std::to_string(i));
  EXPECT_TRUE(NameOfValue(value.substr(0, value.size() - 1)).starts_with("damaged:"));
  value[500] = value[500] == 'a' ? 'b' : 'a';
  EXPECT_TRUE(NameOfValue(value).starts_with("damaged:"));
  EXPECT_TRUE(NameOfValue(ValueOfName("v1") + ":x").starts_with("damaged:"));
}

}  // namespace
}  // namespace ringkv
