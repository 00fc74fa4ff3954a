#include "kvnode/rocks_store.h"

#include <rocksdb/convenience.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "kvnode/record_codec.h"
#include "kvnode/rocks_engine.h"
#include "kvnode/rocks_sizes.h"
#include "kvnode/rocks_versions.h"
#include "kvnode/store_rules.h"

namespace ringkv {
namespace {

// Instances with more than this are dropped by one range delete. Its tombstone is flushed at once,
// because one in the memtable makes every read of it slow. The bound in bytes is there because
// RocksDB's iterator reads values even to list keys.
constexpr size_t kDropKeyByKeyRecords = 4096;
constexpr size_t kDropKeyByKeyBytes = 16 * 1024 * 1024;

void AddToBatch(const RocksEngine& engine, const StoreBatch::Put& put, std::string* store_key,
                rocksdb::WriteBatch* batch) {
  store_key->clear();
  AppendStoreKey(put.key, store_key);
  const rocksdb::Slice key = ToSlice(*store_key);
  if (put.record == nullptr) {
    (void)batch->Delete(engine.records, key);
    return;
  }
  // In two parts, so that a large value is copied once and not twice.
  const std::string header = EncodeRecordHeader(*store_key, *put.record);
  const rocksdb::Slice parts[] = {ToSlice(header), ToSlice(put.record->value())};
  (void)batch->Put(engine.records, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(parts, 2));
}

// A damaged block hides its keys, and there is no way forward through it: so from the end
// backwards, as far as that goes, at most to `from`. Empty: nothing there can be read. With several
// damaged blocks this is what comes after the last of them.
std::string FirstAfterDamage(const RocksEngine& engine, const rocksdb::ReadOptions& read,
                             const std::string& from) {
  const std::unique_ptr<rocksdb::Iterator> it(engine.db->NewIterator(read, engine.records));
  std::string first;
  for (it->SeekToLast(); it->Valid() && ToView(it->key()) >= from; it->Prev()) {
    first = it->key().ToString();
  }
  return first;
}

}  // namespace

Result<Durability> ParseDurability(std::string_view text) {
  for (Durability durability : {Durability::kSync, Durability::kPeriodic, Durability::kOs}) {
    if (text == DurabilityName(durability)) return durability;
  }
  return Status::InvalidArgument("durability must be sync, periodic or os, not \"" +
                                 std::string(text) + "\"");
}

std::string_view DurabilityName(Durability durability) {
  switch (durability) {
    case Durability::kSync:
      return "sync";
    case Durability::kPeriodic:
      return "periodic";
    case Durability::kOs:
      return "os";
  }
  return "?";
}

struct RocksStore::Impl {
  Impl(std::unique_ptr<RocksEngine> opened, const RocksOptions& chosen)
      : engine(std::move(opened)), options(chosen), recovery(engine->recovery) {
    if (options.durability == Durability::kPeriodic) syncer = std::thread([this] { SyncLoop(); });
  }

  Status Serving() const {
    if (engine == nullptr) return Status::Unavailable("the store is closed");
    return engine->failure->status();
  }

  Status Fail(std::string_view what, const rocksdb::Status& status) {
    return engine->failure->Latch(FatalRocksError(engine->path, what, status));
  }

  // A failed read: of damaged bytes (that is for the caller), or of a disk that failed.
  Status ReadError(const std::string& of, const rocksdb::Status& status) {
    if (status.IsCorruption()) {
      engine->failure->NoteDamage(of + ": " + status.ToString());
      return Status::Corruption(of + ": " + status.ToString());
    }
    return Fail("reading " + of + " failed", status);
  }

  Status SyncLog() {
    unsynced.store(false);  // before the sync: what comes during it is synced the next time
    const rocksdb::Status status = engine->db->SyncWAL();
    return status.ok() ? Status::Ok() : Fail("syncing the log failed", status);
  }

