// Waits for what other threads do, with a deadline, without a lock that would order them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ringkv {

// False, and a failed test: not in time.
template <class Condition>
bool WaitFor(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      ADD_FAILURE() << "not in time";
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace ringkv
