#include "base/number_ranges.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringkv {
namespace {

TEST(NumberRanges, AreRunsAndSingleNumbers) {
  EXPECT_EQ(NumberRanges({}), "");
  EXPECT_EQ(NumberRanges(std::vector<uint32_t>{7}), "7");
  EXPECT_EQ(NumberRanges(std::vector<uint32_t>{0, 1}), "0-1");
  EXPECT_EQ(NumberRanges(std::vector<uint32_t>{0, 1, 2, 5, 7, 8}), "0-2, 5, 7-8");
  EXPECT_EQ(NumberRanges(std::vector<uint32_t>{UINT32_MAX - 1, UINT32_MAX}),
            "4294967294-4294967295");
}

}  // namespace
}  // namespace ringkv
