// Rules that both stores share, so that the twins cannot differ: when a page of a scan is full, and
// which batches are refused before anything is written. Thread-compatible.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/status.h"
#include "kvnode/store.h"

namespace ringkv {

// Counts what a page of a scan holds. The first entry always fits.
class ScanPage {
 public:
  explicit ScanPage(const ScanLimits& limits) : limits_(limits) {}

  // Whether one more entry fits; counts it if it does. `stored_bytes`: what is read from the disk
  // for it, which is bounded as well: a page of keys alone may pass over very large values.
  bool Take(size_t returned_bytes, size_t stored_bytes);

 private:
  static constexpr size_t kMaxStoredBytes = 64 * 1024 * 1024;

  const ScanLimits limits_;
  size_t entries_ = 0;
  size_t returned_bytes_ = 0;
  size_t stored_bytes_ = 0;
};

// Ok, or InvalidArgument: a key out of its limits or a meta entry without a name. An empty key must
// not get in: scans start after a key, so that none would ever see it.
Status CheckBatch(const StoreBatch& batch);

}  // namespace ringkv
