// Where a node keeps records: one ordered map from (slot, incarnation, key) to record, and a small
// map of named durable facts ("meta"). Two twins: `RocksStore` (rocks_store.h) and `MemoryStore`
// (memory_store.h, which can lose its unsynced tail); both pass tests/kvnode/store_test.cc.
//
// Guarantees
//  1. A batch is applied whole or not at all, also across a crash, and batches survive a crash in
//  the
//     order in which they were written (a prefix of them).
//  2. What `Write` returned ok for survives the death of the process at once, and a loss of power
//  once
//     it is synced: by `sync` in the call, by `Sync`, or by the durability mode.
//  3. A record whose bytes do not match their checksum is `kCorruption`, never absent.
//
// Thread-safety: all methods may be called from several threads. The caller orders writes of one
// slot (a slot belongs to one thread of the node). Errors: kIoError means that the disk failed; the
// node stops serving.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

inline constexpr Version kHighestVersion{Term(UINT32_MAX), UINT64_MAX};

// Names a replica instance: one slot's copy on this node.
struct InstanceName {
  SlotId slot;
  Incarnation inc;
  auto operator<=>(const InstanceName&) const = default;
};

// Names a record. `key` is not owned and must outlive the call.
struct RecordKey {
  SlotId slot;
  Incarnation inc;
  std::string_view key;  // 1 byte to 4 KiB, any bytes
};

// One answer of MultiGet. `record` is meaningful only if `found`.
struct RecordLookup {
  Status status;  // kCorruption, kIoError; ok also when the key is absent
  bool found = false;
  v1::Record record;
};

// Changes that are applied together. Records and keys are not copied: they must outlive `Write`.
// Later entries win over earlier ones for the same key.
class StoreBatch {
 public:
  struct Put {
    RecordKey key;
    const v1::Record* record;
  };
  struct Meta {
    std::string name;
    std::string value;
    bool erase = false;
  };

  void PutRecord(const RecordKey& key, const v1::Record& record) {
    puts_.push_back({key, &record});
  }
  // Forgets the record for good (not a delete: that is a record with a tombstone).
  void EraseRecord(const RecordKey& key) { puts_.push_back({key, nullptr}); }
  // Names sort bytewise; a slash separates parts ("promise/00000007").
  void PutMeta(std::string name, std::string value) {
    metas_.push_back({std::move(name), std::move(value), false});
  }
  void EraseMeta(std::string name) { metas_.push_back({std::move(name), {}, true}); }

  bool empty() const { return puts_.empty() && metas_.empty(); }
  const std::vector<Put>& puts() const { return puts_; }
  const std::vector<Meta>& metas() const { return metas_; }

 private:
  std::vector<Put> puts_;
  std::vector<Meta> metas_;
};

struct ScanLimits {
  size_t max_bytes = 1024 * 1024;  // of keys and values; the first entry comes in any case
  size_t max_entries = 1000;
  bool keys_only = false;  // records come without their value bytes
  // What cannot be read is told in the result, and what comes after it is read. Without a prefix.
  bool past_damage = false;
  // Records whose versions are not above this may be left out, so that stores need not read what
  // has long been the same. Only for an instance in which no record above it was ever replaced by a
  // lower one, or erased: a store may then find the replaced one instead.
  Version above;
};

struct StoredEntry {
  std::string key;
  v1::Record record;
};

// A record that is there and cannot be read.
struct DamagedRecord {
  std::string key;
  Status why;
};

// What is there cannot be told: keys above `after` and below `before`.
struct DamagedStretch {
  std::string after;
  std::string before;  // empty: to the end of the instance
  Status why;
};

struct ScanResult {
  std::vector<StoredEntry> entries;  // in key order, tombstones too
  bool complete = false;             // nothing comes after the last entry
  // With `past_damage`. A page reaches to the last key of entries and damaged records.
  std::vector<DamagedRecord> damaged;
  std::vector<DamagedStretch> stretches;

  // `read`: whether the record could be.
  void Add(std::string key, v1::Record record, const Status& read) {
    if (read.ok()) {
      entries.push_back({std::move(key), std::move(record)});
    } else {
      damaged.push_back({std::move(key), read});
    }
  }
};

struct StoreStats {
  uint64_t bytes = 0;                       // live data on disk, an estimate
  uint64_t keys = 0;                        // an estimate
  std::optional<uint64_t> disk_free_bytes;  // none where there is no disk
};

class Store {
 public:
  virtual ~Store() = default;

  // kIoError: unknown whether it was applied; the store refuses everything from then on.
  virtual Status Write(const StoreBatch& batch, bool sync) = 0;

  // One answer for each key, in order. keys.size() == out.size().
  virtual void MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) = 0;

  // Records of one instance with key > `after` (all if empty) that start with `prefix`. kCorruption
  // names the key, unless the limits say `past_damage`.
  virtual Result<ScanResult> Scan(SlotId slot, Incarnation inc, std::string_view after,
                                  std::string_view prefix, const ScanLimits& limits) = 0;

  // Drops every record of the instance; nothing of another instance. No batch: after an error, or a
  // crash before it is synced, some records may be there, also in older versions; drop again.
  virtual Status DropInstance(SlotId slot, Incarnation inc) = 0;

  // kNotFound when there is no such name.
  virtual Result<std::string> GetMeta(std::string_view name) = 0;
  // All with names that start with `prefix`, in order of name.
  virtual Result<std::vector<std::pair<std::string, std::string>>> ListMeta(
      std::string_view prefix) = 0;

  // Makes everything written so far survive a loss of power.
  virtual Status Sync() = 0;

  virtual StoreStats Stats() = 0;

  // About how many bytes the records of each instance take, keys included: one number for each of
  // `instances`, which are distinct and sorted. Versions that were written over may still count,
  // small instances that lie side by side may have bytes of one another (RocksStore says how many),
  // and their sum is closer to the truth than each. Not cheap: for what operators ask.
  virtual Result<std::vector<uint64_t>> EstimateSizes(std::span<const InstanceName> instances) = 0;
};

}  // namespace ringkv
