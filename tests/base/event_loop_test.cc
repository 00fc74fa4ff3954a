#include "base/event_loop.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

namespace ringkv {
namespace {

using std::chrono::milliseconds;

constexpr auto kLimit = std::chrono::seconds(30);

class EventLoopTest : public testing::Test {
 protected:
  void Start(std::function<MonoTime()> after_tasks = nullptr) {
    loop_ = std::make_unique<EventLoop>("test", clock_, std::move(after_tasks));
    loop_->Start();
  }

  // Waits until the loop has run everything so far.
  void Drain() {
    std::promise<void> done;
    ASSERT_TRUE(loop_->Post([&] { done.set_value(); }));
    done.get_future().wait();
  }

  RealClock clock_;
  std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, RunsTasksInTheOrderInWhichTheyWerePosted) {
  Start();
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) {
    const auto task = [&order, i] { order.push_back(i); };
    ASSERT_TRUE(loop_->Post(task));
  }
  Drain();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(EventLoopTest, TimeThatATaskSetIsKept) {
  MonoTime due = kNever;  // of the loop
  std::promise<void> rang;
  Start([&]() -> MonoTime {
    if (due != kNever && clock_.Now() >= due) {
      due = kNever;
      rang.set_value();
    }
    return due;
  });
  ASSERT_TRUE(loop_->Post([&] { due = clock_.Now() + milliseconds(5); }));
  EXPECT_EQ(rang.get_future().wait_for(kLimit), std::future_status::ready);
}

TEST_F(EventLoopTest, StopRunsWhatWasPostedAndTakesNothingMore) {
  Start();
  int ran = 0;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(loop_->Post([&] { ++ran; }));
  loop_->Stop();
  EXPECT_EQ(ran, 100);
  EXPECT_FALSE(loop_->Post([&] { ++ran; }));
  EXPECT_EQ(ran, 100);
}

TEST_F(EventLoopTest, ManyThreadsAtOnceLoseNothingAndNeverRunTwoTasksAtATime) {
  Start();
  uint64_t ran = 0;  // what only tasks touch needs no lock
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) loop_->Post([&] { ++ran; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop_->Stop();
  EXPECT_EQ(ran, 80'000u);
}

}  // namespace
}  // namespace ringkv
