#include "kvnode/node_metrics.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>

namespace ringkv {
namespace {

using Op = v1::ReplicaOp;

constexpr std::array<std::pair<Op::BodyCase, std::string_view>, 17> kKindNames{{
    {Op::BODY_NOT_SET, "unknown"},
    {Op::kHello, "hello"},
    {Op::kPromise, "promise"},
    {Op::kContact, "contact"},
    {Op::kApply, "apply"},
    {Op::kRead, "read"},
    {Op::kScan, "scan"},
    {Op::kCreate, "create"},
    {Op::kRetire, "retire"},
    {Op::kSetStable, "set_stable"},
    {Op::kSetFloor, "set_floor"},
    {Op::kReinstate, "reinstate"},
    {Op::kStats, "stats"},
    {Op::kPull, "pull"},
    {Op::kSyncRanges, "sync_ranges"},
    {Op::kSyncDiff, "sync_diff"},
    {Op::kPersist, "persist"},
}};

// By the number of the field in ReplicaOp: this runs for every operation.
constexpr std::array<uint8_t, 32> kIndexOfKind = [] {
  std::array<uint8_t, 32> index{};
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    index[static_cast<size_t>(kKindNames[i].first)] = static_cast<uint8_t>(i);
  }
  return index;
}();

// "REPLICA_CODE_NOT_READY" to "not_ready".
std::string CodeName(size_t code) {
  std::string name = v1::ReplicaCode_Name(static_cast<v1::ReplicaCode>(code));
  name.erase(0, std::string_view("REPLICA_CODE_").size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

const std::vector<double>& CountBuckets() {
  static const std::vector<double> buckets{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  return buckets;
}

}  // namespace

NodeMetrics::NodeMetrics(Metrics& metrics)
    : turn_ops(metrics.GetHistogram("node_turn_operations",
                                    "Operations that a worker executed together.", CountBuckets())),
      queue_wait_seconds(metrics.GetHistogram(
          "node_queue_wait_seconds", "How long the oldest operation of a turn waited for a worker.",
          LatencyBuckets())),
      received_bytes(
          metrics.GetCounter("node_received_bytes_total", "Batches received, in bytes.")),
      sent_bytes(metrics.GetCounter("node_sent_bytes_total", "Batches of replies sent, in bytes.")),
      received_batches(metrics.GetCounter("node_received_batches_total", "Batches received.")),
      sent_batches(metrics.GetCounter("node_sent_batches_total", "Batches of replies sent.")),
      open_streams(metrics.GetGauge("node_open_streams", "Streams of routers that are open.")) {
  static_assert(kKindNames.size() == kKinds);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    for (size_t code = 0; code < kCodes; ++code) {
      ops_[kind][code] = &metrics.GetCounter(
          "node_operations_total", "Operations answered, by kind and code.",
          {{"op", std::string(kKindNames[kind].second)}, {"code", CodeName(code)}});
    }
  }
  constexpr std::array<const char*, 4> kTurnNames{"apply", "read", "mixed", "other"};
  for (size_t kind = 0; kind < kTurnNames.size(); ++kind) {
    turn_seconds_[kind] = &metrics.GetHistogram(
        "node_turn_seconds", "Time to execute the operations of a turn, by what they were.",
        LatencyBuckets(), {{"kind", kTurnNames[kind]}});
  }
}

void NodeMetrics::CountOp(v1::ReplicaOp::BodyCase kind, v1::ReplicaCode code) {
  size_t column = std::min(static_cast<size_t>(code), kCodes - 1);
  ops_[kIndexOfKind[static_cast<size_t>(kind) % kIndexOfKind.size()]][column]->Add();
}

}  // namespace ringkv
