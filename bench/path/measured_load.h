// One case: a load that warms up and is then measured, with the CPU time of all who took part.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "bench/path/load.h"

namespace ringkv::bench {

// Servers, by what the figures call them; this process is "clients".
using ProcessGroups = std::map<std::string, std::vector<pid_t>>;

struct MeasuringTimes {
  double warm_seconds = 1;
  double seconds = 3;
};

// Starts the load, measures it and stops it. Unavailable: it could not be started, or `interrupted`
// was set meanwhile, where that is given.
Result<LoadFigures> MeasureLoad(Load& load, const ProcessGroups& servers, MeasuringTimes times,
                                const std::atomic<bool>* interrupted = nullptr);

}  // namespace ringkv::bench
