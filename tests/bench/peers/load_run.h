// A load that a test runs until something has come of it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "bench/path/load.h"

namespace ringkv::bench {

inline bool Eventually(const std::function<bool()>& condition, int seconds = 20) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two looks
  }
  return true;
}

// What it has done once it has answered 200 operations, or failed one.
inline LoadFigures RunUntilAnswered(Load& load) {
  EXPECT_TRUE(load.Start().ok());
  load.BeginMeasuring();
  LoadFigures figures;
  EXPECT_TRUE(Eventually([&] {
    figures = load.EndMeasuring();
    return figures.operations >= 200 || figures.failed > 0;
  }));
  load.Stop();
  return figures;
}

}  // namespace ringkv::bench
