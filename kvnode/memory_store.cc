#include "kvnode/memory_store.h"

#include <algorithm>

#include "kvnode/record_codec.h"
#include "kvnode/store_rules.h"
#include "migration/version_proto.h"

namespace ringkv {
namespace {

Status DiskFailed() { return Status::IoError("the simulated disk failed"); }

}  // namespace

Status MemoryStore::Refusal() const {
  return refusing_ || disk_ == DiskState::kFails ? DiskFailed() : Status::Ok();
}

void MemoryStore::Set(Map& map, std::string key, std::optional<std::string> value,
                      UndoBatch* undo) {
  auto it = map.lower_bound(key);
  const bool present = it != map.end() && it->first == key;
  if (!present && !value.has_value()) return;
  if (&map == &records_) {
    if (present) record_bytes_ -= key.size() + it->second.size();
    if (value.has_value()) record_bytes_ += key.size() + value->size();
  }
  std::optional<std::string> old_value;
  if (present) old_value = std::move(it->second);
  if (!value.has_value()) {
    map.erase(it);
  } else if (present) {
    it->second = *std::move(value);
  } else {
    map.emplace_hint(it, key, *std::move(value));
  }
  if (undo != nullptr) undo->push_back({&map, std::move(key), std::move(old_value)});
}

void MemoryStore::Apply(const StoreBatch& batch) {
  UndoBatch undo;
  undo.reserve(batch.puts().size() + batch.metas().size());
  for (const StoreBatch::Put& put : batch.puts()) {
    std::string key = EncodeStoreKey(put.key);
    std::optional<std::string> value;
    if (put.record != nullptr) value = EncodeRecord(key, *put.record);
    Set(records_, std::move(key), std::move(value), &undo);
  }
  for (const StoreBatch::Meta& meta : batch.metas()) {
    std::optional<std::string> value;
    if (!meta.erase) value = meta.value;
    Set(metas_, meta.name, std::move(value), &undo);
  }
  unsynced_.push_back(std::move(undo));
}

Status MemoryStore::Write(const StoreBatch& batch, bool sync) {
  RINGKV_RETURN_IF_ERROR(CheckBatch(batch));
  std::lock_guard lock(mutex_);
  if (Status refusal = Refusal(); !refusal.ok()) {
    refusing_ = true;
    return refusal;
  }
  if (!batch.empty()) Apply(batch);
  if (disk_ == DiskState::kFailsAfterNextWrite) {
    disk_ = DiskState::kFails;
    refusing_ = true;
    return DiskFailed();
  }
  if (sync) unsynced_.clear();
  return Status::Ok();
}

void MemoryStore::MultiGet(std::span<const RecordKey> keys, std::span<RecordLookup> out) {
  RINGKV_CHECK(keys.size() == out.size(), "one answer for each key");
  std::lock_guard lock(mutex_);
  const Status refusal = Refusal();
  std::string store_key;
  for (size_t i = 0; i < keys.size(); ++i) {
    out[i].found = false;
    out[i].status = refusal;
    if (!refusal.ok()) continue;
    store_key.clear();
    AppendStoreKey(keys[i], &store_key);
    const auto it = records_.find(store_key);
    if (it == records_.end()) continue;
    out[i].status = DecodeRecord(store_key, it->second, ValueBytes::kCopy, &out[i].record);
    out[i].found = out[i].status.ok();
  }
}

Result<ScanResult> MemoryStore::Scan(SlotId slot, Incarnation inc, std::string_view after,
                                     std::string_view prefix, const ScanLimits& limits) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  const std::string first = EncodeStoreKey({slot, inc, prefix});
  const std::string above = EncodeStoreKey({slot, inc, after});
  auto it =
      !after.empty() && above >= first ? records_.upper_bound(above) : records_.lower_bound(first);
  ScanPage page(limits);
  ScanResult result;
  for (; it != records_.end() && it->first.starts_with(first); ++it) {
    v1::Record record;
    const Status read =
        DecodeRecord(it->first, it->second,
                     limits.keys_only ? ValueBytes::kLeaveOut : ValueBytes::kCopy, &record);
    if (!read.ok() && !limits.past_damage) return read;
    const bool old =
        read.ok() && limits.above != Version{} && FromProto(record.version()) <= limits.above;
    if (old) continue;
    std::string key = it->first.substr(kStoreKeyPrefixBytes);
    if (!page.Take(key.size() + record.value().size(), it->second.size())) return result;
    result.Add(std::move(key), std::move(record), read);
  }
  result.complete = true;
  return result;
}

