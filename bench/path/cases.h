// What `bench path` and `bench peers` measure: the loads, the cases that they make up, and the
// figures of one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"
#include "client/kvctl/latency_histogram.h"

namespace ringkv::bench {

// Connections, each with so many operations in flight.
struct LoadShape {
  int connections = 1;
  int in_flight = 1;
  // After an operation that failed, its place in flight stays empty for so long.
  Duration pause_after_failure{0};

  std::string Name() const {
    return std::to_string(connections) + " x " + std::to_string(in_flight);
  }
};

// What the operations are.
struct OpMix {
  std::string name;  // put, get, 50/50, 95/5
  double reads = 0;  // of all operations
};

// The keys that are read and written, each as likely as any other.
struct KeySpace {
  uint64_t keys = 0;
  size_t value_bytes = 0;
  uint64_t first = 0;  // their numbers go on from here
};

// `keys` keys with such values, but fewer where these would be more than 256 MiB altogether.
KeySpace SpaceOf(uint64_t keys, size_t value_bytes);

struct LoadFigures {
  uint64_t operations = 0;
  uint64_t failed = 0;
  double seconds = 0;
  LatencyHistogram latency;
  std::string first_error;
  std::map<std::string, uint64_t> failed_as;  // the failed by code and outcome, where there is one
  Duration slowest_failure{0};                // of these
  std::map<std::string, double> cpu_us;       // by process, for each operation

  // What another client did in the same time.
  void Add(const LoadFigures& other) {
    operations += other.operations;
    failed += other.failed;
    latency.Merge(other.latency);
    if (first_error.empty()) first_error = other.first_error;
    for (const auto& [as, count] : other.failed_as) failed_as[as] += count;
    slowest_failure = std::max(slowest_failure, other.slowest_failure);
  }
  void Succeeded(Duration after) {
    ++operations;
    latency.Add(after);
  }
  void Failed(uint64_t count, const std::string& why) {
    failed += count;
    if (first_error.empty()) first_error = why;
  }
  void FailedAs(const std::string& as, const std::string& why, Duration after) {
    Failed(1, why);
    ++failed_as[as];
    slowest_failure = std::max(slowest_failure, after);
  }

  // The warm-up is over. What failed in it still counts: who failed may be gone since.
  void BeginMeasuring() {
    operations = 0;
    latency = {};
  }

  double rate() const { return seconds > 0 ? static_cast<double>(operations) / seconds : 0; }
  double cpu_us_total() const {
    double sum = 0;
    for (const auto& [process, us] : cpu_us) sum += us;
    return sum;
  }
};

// 16 bytes.
std::string PathKey(uint64_t number);

// "64x16"; kInvalidArgument for anything else.
Result<LoadShape> ParseShape(const std::string& text);
// "put", "get", or the shares of gets and puts in percent: "95/5".
Result<OpMix> ParseMix(const std::string& text);

}  // namespace ringkv::bench
