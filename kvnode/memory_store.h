// The simulated twin of RocksStore: records and meta in memory, encoded as on a disk, and a disk
// that can be made to fail. Deterministic and cheap to make (no thread, no file).
//
// It stands for a disk and the process that uses it: the object outlives simulated crashes of its
// node. Batches (and DropInstance, which is one) that no sync covers yet form the unsynced tail,
// oldest first; a loss of power keeps a prefix of it. Each keeps what it replaced, so a node that
// never syncs makes the tail grow. Thread-safety: as Store; one mutex. The faults may be called
// from any thread as well.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kvnode/store.h"

namespace ringkv {

class MemoryStore final : public Store {
 public:
  // A copy of the disk as a reader of its files would make it, unsynced tail included.
  class Image;

  MemoryStore() = default;
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

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
  Result<std::vector<uint64_t>> EstimateSizes(std::span<const InstanceName> instances) override;

  // ---- faults

  // The process dies and starts again: nothing is lost, and what was unsynced still is. A store
  // that refused after a disk error serves again, if the disk does.
  void Crash();

  // Power is lost: all but the oldest `batches_to_keep` of the unsynced tail never happened; the
  // rest is on the disk. All are kept if there are not so many.
  void CrashLosingUnsynced(size_t batches_to_keep_of_the_unsynced_tail);
  size_t unsynced_batches() const;

  // While set, every call fails with kIoError and nothing is applied. The store goes on to refuse
  // after the disk works again, until a crash: as RocksStore does.
  void SetDiskError(bool failing);

  // The same, but the next write is applied, unsynced, before it fails.
  void SetDiskErrorAfterNextWrite();

  // Damages the stored bytes of a record, so that reading it is kCorruption. False if it is absent.
  bool CorruptRecord(const RecordKey& key);

  std::shared_ptr<const Image> Snapshot() const;
  // The disk is that of `image` from now on, all of it synced.
  void Restore(const Image& image);
  void Wipe();

 private:
  using Map = std::map<std::string, std::string, std::less<>>;

  // One change of a batch, taken back by putting `old_value` (nothing: absent) in place again.
  struct Undo {
    Map* map;
    std::string key;
    std::optional<std::string> old_value;
  };
  using UndoBatch = std::vector<Undo>;
  enum class DiskState { kWorks, kFails, kFailsAfterNextWrite };

  Status Refusal() const;
  void Set(Map& map, std::string key, std::optional<std::string> value, UndoBatch* undo);
  void Apply(const StoreBatch& batch);
  void Replace(Map records, Map metas);

  mutable std::mutex mutex_;  // guards everything below
  Map records_;               // by store key (record_codec.h)
  Map metas_;
  uint64_t record_bytes_ = 0;  // keys and values of records_
  std::deque<UndoBatch> unsynced_;
  DiskState disk_ = DiskState::kWorks;
  bool refusing_ = false;  // since a disk error; until a crash
};

class MemoryStore::Image {
 private:
  friend class MemoryStore;
  Map records_;
  Map metas_;
};

}  // namespace ringkv
