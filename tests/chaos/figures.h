// The figures of a run: latencies, gaps and outcomes, each for a stretch of time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/chaos/run_record.h"

namespace ringkv {

struct LatencyFigures {
  uint64_t count = 0;
  double p50_ms = 0, p90_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;
};

// Of operations that were done and began in the stretch.
LatencyFigures LatencyIn(const std::vector<ClientOperation>& operations, Access access,
                         const Stretch& stretch);

struct OutcomeCounts {
  uint64_t done = 0, condition_failed = 0, not_applied = 0, unknown = 0;
  void Add(ClientOperation::Outcome outcome);
};

// By f, as in the history.
std::map<std::string, OutcomeCounts> CountOutcomes(const std::vector<ClientOperation>& operations);

// How a kind of fault showed, from those that did not overlap with others.
struct AvailabilityFigures {
  uint64_t faults = 0;
  double no_reads_ms = 0;  // the longest for any one key
  double no_writes_ms = 0;
  std::string no_reads_key, no_writes_key;
  OutcomeCounts outcomes;  // of operations that touch those stretches
};

// By kind; "none": stretches without a fault.
std::map<std::string, AvailabilityFigures> AvailabilityByKind(const RunRecord& record);

}  // namespace ringkv
