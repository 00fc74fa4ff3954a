#include "tests/chaos/run_record.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

FaultRecord Fault(std::string kind, std::string target, int64_t from, int64_t healed,
                  int64_t whole) {
  FaultRecord fault;
  fault.kind = std::move(kind);
  fault.target = std::move(target);
  fault.from_ns = from * kSecond;
  fault.healed_ns = healed * kSecond;
  fault.whole_ns = whole * kSecond;
  return fault;
}

RunRecord Record(std::vector<FaultRecord> faults) {
  RunRecord record;
  record.load_to_ns = 100 * kSecond;
  record.faults = std::move(faults);
  return record;
}

TEST(RunRecord, FaultAloneHasItsStretchAndTheRestIsCalm) {
  const Stretches all = StretchesOf(Record({Fault("kill", "n1", 10, 12, 13)}));
  ASSERT_EQ(all.alone.size(), 1u);
  EXPECT_EQ(all.alone[0].kind, "kill");
  EXPECT_EQ(all.alone[0].aftermath.from_ns, 10 * kSecond);
  EXPECT_EQ(all.alone[0].aftermath.to_ns, 16 * kSecond);
  ASSERT_EQ(all.calm.size(), 2u);
  EXPECT_EQ(all.calm[0].to_ns, 10 * kSecond - 1);
  EXPECT_EQ(all.calm[1].from_ns, 16 * kSecond);
  EXPECT_TRUE(all.excused.empty()) << "one node of three may be out";
  EXPECT_EQ(all.during.to_ns, 13 * kSecond);
  EXPECT_EQ(all.after.to_ns, 100 * kSecond);
}

TEST(RunRecord, StretchEndsWhereTheNextFaultBegins) {
  const Stretches all =
      StretchesOf(Record({Fault("kill", "n1", 10, 12, 13), Fault("pause", "n2", 14, 15, 15)}));
  EXPECT_EQ(all.alone[0].aftermath.to_ns, 14 * kSecond - 1);
  EXPECT_EQ(all.calm.size(), 2u);
}

TEST(RunRecord, WhatReachesIntoTheNextFaultIsDueToThatOne) {
  const Stretches all =
      StretchesOf(Record({Fault("kill", "n1", 10, 12, 13), Fault("router", "r1", 15, 16, 17)}));
  auto due_to = [&](double from, double to, size_t fault) {
    const auto second = static_cast<double>(kSecond);
    return IsDueTo({static_cast<int64_t>(from * second), static_cast<int64_t>(to * second)},
                   all.alone[fault], all.harms);
  };
  EXPECT_TRUE(due_to(10.5, 10.6, 0));
  EXPECT_TRUE(due_to(13.5, 13.6, 0));
  EXPECT_FALSE(due_to(14.9, 16.5, 0));
  EXPECT_TRUE(due_to(14.9, 16.5, 1));
  EXPECT_TRUE(due_to(12.5, 16.5, 0)) << "due to both";
  EXPECT_FALSE(due_to(9.0, 9.5, 0));
}

TEST(RunRecord, RouterAndOverlappingFaultsExcuseAndCountForNoKind) {
  FaultRecord first = Fault("kill", "n1", 10, 12, 20);
  FaultRecord second = Fault("pause", "n2", 11, 15, 20);
  first.overlapped = second.overlapped = true;
  const Stretches all = StretchesOf(Record({first, second, Fault("router", "r1", 30, 31, 32)}));
  ASSERT_EQ(all.alone.size(), 1u);
  EXPECT_EQ(all.alone[0].kind, "router");
  EXPECT_EQ(all.excused.size(), 3u);
  EXPECT_EQ(all.excused[2].to_ns, 32 * kSecond);
}

TEST(RunRecord, RunWithoutFaultsIsCalmThroughout) {
  const Stretches all = StretchesOf(Record({}));
  ASSERT_EQ(all.calm.size(), 1u);
  EXPECT_EQ(all.calm[0].to_ns, 100 * kSecond);
}

TEST(RunRecord, PassesOnlyWithoutAFailedCheck) {
  RunRecord record;
  record.checks.push_back({.name = "a"});
  record.checks.push_back({.name = "b", .verdict = Check::Verdict::kLeftOut});
  EXPECT_TRUE(record.passed());
  record.checks.push_back({.name = "c"});
  record.checks.back().Fail("something");
  EXPECT_FALSE(record.passed());
}

}  // namespace
}  // namespace ringkv
