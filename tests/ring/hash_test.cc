#include "ring/hash.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

// From the reference implementation of XXH3-64, seed 0 (xxHash 0.8.1). Were one of these to change,
// every cluster's keys would be in the wrong slots.
TEST(TokenOf, IsXxh3OfTheKey) {
  EXPECT_EQ(TokenOf(""), Token(0x2D06800538D394C2));
  EXPECT_EQ(TokenOf("a"), Token(0xE6C632B61E964E1F));
  EXPECT_EQ(TokenOf("user:7"), Token(0x0067B227F59EE6B4));
  EXPECT_EQ(TokenOf("key-0123456789"), Token(0xAE704CB16980AF9B));
}

TEST(TokenOf, HashesOnlyTheTag) {
  EXPECT_EQ(TokenOf("{user:7}:name"), TokenOf("user:7"));
  EXPECT_EQ(TokenOf("{user:7}:name"), TokenOf("x{user:7}"));
}

TEST(HashedPart, IsBetweenTheFirstOpeningAndTheNextClosingBrace) {
  EXPECT_EQ(HashedPart("{}a"), "{}a");  // nothing in it: no tag
  EXPECT_EQ(HashedPart("{}{a}"), "{}{a}");
  EXPECT_EQ(HashedPart("{a"), "{a");
  EXPECT_EQ(HashedPart("a}"), "a}");
  EXPECT_EQ(HashedPart("}{"), "}{");
  EXPECT_EQ(HashedPart("a}b{c}"), "c");
  EXPECT_EQ(HashedPart("{a}{b}"), "a");
  EXPECT_EQ(HashedPart("{{a}}"), "{a");
  EXPECT_EQ(HashedPart("{}}"), "{}}");
  EXPECT_EQ(HashedPart("{"), "{");
  EXPECT_EQ(HashedPart(""), "");
  EXPECT_EQ(HashedPart(std::string_view("x{\0}y", 5)), std::string_view("\0", 1));
}

TEST(SlotOf, IsTheTopBits) {
  for (uint32_t slots = kMinSlots; slots <= kMaxSlots; slots *= 2) {
    EXPECT_EQ(SlotOf(Token(0), slots), SlotId(0));
    EXPECT_EQ(SlotOf(Token(UINT64_MAX), slots), SlotId(slots - 1));
  }
  EXPECT_EQ(SlotOf(Token(0x0010000000000000), 4096), SlotId(1));
  EXPECT_EQ(SlotOf(Token(0x000FFFFFFFFFFFFF), 4096), SlotId(0));
}

TEST(GroupOf, CutsTheSlotsIntoEqualRanges) {
  EXPECT_EQ(GroupOf(SlotId(4095), 4096, 1), GroupId(0));
  EXPECT_EQ(GroupOf(SlotId(4095), 4096, 4096), GroupId(4095));
  for (uint32_t slot = 0; slot < 1024; ++slot) {
    EXPECT_EQ(GroupOf(SlotId(slot), 1024, 64), GroupId(slot / 16));
  }
}

TEST(Counts, ArePowersOfTwoWithinLimits) {
  for (uint64_t bad : {0ull, 1ull, 8ull, 17ull, 4095ull, 1ull << 27, 1ull << 32}) {
    EXPECT_FALSE(IsSlotCount(bad)) << bad;
  }
  EXPECT_TRUE(IsSlotCount(16) && IsSlotCount(4096) && IsSlotCount(1u << 26));
  EXPECT_TRUE(IsGroupCount(1, 16) && IsGroupCount(16, 16));
  EXPECT_FALSE(IsGroupCount(32, 16) || IsGroupCount(0, 16) || IsGroupCount(3, 16));
}

}  // namespace
}  // namespace ringkv
