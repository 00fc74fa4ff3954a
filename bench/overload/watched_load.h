// A load that runs, looked at again and again: what it does meanwhile, and for how long it does
// nothing. Blocking.
#pragma once

#include <atomic>

#include "bench/path/load.h"

namespace ringkv::bench {

struct Watched {
  LoadFigures figures;
  double longest_gap_seconds = 0;  // without an operation that succeeded, to 10 ms
};

// From now on for so long, or until `interrupted` is set. The load goes on.
Watched Watch(Load& load, double seconds, const std::atomic<bool>& interrupted);

}  // namespace ringkv::bench
