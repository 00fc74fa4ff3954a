// CPU time of processes.
#pragma once

#include <sys/types.h>

namespace ringkv::bench {

// User and system time of all its threads so far, in seconds; to 10 ms for another process, with
// that of its children that have ended (Redis writes its file anew in one), and 0 for one that is
// gone.
double CpuSecondsOf(pid_t pid);
double CpuSecondsOfThisProcess();

}  // namespace ringkv::bench
