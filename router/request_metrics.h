// What clients asked and what became of it, for /metrics: by kind and code, latencies by kind,
// sizes of batches, bytes. Thread-safe; each note is a few atomic additions.
#pragma once

#include <array>

#include "base/clock.h"
#include "base/metrics.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

class RequestMetrics {
 public:
  explicit RequestMetrics(Metrics& metrics);

  void NoteResult(v1::OpResult::ResultCase kind, v1::ErrorCode code, Duration took);
  void NoteBatch(uint64_t ops, uint64_t bytes);        // that came in
  void NoteAnswers(uint64_t results, uint64_t bytes);  // a batch of answers that went out
  void NoteScanPage(uint64_t entries, uint64_t bytes);

 private:
  static constexpr size_t kKinds = 5;  // get, put, delete, increment, scan
  static constexpr size_t kCodes = v1::ErrorCode_ARRAYSIZE;

  std::array<std::array<Counter*, kCodes>, kKinds> results_{};
  std::array<Histogram*, kKinds> latencies_{};
  Histogram& batch_ops_;
  Histogram& answer_ops_;
  Counter& bytes_in_;
  Counter& bytes_out_;
  Counter& scan_entries_;
};

}  // namespace ringkv
