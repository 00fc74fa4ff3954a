// Rules that can be switched off, one at a time, and the faults directed at each. Only with
// RINGKV_ABLATION.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/rule.h"
#include "tests/sim/sim_run.h"

namespace ringkv {

struct Ablation {
  Rule rule;
  std::string name;
  // Where the rule is for what chance alone seldom brings about: faults directed at it.
  std::optional<FaultMix> mix = std::nullopt;
};

const std::vector<Ablation>& Ablations();

// How one rule fared on seeds first, first + 1, ...
struct AblationResult {
  uint64_t seeds = 0;  // until it was noticed, or all
  bool noticed = false;
  bool by_invariant = false;  // of the code itself: the process aborted
  std::string violation;      // the first line; by_invariant: empty
};

// Runs in a child process, one seed after the other, until one notices that the rule is off.
AblationResult Ablate(const Ablation& ablation, uint64_t first, uint64_t seeds);

}  // namespace ringkv
