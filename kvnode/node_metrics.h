// What a node counts about its operations: by kind and code, time and size of turns, bytes in and
// out. Looked up once, so that counting is an atomic operation. Thread-safe; borrows the Metrics.
#pragma once

#include <array>
#include <cstddef>

#include "base/metrics.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

// What a turn of a worker consisted of: reads and writes have times of different sizes.
enum class TurnKind { kApply, kRead, kMixed, kOther };

class NodeMetrics {
 public:
  explicit NodeMetrics(Metrics& metrics);

  void CountOp(v1::ReplicaOp::BodyCase kind, v1::ReplicaCode code);
  Histogram& turn_seconds(TurnKind kind) { return *turn_seconds_[static_cast<size_t>(kind)]; }

  Histogram& turn_ops;            // operations of a turn
  Histogram& queue_wait_seconds;  // of the oldest operation of a turn
  Counter& received_bytes;        // batches
  Counter& sent_bytes;            // batches of replies
  Counter& received_batches;
  Counter& sent_batches;
  Gauge& open_streams;

 private:
  static constexpr size_t kKinds = 17;  // of operations; 0 is an unknown one
  static constexpr size_t kCodes = 13;

  std::array<std::array<Counter*, kCodes>, kKinds> ops_{};
  std::array<Histogram*, 4> turn_seconds_{};
};

}  // namespace ringkv
