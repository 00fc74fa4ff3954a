// Internal to rocks_*.cc: an opened RocksDB, tuned by RocksOptions, and how its errors become ours.
//
// FailureLatch remembers the first error that ends a store's service; it is shared with RocksDB's
// listener, which reports what fails in the background. Thread-safe.
// RocksEngine owns the database and its handles and closes them in the right order.
// Thread-compatible; the database inside is thread-safe.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "kvnode/rocks_store.h"

namespace ringkv {

class FailureLatch {
 public:
  // Ok, or the first error that was latched.
  Status status() const;
  bool failed() const { return failed_.load(std::memory_order_acquire); }

  // Latches an error and returns what is latched.
  Status Latch(Status error);

  // Ok, or kCorruption: the first that was noted. Damage alone is no failure: other keys can be
  // read.
  Status damage() const;
  void NoteDamage(std::string what);

 private:
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  Status first_;   // guarded by mutex_
  Status damage_;  // guarded by mutex_
};

struct RocksEngine {
  ~RocksEngine();

  std::string path;
  std::shared_ptr<FailureLatch> failure = std::make_shared<FailureLatch>();
  std::shared_ptr<rocksdb::Statistics> statistics;
  RecoveryReport recovery;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* meta = nullptr;     // owned
  rocksdb::ColumnFamilyHandle* records = nullptr;  // owned
};

Result<std::unique_ptr<RocksEngine>> OpenRocksEngine(const std::string& path,
                                                     const RocksOptions& options);

// An error of an open database as kIoError that says what to do.
Status FatalRocksError(const std::string& path, std::string_view what,
                       const rocksdb::Status& status);

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace ringkv
