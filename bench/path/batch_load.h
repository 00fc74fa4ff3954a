// BatchLoad: clients without a client library: streams of batches (Kv.Batch), each on a TCP
// connection of its own with a fixed number of operations in flight. What is answered together is
// followed by as many new operations together. It runs on gRPC's threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/path/cases.h"

namespace ringkv::bench {

class BatchLoad {
 public:
  // Values are slices of random bytes, which do not compress.
  BatchLoad(std::string address, LoadShape shape, OpMix mix, KeySpace space);
  ~BatchLoad();
  BatchLoad(const BatchLoad&) = delete;
  BatchLoad& operator=(const BatchLoad&) = delete;

  // Connects and begins; what happens before BeginMeasuring is not counted. Unavailable: a
  // connection could not be made.
  Status Start();
  void BeginMeasuring();
  // The figures since then, without CPU times. The load goes on.
  LoadFigures EndMeasuring();
  // No new operations; waits until all are answered.
  void Stop();

  // Writes every key of the space once, with this shape, and stops. The first error that was
  // answered.
  Status WriteAll();

 private:
  class Connection;

  const std::string address_;
  const LoadShape shape_;
  const OpMix mix_;
  const KeySpace space_;
  std::string bytes_;  // values are cut out of it
  std::atomic<bool> stopping_{false};
  std::atomic<bool> each_once_{false};
  std::atomic<uint64_t> next_key_{0};  // of each_once_
  MonoTime measured_from_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace ringkv::bench
