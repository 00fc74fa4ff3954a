#include "ring/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "ring/planner.h"
#include "tests/ring/cluster_fixture.h"
#include "tests/ring/resealed.h"

namespace ringkv {
namespace {

Ring RingWithAGap() {
  Ring ring = Formed(6, 3, 64);
  ring = AddNode(ring, {Id("zz"), "[::1]:7000", "zone-1", 4096}).value().next;
  return RemoveNode(ring, Id("n3")).value().next;
}

TEST(Codec, GivesBackWhatItTook) {
  for (const Ring& ring : {Formed(1, 1, 16), Formed(2, 1, 16), Formed(3, 3, 32),
                           Formed(129, 7, 512), RingWithAGap()}) {
    Result<Ring> back = DecodeRing(EncodeRing(ring));
    ASSERT_TRUE(back.ok()) << back.status().ToString();
    EXPECT_EQ(*back, ring);
  }
}

TEST(Codec, StaysUnderFortyKiB) {
  EXPECT_LT(EncodeRing(Formed(100, 3, 4096)).size(), 16u * 1024);
  EXPECT_LT(EncodeRing(Formed(300, 3, 4096)).size(), 40u * 1024);
}

// The bytes are a promise to older and newer programs.
TEST(Codec, WritesTheDocumentedLayout) {
  const std::string bytes = EncodeRing(Formed(1, 1, 16));
  std::string body(
      "\x02R\x01\x04\x01\x01\x02n1\x0d"
      "10.0.0.1:7001\x00\x80\x01\x00\x00",
      28);
  EXPECT_EQ(bytes, Resealed(body + "checksum"));
}

TEST(Codec, EveryCutAndEveryFlippedBitIsCorruption) {
  const std::string bytes = EncodeRing(RingWithAGap());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeRing(bytes.substr(0, size)).status().code(), StatusCode::kCorruption) << size;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(DecodeRing(flipped).status().code(), StatusCode::kCorruption) << bit;
  }
}

TEST(Codec, NamesEachFaultBehindARightChecksum) {
  const std::string good = EncodeRing(Formed(1, 1, 16));
  auto with = [&](size_t position, const std::string& bytes) {
    std::string bad = good;
    bad.replace(position, bytes.size(), bytes);
    const Status status = DecodeRing(Resealed(bad)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    return status.message();
  };
  using testing::HasSubstr;
  EXPECT_THAT(with(0, "\x01"), HasSubstr("version 1"));
  EXPECT_THAT(with(1, "D"), HasSubstr("not an encoded ring: it is a delta"));
  EXPECT_THAT(with(1, "x"), HasSubstr("it is of kind 120"));
  EXPECT_THAT(with(3, "\x03"), HasSubstr("8 slots"));
  EXPECT_THAT(with(3, "\xff"), HasSubstr("slots"));
  EXPECT_THAT(with(3, "\x1a"), HasSubstr("rows have"));  // 2^26 slots: judged before it allocates
  EXPECT_THAT(with(4, "\x08"), HasSubstr("8 replicas"));
  EXPECT_THAT(with(5, "\x7f"), HasSubstr("number of nodes is 127"));
  EXPECT_THAT(with(5, std::string("\0", 1)), HasSubstr("no node"));
  EXPECT_THAT(with(6, "\x7f"), HasSubstr("within a node's id"));
  EXPECT_THAT(with(7, "N"), HasSubstr("node id"));
  EXPECT_THAT(with(10, "x:::::::::::"), HasSubstr("address"));
  EXPECT_THAT(with(24, std::string("\x80\0", 2)), HasSubstr("shortest form"));
  EXPECT_THAT(with(24, "\xff\x7f"), HasSubstr("at most 4096"));
  EXPECT_THAT(with(26, "\x01"), HasSubstr("names a node that is no member"));
}

TEST(Codec, SurvivesMutationsBehindARightChecksum) {
  const uint64_t seed = 20240607;
  Random random(seed);
  const std::string good = EncodeRing(RingWithAGap());
  size_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = good;
    for (uint64_t i = random.Between(1, 4); i > 0; --i) {
      bytes[random.Below(bytes.size() - 8)] = static_cast<char>(random.Next());
    }
    if (random.Chance(0.3)) bytes.erase(random.Below(bytes.size() - 8), random.Between(1, 9));
    if (random.Chance(0.1)) bytes.insert(random.Below(bytes.size()), random.Between(1, 9), '\xff');
    if (bytes.size() < 9) continue;
    Result<Ring> ring = DecodeRing(Resealed(bytes));
    if (!ring.ok()) continue;
    ++accepted;
    // What it accepts is a ring, in the one form that there is of it.
    ASSERT_EQ(DecodeRing(EncodeRing(*ring)).value(), *ring)
        << "seed " << seed << " round " << round;
    ASSERT_EQ(EncodeRing(*ring), Resealed(bytes)) << "seed " << seed << " round " << round;
  }
  EXPECT_GT(accepted, 0u);
}

}  // namespace
}  // namespace ringkv
