// Operations: what the clients of a load do: reads and writes of keys that are drawn at random, or
// a write of each key. Values are slices of random bytes, which do not compress. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "bench/path/cases.h"

namespace ringkv::bench {

struct Operation {
  bool read = false;
  uint64_t key = 0;        // PathKey has its name
  std::string_view value;  // of a write; as long-lived as the Operations
};

class Operations {
 public:
  // `interrupted` ends them from outside, where it is given. It is borrowed.
  Operations(OpMix mix, KeySpace space, const std::atomic<bool>* interrupted = nullptr);

  // From now on a write of every key, once.
  void EachOnce() { each_once_ = true; }
  void End() { ended_ = true; }

  // The next one; none: there will be no more. `random` is the caller's.
  std::optional<Operation> Next(Random& random);

 private:
  const OpMix mix_;
  const KeySpace space_;
  const std::atomic<bool>* const interrupted_;
  std::string bytes_;  // values are cut out of it
  std::atomic<bool> ended_{false};
  std::atomic<bool> each_once_{false};
  std::atomic<uint64_t> next_key_{0};  // of each_once_
};

}  // namespace ringkv::bench