  void SyncLoop() {
    std::unique_lock lock(syncer_mutex);
    while (!stopping) {
      syncer_wake.wait_for(lock, std::chrono::milliseconds(options.sync_interval_ms));
      if (stopping || !unsynced.load() || engine->failure->failed()) continue;
      lock.unlock();
      (void)SyncLog();  // an error is latched
      lock.lock();
    }
  }

  void StopSyncer() {
    if (!syncer.joinable()) return;
    {
      std::lock_guard lock(syncer_mutex);
      stopping = true;
    }
    syncer_wake.notify_all();
    syncer.join();
  }

  Status WriteRocks(rocksdb::WriteBatch* batch, bool sync) {
    rocksdb::WriteOptions write;
    write.sync = sync || options.durability == Durability::kSync;
    const rocksdb::Status status = engine->db->Write(write, batch);
    if (!status.ok()) return Fail("a write failed", status);
    if (!write.sync) unsynced.store(true);
    return Status::Ok();
  }

  Status FlushMemtables() {
    const rocksdb::Status status =
        engine->db->Flush(rocksdb::FlushOptions(), {engine->meta, engine->records});
    return status.ok() ? Status::Ok() : Fail("writing out the memtables failed", status);
  }

  Result<bool> ListSmallInstance(const rocksdb::Slice& lower, const rocksdb::Slice& upper,
                                 rocksdb::WriteBatch* deletes);

  std::unique_ptr<RocksEngine> engine;  // null once closed
  const RocksOptions options;
  const RecoveryReport recovery;
  std::atomic<bool> unsynced{false};  // something was written since the last sync of the log

  std::thread syncer;
  std::mutex syncer_mutex;
  std::condition_variable syncer_wake;
  bool stopping = false;  // guarded by syncer_mutex
};

Result<std::unique_ptr<RocksStore>> RocksStore::Open(const std::string& path,
                                                     const RocksOptions& options) {
  Result<std::unique_ptr<RocksEngine>> engine = OpenRocksEngine(path, options);
  if (!engine.ok()) return engine.status();
  auto impl = std::make_unique<Impl>(std::move(engine).value(), options);
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(impl)));
}

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksStore::~RocksStore() { (void)Close(); }

Status RocksStore::Close() {
  if (impl_->engine == nullptr) return Status::Ok();
  impl_->StopSyncer();
  Status status = impl_->Serving();
  if (status.ok()) status = impl_->SyncLog();
  if (status.ok()) status = impl_->FlushMemtables();
  impl_->engine.reset();
  return status;
}

const RecoveryReport& RocksStore::recovery() const { return impl_->recovery; }

Status RocksStore::Health() const { return impl_->Serving(); }

Status RocksStore::Damage() const {
  return impl_->engine == nullptr ? Status::Ok() : impl_->engine->failure->damage();
}

Status RocksStore::Write(const StoreBatch& batch, bool sync) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  RINGKV_RETURN_IF_ERROR(CheckBatch(batch));
  if (batch.empty()) return sync ? Sync() : Status::Ok();
  rocksdb::WriteBatch rocks;
  std::string store_key;
  for (const StoreBatch::Put& put : batch.puts()) {
    AddToBatch(*impl_->engine, put, &store_key, &rocks);
  }
  for (const StoreBatch::Meta& meta : batch.metas()) {
    if (meta.erase) {
      (void)rocks.Delete(impl_->engine->meta, meta.name);
    } else {
      (void)rocks.Put(impl_->engine->meta, meta.name, meta.value);
    }
  }
  return impl_->WriteRocks(&rocks, sync);
}

