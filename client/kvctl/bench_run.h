// BenchRun: drives a workload against a cluster with a number of logical clients, each with one
// operation in flight, and measures.
//
// Closed loop (no rate): a client starts its next operation when the last is done. Open loop (with
// a rate): operations have start times a fixed step apart, and latency is measured from those, also
// where no client was free then, so that a stall counts for every operation that it held up and not
// for one ("coordinated omission", G. Tene). Operations go on from the callbacks of the client
// library; Run waits on its own thread.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "client/client.h"
#include "client/kvctl/command_line.h"
#include "client/kvctl/latency_histogram.h"
#include "client/kvctl/workload.h"

namespace ringkv {

struct BenchResult {
  std::array<LatencyHistogram, kOpKinds> latency;  // of operations that succeeded
  std::map<std::string, uint64_t> errors;          // by kind
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  uint64_t never_started = 0;  // of an open loop: their time had come, no client was free
  double seconds = 0;
};

class BenchRun {
 public:
  BenchRun(Client& client, const BenchArgs& args, uint64_t seed);

  // Stores the keys. The first error ends it.
  Status Load();

  BenchResult Run();

 private:
  void StartWhatIsDue(std::unique_lock<std::mutex>& lock);
  void Start(const BenchOp& op, MonoTime intended);
  void Finished(OpKind kind, MonoTime intended, const Status& status);
  MonoTime IntendedStart(uint64_t number) const;
  std::string Value() const { return value_; }

  Client& client_;
  const BenchArgs args_;
  RealClock clock_;
  std::string value_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  Workload workload_;
  BenchResult result_;
  MonoTime start_;
  MonoTime end_;
  uint64_t started_ = 0;
  uint64_t busy_ = 0;
};

}  // namespace ringkv
