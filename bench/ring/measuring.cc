#include "bench/ring/measuring.h"

#include <malloc.h>
#include <sys/resource.h>

#include <ctime>

namespace ringkv::bench {

namespace {

constexpr double kTooShortForCpuTime = 20e-6;

double SecondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

double ThreadCpuSeconds() { return SecondsOf(CLOCK_THREAD_CPUTIME_ID); }

long ThreadWaits() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

double CpuStopwatch::ProcessCpuSeconds() { return SecondsOf(CLOCK_PROCESS_CPUTIME_ID); }

double CpuStopwatch::Seconds() const {
  const double by_clock = clock_.Seconds();
  return by_clock < kTooShortForCpuTime ? by_clock : ProcessCpuSeconds() - cpu_start_;
}

size_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace ringkv::bench