Status MemoryStore::DropInstance(SlotId slot, Incarnation inc) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  const std::string prefix = InstancePrefix(slot, inc);
  UndoBatch undo;
  for (auto it = records_.lower_bound(prefix);
       it != records_.end() && it->first.starts_with(prefix);) {
    std::string key = (it++)->first;
    Set(records_, std::move(key), std::nullopt, &undo);
  }
  if (!undo.empty()) unsynced_.push_back(std::move(undo));
  return Status::Ok();
}

Result<std::string> MemoryStore::GetMeta(std::string_view name) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  const auto it = metas_.find(name);
  if (it == metas_.end()) return Status::NotFound("no meta entry " + std::string(name));
  return it->second;
}

Result<std::vector<std::pair<std::string, std::string>>> MemoryStore::ListMeta(
    std::string_view prefix) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  std::vector<std::pair<std::string, std::string>> found;
  for (auto it = metas_.lower_bound(prefix); it != metas_.end() && it->first.starts_with(prefix);
       ++it) {
    found.emplace_back(it->first, it->second);
  }
  return found;
}

Status MemoryStore::Sync() {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  unsynced_.clear();
  return Status::Ok();
}

StoreStats MemoryStore::Stats() {
  std::lock_guard lock(mutex_);
  return {.bytes = record_bytes_, .keys = records_.size(), .disk_free_bytes = std::nullopt};
}

// Exact.
Result<std::vector<uint64_t>> MemoryStore::EstimateSizes(std::span<const InstanceName> instances) {
  std::lock_guard lock(mutex_);
  RINGKV_RETURN_IF_ERROR(Refusal());
  std::vector<uint64_t> sizes;
  for (const InstanceName& instance : instances) {
    const std::string prefix = InstancePrefix(instance.slot, instance.inc);
    uint64_t& size = sizes.emplace_back(0);
    for (auto it = records_.lower_bound(prefix);
         it != records_.end() && it->first.starts_with(prefix); ++it) {
      size += it->first.size() + it->second.size();
    }
  }
  return sizes;
}

void MemoryStore::Crash() {
  std::lock_guard lock(mutex_);
  refusing_ = false;
}

void MemoryStore::CrashLosingUnsynced(size_t batches_to_keep_of_the_unsynced_tail) {
  std::lock_guard lock(mutex_);
  while (unsynced_.size() > batches_to_keep_of_the_unsynced_tail) {
    UndoBatch& newest = unsynced_.back();
    for (auto undo = newest.rbegin(); undo != newest.rend(); ++undo) {
      Set(*undo->map, std::move(undo->key), std::move(undo->old_value), nullptr);
    }
    unsynced_.pop_back();
  }
  unsynced_.clear();
  refusing_ = false;
}

size_t MemoryStore::unsynced_batches() const {
  std::lock_guard lock(mutex_);
  return unsynced_.size();
}

void MemoryStore::SetDiskError(bool failing) {
  std::lock_guard lock(mutex_);
  disk_ = failing ? DiskState::kFails : DiskState::kWorks;
  if (failing) refusing_ = true;
}

void MemoryStore::SetDiskErrorAfterNextWrite() {
  std::lock_guard lock(mutex_);
  disk_ = DiskState::kFailsAfterNextWrite;
}

bool MemoryStore::CorruptRecord(const RecordKey& key) {
  std::lock_guard lock(mutex_);
  const auto it = records_.find(EncodeStoreKey(key));
  if (it == records_.end()) return false;
  v1::Record record;
  const bool sound = DecodeRecord(it->first, it->second, ValueBytes::kLeaveOut, &record).ok();
  if (sound) it->second.back() ^= 1;  // a second flip would heal it
  return true;
}

std::shared_ptr<const MemoryStore::Image> MemoryStore::Snapshot() const {
  auto image = std::make_shared<Image>();
  std::lock_guard lock(mutex_);
  image->records_ = records_;
  image->metas_ = metas_;
  return image;
}

void MemoryStore::Replace(Map records, Map metas) {
  std::lock_guard lock(mutex_);
  records_ = std::move(records);
  metas_ = std::move(metas);
  record_bytes_ = 0;
  for (const auto& [key, value] : records_) record_bytes_ += key.size() + value.size();
  unsynced_.clear();
}

void MemoryStore::Restore(const Image& image) { Replace(image.records_, image.metas_); }

void MemoryStore::Wipe() { Replace({}, {}); }

}  // namespace ringkv
