// The promise about nodes that die or stop: no single key is without reads, or without writes, for
// longer than 300 ms. A pure function of a run's figures.
#pragma once

#include <map>
#include <string>

#include "tests/chaos/figures.h"
#include "tests/chaos/verdicts.h"

namespace ringkv {

inline constexpr double kStallLimitMs = 300;

// A machine that is busy stalls without any fault: what it showed in the stretches of the same run
// that had none ("none") is added to the limit, and both figures are told. Left out where no fault
// of these kinds happened by itself.
Check CheckStalls(const std::map<std::string, AvailabilityFigures>& by_kind);

}  // namespace ringkv