void RocksStore::MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) {
  RINGKV_CHECK(keys.size() == out.size(), "one answer for each key");
  const size_t count = keys.size();
  const Status serving = impl_->Serving();
  for (RecordLookup& lookup : out) {
    lookup.found = false;
    lookup.status = serving;
  }
  if (!serving.ok() || count == 0) return;

  std::string
      bytes;  // of all store keys, one after the other; must not move once slices point to it
  size_t total = 0;
  for (const RecordKey& key : keys) total += kStoreKeyPrefixBytes + key.key.size();
  bytes.reserve(total);
  std::vector<rocksdb::Slice> store_keys;
  store_keys.reserve(count);
  for (const RecordKey& key : keys) {
    const size_t start = bytes.size();
    AppendStoreKey(key, &bytes);
    store_keys.emplace_back(bytes.data() + start, bytes.size() - start);
  }
  std::vector<rocksdb::PinnableSlice> values(count);
  std::vector<rocksdb::Status> statuses(count);
  impl_->engine->db->MultiGet(rocksdb::ReadOptions(), impl_->engine->records, count,
                              store_keys.data(), values.data(), statuses.data(),
                              /*sorted_input=*/false);
  for (size_t i = 0; i < count; ++i) {
    if (statuses[i].IsNotFound()) continue;
    const std::string_view store_key = ToView(store_keys[i]);
    out[i].status =
        statuses[i].ok()
            ? DecodeRecord(store_key, ToView(values[i]), ValueBytes::kCopy, &out[i].record)
            : impl_->ReadError("record of " + DescribeStoreKey(store_key), statuses[i]);
    out[i].found = out[i].status.ok();
  }
}

Result<ScanResult> RocksStore::Scan(SlotId slot, Incarnation inc, std::string_view after,
                                    std::string_view prefix, const ScanLimits& limits) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  const std::string first = EncodeStoreKey({slot, inc, prefix});
  const std::string end = EndOfPrefix(first);
  std::string start = EncodeStoreKey({slot, inc, after});
  if (!after.empty()) start.push_back('\0');  // the next string after it
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper;
  read.fill_cache = false;  // a slot on the move must not push out what clients read
  if (limits.above != Version{}) {
    read.table_filter = [above = limits.above](const rocksdb::TableProperties& table) {
      return HighestVersionIn(table) > above;
    };
  }
  std::unique_ptr<rocksdb::Iterator> it(
      impl_->engine->db->NewIterator(read, impl_->engine->records));

  const ValueBytes value_bytes = limits.keys_only ? ValueBytes::kLeaveOut : ValueBytes::kCopy;
  ScanPage page(limits);
  ScanResult result;
  std::string from = std::max(start, first);  // what comes next is not below it
  std::string passed(after);                  // the last key that was read
  it->Seek(from);
  while (true) {
    for (; it->Valid(); it->Next()) {
      const std::string_view store_key = ToView(it->key());
      v1::Record record;
      const Status decoded = DecodeRecord(store_key, ToView(it->value()), value_bytes, &record);
      if (!decoded.ok() && !limits.past_damage) return decoded;
      std::string key(store_key.substr(kStoreKeyPrefixBytes));
      if (!page.Take(key.size() + record.value().size(), it->value().size())) {
        // A stretch that the page ends in is told by the next one.
        if (!result.stretches.empty() && result.stretches.back().before == key) {
          result.stretches.pop_back();
        }
        return result;
      }
      from.assign(store_key).push_back('\0');
      passed = key;
      result.Add(std::move(key), std::move(record), decoded);
    }
    if (it->status().ok()) {
      result.complete = true;
      return result;
    }
    const Status why = impl_->ReadError(
        "scan after " + DescribeStoreKey(EncodeStoreKey({slot, inc, passed})), it->status());
    if (!limits.past_damage || !it->status().IsCorruption()) return why;
    std::string before = FirstAfterDamage(*impl_->engine, read, from);
    if (!before.empty()) {
      it.reset(impl_->engine->db->NewIterator(read, impl_->engine->records));
      it->Seek(before);
      if (!it->Valid()) before.clear();
    }
    const bool to_the_end = before.empty();
    result.stretches.push_back(
        {passed, to_the_end ? "" : before.substr(kStoreKeyPrefixBytes), why});
    if (to_the_end) {
      result.complete = true;
      return result;
    }
  }
}

