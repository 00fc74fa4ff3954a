// The metadata of a cluster with one router: a RocksDB under <data-dir>/metadata.
//
// Guarantees
//  1. A transaction is synced before its callback runs; callbacks run within the call.
//  2. Nobody else has it open: the lock on the data directory and RocksDB's own are held for as
//  long
//     as the object lives, so every earlier owner has stopped and the lease never ends.
//  3. A directory of another format is refused, never changed.
//  4. After a failed write the outcome of that write is unknown and every later call fails with the
//     reason: what is durable is only known again after a new start.
//
// Blocks for a disk sync in Commit. Thread-compatible (see MetadataStore); Stats from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/data_dir_lock.h"
#include "router/metadata_store.h"

namespace rocksdb {
class DB;
}

namespace ringkv {

class EmbeddedMetadata final : public MetadataStore {
 public:
  struct Stats {
    uint64_t keys = 0;        // an estimate
    uint64_t disk_bytes = 0;  // of its sorted files
    uint64_t memory_bytes = 0;
  };

  // `data_dir` is the router's; the store is its folder `metadata`. Refused: another process has
  // it, or it has another format.
  static Result<std::unique_ptr<EmbeddedMetadata>> Open(const std::string& data_dir);
  ~EmbeddedMetadata() override;

  void Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) override;
  void List(std::string prefix, std::function<void(Result<Entries>)> done) override;
  std::optional<Duration> LeaseTtl() const override { return std::nullopt; }
  void RenewLease(std::function<void(Result<Lease>)> done) override { done(Lease{1, {}}); }

  Stats ReadStats() const;

 private:
  EmbeddedMetadata(DataDirLock lock, std::unique_ptr<rocksdb::DB> db);
  Status CheckFormat();
  Result<bool> DoCommit(const MetadataTxn& txn);
  Result<Entries> DoList(const std::string& prefix) const;

  DataDirLock lock_;  // before db_: given back after it is closed
  std::unique_ptr<rocksdb::DB> db_;
  Status broken_;  // not ok after a write failed
};

}  // namespace ringkv
