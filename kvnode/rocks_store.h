// The store of a real node: one RocksDB in one directory (column family `records` for records,
// `default` for meta). Everything that knows RocksDB is in rocks_*.cc and rocks_engine.h.
//
// Durability: the log is handed to the operating system in every Write, so the death of the process
// loses nothing; what a loss of power may take is said at Durability, and is always a suffix.
// Failure: after an error of the disk (also one in the background: flush, compaction, periodic
// sync) the store refuses everything with kIoError until it is opened again. A damaged block is
// kCorruption for the reads that need it; when a compaction meets it, the store stops as after an
// error. Memory is bounded by block_cache_bytes + memtable_bytes, apart from what calls return, and
// from the tables of open files (max_open_files; some 10 KiB each). Thread-safety: as Store. Close
// and the destructor must not run beside other calls.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "kvnode/store.h"

namespace ringkv {

// When a batch survives a loss of power.
enum class Durability {
  kSync,      // when Write returns
  kPeriodic,  // at most `sync_interval_ms` later (a little more while the disk is slow)
  kOs,        // when the operating system gets round to it, or at the next synced Write or Sync
};

// "sync", "periodic", "os"; kInvalidArgument for anything else.
Result<Durability> ParseDurability(std::string_view text);
std::string_view DurabilityName(Durability durability);

enum class Compression { kNone, kLz4 };

// The defaults are for a small machine (2 cores, a few GiB, perhaps several nodes).
struct RocksOptions {
  Durability durability = Durability::kPeriodic;
  uint32_t sync_interval_ms = 100;              // of kPeriodic
  uint64_t block_cache_bytes = 128ull << 20;    // indexes and filters included
  uint64_t memtable_bytes = 64ull << 20;        // all memtables together
  uint32_t max_background_jobs = 2;             // flushes and compactions at the same time
  Compression compression = Compression::kLz4;  // none if RocksDB was built without it
  uint32_t max_open_files = 512;
  uint64_t blob_min_bytes = 4096;  // larger values go to blob files; 0: none do
};

// What opening found out about the log.
struct RecoveryReport {
  // The log ended in, or held, something that is no whole record: everything from there on was
  // dropped. A torn last batch (a loss of power, rarely a kill) looks the same as damage. A log
  // that lost its end exactly between two batches, or a whole file, cannot be told from a shorter
  // one.
  // Not for a log that ends within a record: that write was never acknowledged.
  bool log_damaged = false;
  std::string detail;  // RocksDB's words; empty when !log_damaged
};

class RocksStore final : public Store {
 public:
  // Opens, or makes, the database in directory `path`, which one process at a time may use. Errors:
  // kInvalidArgument (options, not a directory), kRefused (in use, no permission), kCorruption
  // (files do not fit together), kIoError (disk, no space); the message says what to do.
  static Result<std::unique_ptr<RocksStore>> Open(const std::string& path,
                                                  const RocksOptions& options);
  ~RocksStore() override;  // closes
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  // Syncs the log, flushes the memtables and releases the directory; every later call is refused
  // with kUnavailable. Idempotent. On error everything synced before is still on the disk.
  Status Close();

  const RecoveryReport& recovery() const;

  // Ok, or why the store refuses everything. Cheap.
  Status Health() const;
  // Ok, or kCorruption: the first damage that was met in RocksDB's files since the store was
  // opened, by a read or in the background. A record whose own checksum fails is none. Cheap.
  Status Damage() const;

  Status Write(const StoreBatch& batch, bool sync) override;
  void MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) override;
  Result<ScanResult> Scan(SlotId slot, Incarnation inc, std::string_view after,
                          std::string_view prefix, const ScanLimits& limits) override;
  Status DropInstance(SlotId slot, Incarnation inc) override;
  Result<std::string> GetMeta(std::string_view name) override;
  Result<std::vector<std::pair<std::string, std::string>>> ListMeta(
      std::string_view prefix) override;
  Status Sync() override;
  StoreStats Stats() override;
  // Values of blob_min_bytes and more count as compressed, all else as it is. What was written over
  // or erased counts until compaction drops it. Instances side by side that have less than 4 KiB of
  // a table file together are taken to have as much of it as each other (size_marks.h).
  Result<std::vector<uint64_t>> EstimateSizes(std::span<const InstanceName> instances) override;

  // RocksDB's statistics, for metrics: a name that ends in _total only grows (since Open), others
  // are the state of now; bytes and microseconds as named.
  std::map<std::string, double> Tickers() const;

  // Writes the memtables out to table files. For tests and tools: it happens by itself.
  Status Flush();

 private:
  struct Impl;
  explicit RocksStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkv
