// A store whose writes and lookups can be held up, so that a test decides what waits behind them.
// Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

#include "kvnode/store.h"

namespace ringkv {

class GatedStore final : public Store {
 public:
  explicit GatedStore(Store& inner) : inner_(inner) {}

  void Close() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Returns once a caller stands before the closed gate.
  void AwaitWaiting() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

  Status Write(const StoreBatch& batch, bool sync) override {
    Pass();
    return inner_.Write(batch, sync);
  }
  void MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) override {
    Pass();
    inner_.MultiGet(keys, out);
  }
  Result<ScanResult> Scan(SlotId slot, Incarnation inc, std::string_view after,
                          std::string_view prefix, const ScanLimits& limits) override {
    Pass();
    return inner_.Scan(slot, inc, after, prefix, limits);
  }
  Status DropInstance(SlotId slot, Incarnation inc) override {
    return inner_.DropInstance(slot, inc);
  }
  Result<std::string> GetMeta(std::string_view name) override { return inner_.GetMeta(name); }
  Result<std::vector<std::pair<std::string, std::string>>> ListMeta(
      std::string_view prefix) override {
    return inner_.ListMeta(prefix);
  }
  Status Sync() override { return inner_.Sync(); }
  StoreStats Stats() override { return inner_.Stats(); }
  Result<std::vector<uint64_t>> EstimateSizes(std::span<const InstanceName> instances) override {
    return inner_.EstimateSizes(instances);
  }

 private:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }

  Store& inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;  // guarded by mutex_
  int waiting_ = 0;   // guarded by mutex_
};

}  // namespace ringkv