// Lists what deletes the instance record by record; answers false if there is too much of it or
// something damaged in it (a range delete needs no reading).
Result<bool> RocksStore::Impl::ListSmallInstance(const rocksdb::Slice& lower,
                                                 const rocksdb::Slice& upper,
                                                 rocksdb::WriteBatch* deletes) {
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(engine->db->NewIterator(read, engine->records));
  size_t bytes = 0;
  for (it->Seek(lower); it->Valid(); it->Next()) {
    bytes += it->value().size();
    if (deletes->Count() == kDropKeyByKeyRecords || bytes > kDropKeyByKeyBytes) return false;
    (void)deletes->Delete(engine->records, it->key());
  }
  if (it->status().ok()) return true;
  const Status why = ReadError("instance " + DescribeStoreKey(ToView(lower)), it->status());
  if (it->status().IsCorruption()) return false;
  return why;
}

Status RocksStore::DropInstance(SlotId slot, Incarnation inc) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  RocksEngine& engine = *impl_->engine;
  const std::string begin = InstancePrefix(slot, inc);
  const std::string end = EndOfPrefix(begin);
  const rocksdb::Slice lower(begin);
  const rocksdb::Slice upper(end);

  rocksdb::WriteBatch deletes;
  const Result<bool> small = impl_->ListSmallInstance(lower, upper, &deletes);
  if (!small.ok()) return small.status();
  if (*small) {
    return deletes.Count() == 0 ? Status::Ok() : impl_->WriteRocks(&deletes, /*sync=*/false);
  }
  // Whole files first, which gives their space back at once; in this order, because a file may hold
  // the range tombstone itself. Until the range delete, older versions of records may show again.
  rocksdb::Status status =
      rocksdb::DeleteFilesInRange(engine.db.get(), engine.records, &lower, &upper, false);
  if (!status.ok()) return impl_->Fail("dropping the files of an instance failed", status);
  rocksdb::WriteBatch range;
  (void)range.DeleteRange(engine.records, lower, upper);
  RINGKV_RETURN_IF_ERROR(impl_->WriteRocks(&range, /*sync=*/false));
  status = engine.db->Flush(rocksdb::FlushOptions(), engine.records);
  return status.ok() ? Status::Ok() : impl_->Fail("writing out the memtables failed", status);
}

Result<std::string> RocksStore::GetMeta(std::string_view name) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  std::string value;
  const rocksdb::Status status =
      impl_->engine->db->Get(rocksdb::ReadOptions(), impl_->engine->meta, ToSlice(name), &value);
  if (status.IsNotFound()) return Status::NotFound("no meta entry " + std::string(name));
  if (!status.ok()) return impl_->ReadError("meta entry " + std::string(name), status);
  return value;
}

Result<std::vector<std::pair<std::string, std::string>>> RocksStore::ListMeta(
    std::string_view prefix) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->engine->db->NewIterator(rocksdb::ReadOptions(), impl_->engine->meta));
  std::vector<std::pair<std::string, std::string>> found;
  for (it->Seek(ToSlice(prefix)); it->Valid() && ToView(it->key()).starts_with(prefix);
       it->Next()) {
    found.emplace_back(it->key().ToString(), it->value().ToString());
  }
  if (!it->status().ok()) {
    return impl_->ReadError("meta entries " + std::string(prefix), it->status());
  }
  return found;
}

Status RocksStore::Sync() {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  return impl_->SyncLog();
}

Status RocksStore::Flush() {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  return impl_->FlushMemtables();
}

StoreStats RocksStore::Stats() {
  StoreStats stats;
  if (impl_->engine == nullptr) return stats;
  rocksdb::DB& db = *impl_->engine->db;
  uint64_t memtables = 0;
  (void)db.GetIntProperty(impl_->engine->records, rocksdb::DB::Properties::kEstimateLiveDataSize,
                          &stats.bytes);
  (void)db.GetIntProperty(impl_->engine->records, rocksdb::DB::Properties::kCurSizeAllMemTables,
                          &memtables);
  (void)db.GetIntProperty(impl_->engine->records, rocksdb::DB::Properties::kEstimateNumKeys,
                          &stats.keys);
  stats.bytes += memtables;
  std::error_code error;
  const auto space = std::filesystem::space(impl_->engine->path, error);
  if (!error) stats.disk_free_bytes = space.available;
  return stats;
}

