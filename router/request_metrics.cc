#include "router/request_metrics.h"

#include "router/client_request.h"

namespace ringkv {
namespace {

const std::vector<double>& CountBuckets() {
  static const std::vector<double> bounds = {1,   2,   4,   8,    16,   32,  64,
                                             128, 256, 512, 1024, 2048, 4096};
  return bounds;
}

// Result kinds are numbered from 2 (the first field after the id).
size_t KindIndex(v1::OpResult::ResultCase kind) {
  return kind < v1::OpResult::kGet || kind > v1::OpResult::kScan ? 0 : kind - v1::OpResult::kGet;
}

}  // namespace

RequestMetrics::RequestMetrics(Metrics& metrics)
    : batch_ops_(metrics.GetHistogram("request_batch_operations",
                                      "Operations in a batch from a client.", CountBuckets())),
      answer_ops_(metrics.GetHistogram("answer_batch_operations", "Results in a batch to a client.",
                                       CountBuckets())),
      bytes_in_(
          metrics.GetCounter("client_received_bytes_total", "Bytes of messages from clients.")),
      bytes_out_(metrics.GetCounter("client_sent_bytes_total", "Bytes of messages to clients.")),
      scan_entries_(metrics.GetCounter("scan_entries_total", "Entries given out by scans.")) {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    const std::string name(
        KindName(static_cast<v1::OpResult::ResultCase>(v1::OpResult::kGet + kind)));
    latencies_[kind] = &metrics.GetHistogram("operation_duration_seconds",
                                             "From receipt to answer, in the router.",
                                             LatencyBuckets(), {{"op", name}});
    for (size_t code = 0; code < kCodes; ++code) {
      if (!v1::ErrorCode_IsValid(static_cast<int>(code))) continue;
      results_[kind][code] =
          &metrics.GetCounter("operations_total", "Operations of clients by what became of them.",
                              {{"op", name}, {"code", CodeName(static_cast<v1::ErrorCode>(code))}});
    }
  }
}

void RequestMetrics::NoteResult(v1::OpResult::ResultCase kind, v1::ErrorCode code, Duration took) {
  const size_t index = KindIndex(kind);
  if (static_cast<size_t>(code) < kCodes && results_[index][code] != nullptr) {
    results_[index][code]->Add();
  }
  latencies_[index]->Observe(std::chrono::duration<double>(took).count());
}

void RequestMetrics::NoteBatch(uint64_t ops, uint64_t bytes) {
  batch_ops_.Observe(static_cast<double>(ops));
  bytes_in_.Add(bytes);
}

void RequestMetrics::NoteAnswers(uint64_t results, uint64_t bytes) {
  answer_ops_.Observe(static_cast<double>(results));
  bytes_out_.Add(bytes);
}

void RequestMetrics::NoteScanPage(uint64_t entries, uint64_t bytes) {
  scan_entries_.Add(entries);
  bytes_out_.Add(bytes);
}

}  // namespace ringkv
