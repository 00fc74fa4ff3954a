// The command line of the chaos run.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace ringkv {

struct ChaosOptions {
  double minutes = 2;
  uint64_t seed = 0;                // drawn where none was given
  std::vector<std::string> faults;  // names; empty: all that can be tried
  std::string out;                  // empty: build/chaos/seed-SEED
  int rate = 400;                   // operations a second
  bool help = false;

  std::chrono::milliseconds Length() const {
    return std::chrono::milliseconds(static_cast<int64_t>(minutes * 60'000));
  }
  // The command that runs the same again.
  std::string Replay() const;
};

// An error is for the user.
Result<ChaosOptions> ParseChaosOptions(const std::vector<std::string>& arguments);
std::string ChaosHelp();

}  // namespace ringkv
