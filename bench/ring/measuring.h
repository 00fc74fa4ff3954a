// What the harness measures with: elapsed time, a thread's own processor time, allocated memory,
// and repetition within a budget of time. Thread-safe, except that memory is the whole process's.
#pragma once

#include <cstddef>
#include <utility>

#include "base/clock.h"
#include "bench/ring/samples.h"

namespace ringkv::bench {

class Stopwatch {
 public:
  double Seconds() const { return static_cast<double>((clock_.Now() - start_).count()) * 1e-9; }

 private:
  RealClock clock_;
  MonoTime start_ = clock_.Now();
};

// Of the calling thread, so far.
double ThreadCpuSeconds();

// How often the calling thread has given its processor away to wait, so far.
long ThreadWaits();

// The processor time of the process since it was made: what the same work takes on a machine where
// nobody else runs, as long as it neither waits nor runs on several threads. Asking for it costs
// about a microsecond, so what is shorter than twenty is taken by the clock instead.
class CpuStopwatch {
 public:
  double Seconds() const;

 private:
  static double ProcessCpuSeconds();

  double cpu_start_ = ProcessCpuSeconds();
  Stopwatch clock_;  // started last, read first
};

// What malloc has handed out and not got back, with its own overhead; alignment to huge pages costs
// up to 2 MiB an array.
size_t AllocatedBytes();

// Keeps the compiler from dropping what `value` was computed by.
template <class T>
void Use(const T& value) {
  asm volatile("" : : "g"(value) : "memory");
}

// How often to repeat: at least once, up to `runs` times as long as the budget lasts.
struct Repetitions {
  int runs = 1;
  double budget_s = 0;
};

// `run`: () → seconds, so that it decides what is timed.
template <class Run>
Samples Repeat(const Repetitions& repetitions, Run run) {
  Samples samples;
  const Stopwatch total;
  do {
    samples.Add(run());
  } while (static_cast<int>(samples.size()) < repetitions.runs &&
           total.Seconds() < repetitions.budget_s);
  return samples;
}

}  // namespace ringkv::bench
