// Resident memory of other processes, from /proc. Blocking; thread-compatible.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"

namespace ringkv::bench {

struct ProcessMemory {
  uint64_t resident = 0;  // bytes
  uint64_t peak = 0;      // the most since the process began, or since ResetPeak
};

// Unavailable: it is gone, or the kernel does not tell.
Result<ProcessMemory> MemoryOf(pid_t pid);

// The peak begins anew at what is resident now.
Status ResetPeak(pid_t pid);

// By process: "router", "n1", ...
using Processes = std::map<std::string, pid_t>;
using MemoryFigures = std::map<std::string, ProcessMemory>;

Status ResetPeaks(const Processes& processes);
Result<MemoryFigures> MemoryOf(const Processes& processes);

}  // namespace ringkv::bench
