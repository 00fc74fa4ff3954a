// Workload: the stream of operations of a benchmark, after YCSB's core workloads (Cooper et al.,
// "Benchmarking Cloud Serving Systems with YCSB", 2010):
//   a 50 % read, 50 % update, zipfian      d 95 % read, 5 % insert, the latest most often
//   b 95 % read, 5 % update, zipfian       e 95 % scan, 5 % insert, zipfian
//   c 100 % read, zipfian                  f 50 % read, 50 % read-modify-write, zipfian
//   put, get: that alone, uniform
// Scans are by prefix: the keys that share all but the last digits with a chosen one, 1 to 100 of
// them. Deterministic by seed; thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"

namespace ringkv {

enum class OpKind { kRead, kUpdate, kInsert, kScan, kReadModifyWrite };
inline constexpr size_t kOpKinds = 5;
std::string_view OpKindName(OpKind kind);

struct BenchOp {
  OpKind kind = OpKind::kRead;
  std::string key;     // for a scan, the prefix
  uint64_t limit = 0;  // of a scan
};

// Numbers 0 to n-1, the low ones most often, by Zipf's law with exponent 0.99 (Gray et al.,
// "Quickly Generating Billion-Record Synthetic Databases", 1994, section 3.2).
class Zipfian {
 public:
  explicit Zipfian(uint64_t n);
  uint64_t Next(Random& random) const;

 private:
  uint64_t n_;
  double zeta_;
  double eta_;
};

class Workload {
 public:
  // `name` is one of the above; `keys` > 0 are there at the start.
  Workload(const std::string& name, uint64_t keys, uint64_t seed);

  BenchOp Next();

  // Key number `number`.
  static std::string Key(uint64_t number);

 private:
  OpKind NextKind();
  uint64_t NextKeyNumber();

  const std::string name_;
  const uint64_t loaded_;
  uint64_t keys_;  // with those inserted since
  Random random_;
  Zipfian zipfian_;
};

}  // namespace ringkv
