// Load: clients that keep a fixed number of operations in flight, on threads of their own. One
// thread calls; each of Start and WriteAll once at most, and not both.
#pragma once

#include "base/status.h"
#include "bench/path/cases.h"

namespace ringkv::bench {

class Load {
 public:
  virtual ~Load() = default;

  // Connects and begins; what is done before BeginMeasuring is not counted, unless it fails.
  // Unavailable: a connection could not be made.
  virtual Status Start() = 0;
  virtual void BeginMeasuring() = 0;
  // The figures since then, without CPU times. The load goes on.
  virtual LoadFigures EndMeasuring() = 0;
  // No new operations; waits until all are answered.
  virtual void Stop() = 0;

  // Writes every key of the space once, with this shape, and stops. The first error that was
  // answered.
  virtual Status WriteAll() = 0;
};

}  // namespace ringkv::bench
