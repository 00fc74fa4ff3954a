#include "base/timers.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringkv {
namespace {

TEST(Timers, RunInOrderOfTimeThenOfArming) {
  Timers timers;
  std::vector<int> ran;
  timers.Arm({20}, [&] { ran.push_back(3); });
  timers.Arm({10}, [&] { ran.push_back(1); });
  timers.Arm({10}, [&] { ran.push_back(2); });
  EXPECT_EQ(timers.NextDue(), MonoTime{10});
  timers.RunDue({15});
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  timers.RunDue({20});
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(timers.NextDue(), kNever);
}

TEST(Timers, CancelledOneDoesNotRun) {
  Timers timers;
  bool ran = false;
  Timers::Id id = timers.Arm({1}, [&] { ran = true; });
  timers.Cancel(id);
  timers.Cancel(id);
  timers.Cancel(0);
  timers.RunDue({5});
  EXPECT_FALSE(ran);
}

TEST(Timers, OneArmedWhileRunningRunsInTheSameCallIfDue) {
  Timers timers;
  int runs = 0;
  timers.Arm({1}, [&] {
    ++runs;
    timers.Arm({2}, [&] { ++runs; });
    timers.Arm({9}, [&] { ++runs; });
  });
  timers.RunDue({5});
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(timers.size(), 1u);
}

}  // namespace
}  // namespace ringkv
