// Runs the benchmark: builds each contender at each number of nodes, times look-ups side by side,
// then readers of a ring that changes. One run at a time: it measures the whole process's memory.
#pragma once

#include <functional>
#include <string>

#include "bench/ring/options.h"
#include "bench/ring/results.h"

namespace ringkv::bench {

struct Listener {
  std::function<void(const Results&)> started;    // what goes around look-ups is timed
  std::function<void(const Scale&)> scale_done;   // one number of nodes
  std::function<void(const std::string&)> doing;  // for the impatient
};

Results RunBenchmark(const Options& options, const Listener& listener);

}  // namespace ringkv::bench
