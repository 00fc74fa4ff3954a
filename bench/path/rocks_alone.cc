#include "bench/path/rocks_alone.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "bench/path/process_cpu.h"

namespace ringkv::bench {
namespace {

// As large as a node's. Nothing else is set that a node sets: a filter, and the log.
rocksdb::Options DatabaseOptions() {
  const RocksOptions node;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(node.block_cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = node.memtable_bytes / 4;
  options.max_write_buffer_number = 4;
  options.max_background_jobs = static_cast<int>(node.max_background_jobs);
  options.compression = rocksdb::kLZ4Compression;
  options.max_open_files = static_cast<int>(node.max_open_files);
  if (node.blob_min_bytes > 0) {
    options.enable_blob_files = true;
    options.min_blob_size = node.blob_min_bytes;
  }
  return options;
}

Status FromRocks(const rocksdb::Status& status) {
  return status.ok() ? Status::Ok() : Status::IoError("RocksDB: " + status.ToString());
}

}  // namespace

RocksAlone::RocksAlone(Durability durability, KeySpace space)
    : durability_(durability), space_(space) {
  Random random(4711);
  bytes_.resize(space.value_bytes + (1 << 20));
  for (char& c : bytes_) c = static_cast<char>(random.Below(256));
}

RocksAlone::~RocksAlone() = default;

Result<std::unique_ptr<RocksAlone>> RocksAlone::Open(const std::string& directory,
                                                     Durability durability, KeySpace space) {
  std::unique_ptr<RocksAlone> alone(new RocksAlone(durability, space));
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return Status::IoError("cannot make " + directory + ": " + failed.message());
  for (int i = 0; i < kInstances; ++i) {
    rocksdb::DB* database = nullptr;
    RINGKV_RETURN_IF_ERROR(FromRocks(
        rocksdb::DB::Open(DatabaseOptions(), directory + "/" + std::to_string(i), &database)));
    alone->databases_.emplace_back(database);
  }
  RINGKV_RETURN_IF_ERROR(alone->Fill());
  return alone;
}

Status RocksAlone::Fill() {
  for (auto& database : databases_) {
    for (uint64_t number = 0; number < space_.keys;) {
      rocksdb::WriteBatch batch;
      for (size_t i = 0; i < kBatch && number < space_.keys; ++i, ++number) {
        batch.Put(PathKey(number), rocksdb::Slice(bytes_.data(), space_.value_bytes));
      }
      RINGKV_RETURN_IF_ERROR(FromRocks(database->Write({}, &batch)));
    }
  }
  return Status::Ok();
}

Result<LoadFigures> RocksAlone::Put(double seconds) { return Run(What::kPut, seconds); }
Result<LoadFigures> RocksAlone::Get(double seconds) { return Run(What::kGet, seconds); }

Result<LoadFigures> RocksAlone::Run(What what, double seconds) {
  std::vector<std::thread> threads;
  std::array<Result<uint64_t>, kInstances> done = {uint64_t{0}, uint64_t{0}, uint64_t{0}};
  std::atomic<bool> over{false};
  const double cpu_before = CpuSecondsOfThisProcess();
  const MonoTime start = RealClock().Now();
  for (size_t i = 0; i < databases_.size(); ++i) {
    threads.emplace_back([&, i] { done[i] = RunOne(i, what, seconds); });
  }
  std::thread syncing;
  if (durability_ == Durability::kPeriodic) {
    syncing = std::thread([&] {
      while (!over) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        for (auto& database : databases_) (void)database->SyncWAL();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  over = true;
  if (syncing.joinable()) syncing.join();
  LoadFigures figures;
  figures.seconds = static_cast<double>((RealClock().Now() - start).count()) / 1e9;
  for (const auto& one : done) {
    if (!one.ok()) return one.status();
    figures.operations += *one;
  }
  if (what == What::kPut) figures.operations /= kInstances;
  figures.cpu_us["rocksdb"] = (CpuSecondsOfThisProcess() - cpu_before) * 1e6 /
                              static_cast<double>(std::max<uint64_t>(figures.operations, 1));
  return figures;
}

Result<uint64_t> RocksAlone::RunOne(size_t instance, What what, double seconds) {
  const RealClock clock;
  const MonoTime end = clock.Now() + Duration(static_cast<int64_t>(seconds * 1e9));
  rocksdb::DB& database = *databases_[instance];
  Random random(instance + 1);
  rocksdb::WriteOptions write;
  write.sync = durability_ == Durability::kSync;
  std::vector<std::string> names(kBatch);
  std::vector<rocksdb::Slice> keys(kBatch);
  std::vector<rocksdb::PinnableSlice> values(kBatch);
  std::vector<rocksdb::Status> statuses(kBatch);
  uint64_t operations = 0;
  while (clock.Now() < end) {
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < kBatch; ++i) {
      names[i] = PathKey(random.Below(space_.keys));
      keys[i] = names[i];
      if (what == What::kPut) {
        batch.Put(keys[i], rocksdb::Slice(&bytes_[random.Below(1 << 20)], space_.value_bytes));
      }
    }
    if (what == What::kPut) {
      RINGKV_RETURN_IF_ERROR(FromRocks(database.Write(write, &batch)));
    } else {
      database.MultiGet({}, database.DefaultColumnFamily(), kBatch, keys.data(), values.data(),
                        statuses.data());
      for (size_t i = 0; i < kBatch; ++i) {
        RINGKV_RETURN_IF_ERROR(FromRocks(statuses[i]));
        values[i].Reset();
      }
    }
    operations += kBatch;
  }
  return operations;
}

}  // namespace ringkv::bench
