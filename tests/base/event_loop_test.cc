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

  // Waits until the loop has run everything so far, on its own thread.
  std::thread::id Drain() {
    std::promise<std::thread::id> id;
    EXPECT_TRUE(loop_->Post([&] { id.set_value(std::this_thread::get_id()); }));
    return id.get_future().get();
  }

  RealClock clock_;
  std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, RunsTasksInTheOrderInWhichTheyWerePosted) {
  Start();
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) {
    const auto task = [&order, i] { order.push_back(i); };
    ASSERT_TRUE(i % 3 == 0 ? loop_->PostOrRun(task) : loop_->Post(task));
  }
  Drain();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(EventLoopTest, CallerRunsItsTaskWhenNobodyRunsAnything) {
  int turns = 0;
  Start([&] {
    ++turns;
    return kNever;
  });
  Drain();
  // The loop's thread has run the task; whether it has finished its turn too is not known.
  std::thread::id ran_on;
  for (int i = 0; i < 1000 && ran_on != std::this_thread::get_id(); ++i) {
    std::promise<void> done;
    ASSERT_TRUE(loop_->PostOrRun([&] {
      ran_on = std::this_thread::get_id();
      done.set_value();
    }));
    done.get_future().wait();
  }
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  loop_->Stop();
  EXPECT_GE(turns, 2);
}

TEST_F(EventLoopTest, CallerDoesNotWaitForATaskThatRuns) {
  Start();
  std::promise<void> begun;
  std::promise<void> go_on;
  ASSERT_TRUE(loop_->Post([&] {
    begun.set_value();
    go_on.get_future().wait();
  }));
  begun.get_future().wait();
  std::atomic<bool> ran{false};
  ASSERT_TRUE(loop_->PostOrRun([&] { ran = true; }));
  EXPECT_FALSE(ran);
  go_on.set_value();
  Drain();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, CallerLeavesEndlessWorkToTheLoop) {
  Start();
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) loop_->Post(again);
  };
  ASSERT_TRUE(loop_->PostOrRun(again));
  stop = true;  // reached only because the call has returned
  EXPECT_NE(Drain(), std::this_thread::get_id());
}

TEST_F(EventLoopTest, TimeThatATaskOfACallerSetIsKept) {
  MonoTime due = kNever;  // of the loop
  std::promise<void> rang;
  Start([&]() -> MonoTime {
    if (due != kNever && clock_.Now() >= due) {
      due = kNever;
      rang.set_value();
    }
    return due;
  });
  ASSERT_TRUE(loop_->PostOrRun([&] { due = clock_.Now() + milliseconds(5); }));
  EXPECT_EQ(rang.get_future().wait_for(kLimit), std::future_status::ready);
}

TEST_F(EventLoopTest, StopRunsWhatWasPostedAndTakesNothingMore) {
  Start();
  int ran = 0;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(loop_->Post([&] { ++ran; }));
  loop_->Stop();
  EXPECT_EQ(ran, 100);
  EXPECT_FALSE(loop_->Post([&] { ++ran; }));
  EXPECT_FALSE(loop_->PostOrRun([&] { ++ran; }));
  EXPECT_EQ(ran, 100);
}

TEST_F(EventLoopTest, ManyThreadsAtOnceLoseNothingAndNeverRunTwoTasksAtATime) {
  Start();
  uint64_t ran = 0;  // what only tasks touch needs no lock
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) loop_->PostOrRun([&] { ++ran; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop_->Stop();
  EXPECT_EQ(ran, 80'000u);
}

}  // namespace
}  // namespace ringkv