Result<std::vector<uint64_t>> RocksStore::EstimateSizes(std::span<const InstanceName> instances) {
  RINGKV_RETURN_IF_ERROR(impl_->Serving());
  std::vector<uint64_t> sizes;
  const rocksdb::Status status = EstimateRocksSizes(*impl_->engine, instances, &sizes);
  if (!status.ok()) return impl_->ReadError("sizes of instances", status);
  return sizes;
}

std::map<std::string, double> RocksStore::Tickers() const {
  std::map<std::string, double> values;
  if (impl_->engine == nullptr) return values;
  const std::pair<const char*, rocksdb::Tickers> counters[] = {
      {"block_cache_hits_total", rocksdb::BLOCK_CACHE_HIT},
      {"block_cache_misses_total", rocksdb::BLOCK_CACHE_MISS},
      {"bloom_filter_useful_total", rocksdb::BLOOM_FILTER_USEFUL},
      {"memtable_hits_total", rocksdb::MEMTABLE_HIT},
      {"memtable_misses_total", rocksdb::MEMTABLE_MISS},
      {"written_bytes_total", rocksdb::BYTES_WRITTEN},
      {"read_bytes_total", rocksdb::NUMBER_MULTIGET_BYTES_READ},
      {"scan_read_bytes_total", rocksdb::ITER_BYTES_READ},
      {"wal_bytes_total", rocksdb::WAL_FILE_BYTES},
      {"wal_syncs_total", rocksdb::WAL_FILE_SYNCED},
      {"flush_written_bytes_total", rocksdb::FLUSH_WRITE_BYTES},
      {"compaction_read_bytes_total", rocksdb::COMPACT_READ_BYTES},
      {"compaction_written_bytes_total", rocksdb::COMPACT_WRITE_BYTES},
      {"stall_microseconds_total", rocksdb::STALL_MICROS},
      {"blob_written_bytes_total", rocksdb::BLOB_DB_BLOB_FILE_BYTES_WRITTEN},
      {"blob_read_bytes_total", rocksdb::BLOB_DB_BLOB_FILE_BYTES_READ},
  };
  for (const auto& [name, ticker] : counters) {
    values[name] = static_cast<double>(impl_->engine->statistics->getTickerCount(ticker));
  }
  const std::pair<const char*, const std::string&> gauges[] = {
      {"memtable_bytes", rocksdb::DB::Properties::kSizeAllMemTables},
      {"sst_bytes", rocksdb::DB::Properties::kLiveSstFilesSize},
      {"blob_bytes", rocksdb::DB::Properties::kLiveBlobFileSize},
      {"blob_garbage_bytes", rocksdb::DB::Properties::kLiveBlobFileGarbageSize},
      {"live_data_bytes", rocksdb::DB::Properties::kEstimateLiveDataSize},
      {"keys", rocksdb::DB::Properties::kEstimateNumKeys},
      {"pending_compaction_bytes", rocksdb::DB::Properties::kEstimatePendingCompactionBytes},
      {"write_stopped", rocksdb::DB::Properties::kIsWriteStopped},
      {"block_cache_used_bytes", rocksdb::DB::Properties::kBlockCacheUsage},
      {"block_cache_pinned_bytes", rocksdb::DB::Properties::kBlockCachePinnedUsage},
  };
  for (const auto& [name, property] : gauges) {
    uint64_t value = 0;
    (void)impl_->engine->db->GetIntProperty(impl_->engine->records, property, &value);
    values[name] = static_cast<double>(value);
  }
  return values;
}

}  // namespace ringkv
