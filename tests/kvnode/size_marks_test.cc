// Where the bytes of a table file are said to belong, against plain sums.
#include "kvnode/size_marks.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "base/random.h"

namespace ringkv {
namespace {

using Sizes = std::vector<uint64_t>;

InstanceName Name(uint32_t slot, uint64_t inc = 1) { return {SlotId(slot), Incarnation(inc)}; }

Sizes Divide(const SizeMarks& marks, const std::vector<InstanceName>& instances) {
  Sizes sizes(instances.size(), 0);
  marks.AddTo(instances, sizes);
  return sizes;
}

TEST(SizeMarks, LargeInstancesAreExact) {
  SizeMarks marks;
  for (uint32_t slot : {3, 4, 9}) {
    for (int record = 0; record < 10; ++record) marks.Add(Name(slot), 1000 + slot);
  }
  EXPECT_EQ(marks.marks(), 3u);
  EXPECT_EQ(Divide(marks, {Name(2), Name(3), Name(4), Name(9), Name(10)}),
            (Sizes{0, 10'030, 10'040, 10'090, 0}));
}

TEST(SizeMarks, SmallNeighboursShareWhatTheyHaveTogether) {
  SizeMarks marks;
  for (uint32_t slot = 0; slot < 4; ++slot) marks.Add(Name(slot), slot * 10);
  marks.Add(Name(5), 10'000);
  EXPECT_EQ(marks.marks(), 2u);
  EXPECT_EQ(Divide(marks, {Name(0), Name(1), Name(2), Name(3), Name(5)}),
            (Sizes{15, 15, 15, 15, 10'000}));
  EXPECT_EQ(Divide(marks, {Name(0), Name(2), Name(3), Name(7)}), (Sizes{20, 20, 20, 0}));
  EXPECT_EQ(Divide(marks, {Name(0), Name(1), Name(2), Name(3, 7)}), (Sizes{20, 20, 20, 0}));
}

TEST(SizeMarks, WhatIsNotInTheRunGetsNothingOfWhatLiesBesideIt) {
  SizeMarks marks;
  marks.Add(Name(10), 20'000);
  marks.Add(Name(20), 30'000);
  EXPECT_EQ(Divide(marks, {Name(9), Name(10), Name(15), Name(20), Name(21)}),
            (Sizes{0, 20'000, 0, 30'000, 0}));
}

TEST(SizeMarks, LargeInstanceGivesNothingToASmallNeighbour) {
  SizeMarks marks;
  marks.Add(Name(1), 100);
  marks.Add(Name(2), 1'000'000);
  marks.Add(Name(3), 100);
  EXPECT_EQ(Divide(marks, {Name(1), Name(2), Name(3)}), (Sizes{100, 1'000'000, 100}));
}

TEST(SizeMarks, OtherIncarnationsOfASlotAreOthers) {
  SizeMarks marks;
  marks.Add(Name(5, 1), 10'000);
  marks.Add(Name(5, 2), 20'000);
  EXPECT_EQ(Divide(marks, {Name(5, 2)}), Sizes{20'000});
  EXPECT_EQ(Divide(marks, {Name(5, 1), Name(5, 3)}), (Sizes{10'000, 0}));
}

TEST(SizeMarks, UndividedRunIsSharedByAllToTheByte) {
  const Sizes sizes = Divide(SizeMarks::Undivided(11), {Name(0), Name(7), Name(UINT32_MAX, 9)});
  EXPECT_EQ(sizes, (Sizes{4, 4, 3}));
  EXPECT_EQ(Divide(SizeMarks::Undivided(11), {}), Sizes{});
}

TEST(SizeMarks, MarksAreFewHoweverManyInstancesThereAre) {
  SizeMarks marks;
  for (uint32_t slot = 0; slot < 100'000; ++slot) marks.Add(Name(slot), 100);
  EXPECT_LE(marks.marks(), 2 * 100'000u * 100 / SizeMarks::kMarkBytes + 2);
  EXPECT_LT(marks.ToProto().ByteSizeLong(), 8 * marks.marks());
}

TEST(SizeMarks, ListsThatDoNotFitAreCorruption) {
  SizeMarks marks;
  marks.Add(Name(1), 5000);
  marks.Add(Name(2), 5000);
  v1::DiskSizeMarks proto = marks.ToProto();
  proto.mutable_bytes()->RemoveLast();
  EXPECT_EQ(SizeMarks::FromProto(proto).status().code(), StatusCode::kCorruption);
  EXPECT_TRUE(SizeMarks::FromProto({}).ok());
}

// Any run, any instances asked for: the sum is exact when all are asked, and each is off by no more
// than a mark, if it is smaller than one.
TEST(SizeMarks, AreNearPlainSumsForRandomRuns) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    const uint32_t slots = static_cast<uint32_t>(random.Between(1, 300));
    std::map<InstanceName, uint64_t> truth;
    for (uint64_t records = random.Between(1, 2000); records > 0; --records) {
      const auto slot = static_cast<uint32_t>(random.Below(slots));
      truth[Name(slot, random.Between(1, 2))] += random.Between(20, 2000);
    }
    SizeMarks marks;
    std::vector<InstanceName> all;
    uint64_t total = 0;
    for (const auto& [name, bytes] : truth) {
      for (uint64_t left = bytes; left > 0;) {
        const uint64_t record = std::min<uint64_t>(left, random.Between(20, 2000));
        marks.Add(name, record);
        left -= record;
      }
      all.push_back(name);
      total += bytes;
    }
    const Result<SizeMarks> again = SizeMarks::FromProto(marks.ToProto());
    ASSERT_TRUE(again.ok());
    const Sizes sizes = Divide(*again, all);
    EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}), total) << round;
    for (size_t i = 0; i < all.size(); ++i) {
      const uint64_t bytes = truth[all[i]];
      const uint64_t off = sizes[i] > bytes ? sizes[i] - bytes : bytes - sizes[i];
      EXPECT_LE(off, bytes > SizeMarks::kMarkBytes ? 0 : SizeMarks::kMarkBytes) << round;
    }
  }
}

}  // namespace
}  // namespace ringkv
