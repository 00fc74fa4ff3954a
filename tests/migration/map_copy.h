// A slot's copy in a map: the simplest thing that a sync can work on.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "migration/slot_copy.h"
#include "migration/version_proto.h"

namespace ringkv {

class MapCopy final : public PullTarget {
 public:
  std::map<std::string, v1::Record> records;
  Version w;
  Version f;
  bool unreadable = false;
  std::set<std::string> damaged;  // keys of records that cannot be read
  uint64_t bytes_taken = 0;
  Random leaves_out{11};  // what it may
  // What lower records have taken the place of, by key. A store that passes by what is old may find
  // these instead, where it is asked for what is above them.
  std::map<std::string, v1::Record> replaced;

  void Put(const std::string& key, Version version, const std::string& value) {
    v1::Record& record = records[key];
    record.Clear();
    ToProto(version, record.mutable_version());
    record.set_value(value);
  }
  void Delete(const std::string& key, Version version) {
    Put(key, version, "");
    records[key].set_tombstone(true);
  }
  Version At(const std::string& key) const {
    auto found = records.find(key);
    return found == records.end() ? Version{} : FromProto(found->second.version());
  }

  Version stable() const override { return w; }
  Version floor() const override { return f; }
  Result<std::optional<v1::Record>> Find(const std::string& key) override {
    if (damaged.count(key) != 0) return Status::Corruption("a record is damaged");
    auto found = records.find(key);
    if (found == records.end()) return std::optional<v1::Record>();
    return std::optional(found->second);
  }
  Result<CopyPage> Read(std::string_view after, const CopyLimits& limits) override {
    if (unreadable) return Status::Corruption("a record is damaged");
    CopyPage page;
    size_t bytes = 0;
    auto at = after.empty() ? records.begin() : records.upper_bound(std::string(after));
    for (; at != records.end(); ++at) {
      const bool old = limits.above != Version{} && At(at->first) <= limits.above;
      if (old && damaged.count(at->first) == 0 && leaves_out.Chance(0.7)) {
        auto before = replaced.find(at->first);
        const bool shows = before != replaced.end() &&
                           FromProto(before->second.version()) <= limits.above &&
                           leaves_out.Chance(0.7);
        if (!shows) continue;
        v1::SlotEntry& entry = page.entries.emplace_back();
        entry.set_key(at->first);
        *entry.mutable_record() = before->second;
        continue;
      }
      bytes += at->first.size() + (limits.values ? at->second.value().size() : 0);
      bool fits = page.entries.size() < limits.max_entries && bytes <= limits.max_bytes;
      if (!page.entries.empty() && !fits) return page;
      v1::SlotEntry& entry = page.entries.emplace_back();
      entry.set_key(at->first);
      if (damaged.count(at->first) != 0) {
        page.damaged.insert(at->first);
        continue;
      }
      *entry.mutable_record() = at->second;
      if (!limits.values) entry.mutable_record()->clear_value();
    }
    page.complete = true;
    return page;
  }
  Status TakeNewer(const std::vector<const v1::SlotEntry*>& entries) override {
    for (const v1::SlotEntry* entry : entries) {
      bytes_taken += entry->key().size() + entry->record().value().size();
      if (damaged.count(entry->key()) != 0) continue;
      if (At(entry->key()) < FromProto(entry->record().version()))
        records[entry->key()] = entry->record();
    }
    return Status::Ok();
  }
  Status Replace(const v1::SlotEntry& entry, Version unless_above) override {
    if (damaged.count(entry.key()) != 0) return Status::Ok();
    if (At(entry.key()) <= unless_above) records[entry.key()] = entry.record();
    return Status::Ok();
  }
  Status AdoptFloor(Version floor) override {
    f = floor;
    return Status::Ok();
  }
};

}  // namespace ringkv
