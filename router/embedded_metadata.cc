#include "router/embedded_metadata.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <vector>

#include "base/check.h"

namespace ringkv {
namespace {

// Names of the cluster's own start with this; the format's name lies outside, where List cannot see
// it.
constexpr char kUserPrefix = 'm';
constexpr char kFormatName[] = "format";
constexpr char kFormatValue[] = "ringkv-metadata-1";

std::string UserName(const std::string& name) { return kUserPrefix + name; }

Status FromRocks(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return Status::Ok();
  std::string text = std::string(doing) + ": " + status.ToString();
  if (status.IsCorruption()) return Status::Corruption(std::move(text));
  return Status::IoError(std::move(text));
}

rocksdb::Options StoreOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.write_buffer_size = 4 << 20;
  options.max_background_jobs = 2;
  options.max_open_files = 64;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 1 << 20;
  // Every acknowledged write is synced, so only an unacknowledged one can be torn at the end of the
  // log; damage before that is an error, not something to skip.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  return options;
}

}  // namespace

EmbeddedMetadata::EmbeddedMetadata(DataDirLock lock, std::unique_ptr<rocksdb::DB> db)
    : lock_(std::move(lock)), db_(std::move(db)) {}

EmbeddedMetadata::~EmbeddedMetadata() {
  if (db_ != nullptr) (void)db_->Close();
}

Result<std::unique_ptr<EmbeddedMetadata>> EmbeddedMetadata::Open(const std::string& data_dir) {
  RINGKV_RETURN_IF_ERROR(CheckDataDirUse(data_dir, DataDirUse::kRouter));
  Result<DataDirLock> lock = DataDirLock::Acquire(data_dir);
  if (!lock.ok()) return lock.status();
  const std::string path = data_dir + "/metadata";
  rocksdb::DB* raw = nullptr;
  rocksdb::Status opened = rocksdb::DB::Open(StoreOptions(), path, &raw);
  if (!opened.ok()) return FromRocks(opened, "cannot open the metadata in " + path);
  std::unique_ptr<EmbeddedMetadata> store(
      new EmbeddedMetadata(std::move(lock).value(), std::unique_ptr<rocksdb::DB>(raw)));
  RINGKV_RETURN_IF_ERROR(store->CheckFormat().Annotate(path));
  return store;
}

Status EmbeddedMetadata::CheckFormat() {
  std::string value;
  rocksdb::Status got = db_->Get({}, kFormatName, &value);
  if (got.ok()) {
    if (value == kFormatValue) return Status::Ok();
    return Status::Refused("has format `" + value + "`; this program reads `" + kFormatValue + "`");
  }
  if (!got.IsNotFound()) return FromRocks(got, "reading the format");
  std::unique_ptr<rocksdb::Iterator> any(db_->NewIterator({}));
  any->SeekToFirst();
  if (any->Valid()) return Status::Refused("is a RocksDB of something else: it has no format");
  RINGKV_RETURN_IF_ERROR(FromRocks(any->status(), "looking for content"));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return FromRocks(db_->Put(synced, kFormatName, kFormatValue), "writing the format");
}

void EmbeddedMetadata::Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) {
  done(DoCommit(txn));
}

Result<bool> EmbeddedMetadata::DoCommit(const MetadataTxn& txn) {
  if (!broken_.ok()) return broken_;
  for (const auto& [name, expected] : txn.expect) {
    std::string value;
    rocksdb::Status got = db_->Get({}, UserName(name), &value);
    if (!got.ok() && !got.IsNotFound()) return FromRocks(got, "reading metadata `" + name + "`");
    const bool holds =
        got.ok() ? expected.has_value() && *expected == value : !expected.has_value();
    if (!holds) return false;
  }
  rocksdb::WriteBatch batch;
  for (const auto& [name, value] : txn.puts) (void)batch.Put(UserName(name), value);
  for (const std::string& name : txn.erases) (void)batch.Delete(UserName(name));
  if (batch.Count() == 0) return true;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (Status wrote = FromRocks(db_->Write(synced, &batch), "writing metadata"); !wrote.ok()) {
    broken_ = Status::Unavailable("the metadata's disk failed: " + wrote.message());
    return Status::UnknownOutcome(wrote.message());
  }
  return true;
}

void EmbeddedMetadata::List(std::string prefix, std::function<void(Result<Entries>)> done) {
  done(DoList(prefix));
}

Result<MetadataStore::Entries> EmbeddedMetadata::DoList(const std::string& prefix) const {
  if (!broken_.ok()) return broken_;
  const std::string from = UserName(prefix);
  Entries entries;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
  for (it->Seek(from); it->Valid() && it->key().starts_with(from); it->Next()) {
    entries.emplace_back(it->key().ToString().substr(1), it->value().ToString());
  }
  RINGKV_RETURN_IF_ERROR(FromRocks(it->status(), "listing metadata"));
  return entries;
}

EmbeddedMetadata::Stats EmbeddedMetadata::ReadStats() const {
  Stats stats;
  (void)db_->GetIntProperty(rocksdb::DB::Properties::kEstimateNumKeys, &stats.keys);
  (void)db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &stats.disk_bytes);
  (void)db_->GetIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &stats.memory_bytes);
  return stats;
}

}  // namespace ringkv
