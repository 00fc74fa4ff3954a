#include "tests/chaos/fault_schedule.h"

#include <gtest/gtest.h>

#include <set>

namespace ringkv {
namespace {

using Target = FaultKind::Target;

const std::vector<FaultKind> kKinds = {
    {"kill", "", Target::kNode, Millis(200), Millis(5'000)},
    {"pause", "", Target::kNode, Millis(100), Millis(30'000)},
    {"router", "", Target::kRouter, Millis(0), Millis(2'000)},
    {"wipe", "", Target::kNode, Millis(0), Millis(3'000), true},
};
constexpr Millis kTenMinutes{600'000};

TEST(FaultSchedule, IsTheSameForASeedAndDifferentForAnother) {
  const auto first = PlanFaults(7, kKinds, 3, kTenMinutes);
  EXPECT_EQ(first, PlanFaults(7, kKinds, 3, kTenMinutes));
  EXPECT_NE(first, PlanFaults(8, kKinds, 3, kTenMinutes));
}

TEST(FaultSchedule, IsTheSameOnEveryMachine) {
  const auto episodes = PlanFaults(1, kKinds, 3, Millis(10'000));
  ASSERT_FALSE(episodes.empty());
  std::string text;
  for (const Episode& episode : episodes) {
    text += "calm " + std::to_string(episode.calm.count());
    for (const PlannedFault& fault : episode.faults) {
      text += " " + fault.kind + " " + fault.Target(kKinds) + " +" +
              std::to_string(fault.delay.count()) + " " + std::to_string(fault.hold.count());
    }
    text += "\n";
  }
  EXPECT_EQ(text,
            "calm 3905 wipe n1 +0 449\ncalm 2003 kill n1 +0 2500\ncalm 1564 pause n2 +0 1208\n");
}

TEST(FaultSchedule, FillsTheTimeWithEveryKindInTurn) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const auto episodes = PlanFaults(seed, kKinds, 3, kTenMinutes);
    Millis total{0};
    std::set<std::string> bag;
    for (size_t i = 0; i < episodes.size(); ++i) {
      const std::string& kind = episodes[i].faults[0].kind;
      EXPECT_TRUE(bag.insert(kind).second) << kind << " again before the others, seed " << seed;
      if (bag.size() == kKinds.size()) bag.clear();
      Millis longest{0};
      for (const auto& fault : episodes[i].faults)
        longest = std::max(longest, fault.delay + fault.hold);
      total += episodes[i].calm + longest + Millis(300);
    }
    EXPECT_GE(total, kTenMinutes);
  }
}

TEST(FaultSchedule, OverlapsOnlyWhatMayAndOnDifferentTargets) {
  int overlapping = 0, alone = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    for (const Episode& episode : PlanFaults(seed, kKinds, 3, kTenMinutes)) {
      ASSERT_LE(episode.faults.size(), 2u);
      ++(episode.faults.size() == 1 ? alone : overlapping);
      if (episode.faults.size() == 1) continue;
      EXPECT_NE(episode.faults[0].Target(kKinds), episode.faults[1].Target(kKinds));
      EXPECT_LE(episode.faults[1].delay, episode.faults[0].hold) << "they do overlap";
      for (const auto& fault : episode.faults) EXPECT_NE(fault.kind, "wipe");
    }
  }
  EXPECT_GT(overlapping, alone / 10);
  EXPECT_GT(alone, overlapping);
}

TEST(FaultSchedule, HoldsForAsLongAsTheKindSaysAndAQuarterOfTheTimeAtMost) {
  Millis longest{0}, shortest{1'000'000};
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    for (const Episode& episode : PlanFaults(seed, {kKinds[1]}, 3, kTenMinutes)) {
      longest = std::max(longest, episode.faults[0].hold);
      shortest = std::min(shortest, episode.faults[0].hold);
      EXPECT_GE(episode.faults[0].node, 1);
      EXPECT_LE(episode.faults[0].node, 3);
    }
    for (const Episode& episode : PlanFaults(seed, {kKinds[1]}, 3, Millis(20'000))) {
      EXPECT_LE(episode.faults[0].hold, Millis(5'000));
    }
  }
  EXPECT_GE(shortest, Millis(100));
  EXPECT_LE(longest, Millis(30'000));
  EXPECT_GT(longest, Millis(20'000));
  EXPECT_LT(shortest, Millis(150));
}

}  // namespace
}  // namespace ringkv
