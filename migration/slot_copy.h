// One slot's copy on this node, as the two ends of a sync see it (docs/protocol.md, "Sync"). The
// node implements it over its store. Thread-compatible: its owner's thread.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

struct CopyPage {
  std::vector<v1::SlotEntry> entries;  // in key order, tombstones too
  std::set<std::string> damaged;  // keys of entries that cannot be read: they hold nothing else
  bool complete = false;          // nothing comes after the last entry
};

struct CopyLimits {
  size_t max_entries = 2048;
  size_t max_bytes = 1 << 20;  // of keys and values; the first entry comes in any case
  bool values = false;         // records come with their values
  Version above;               // records at or below it may be left out
};

class SlotCopy {
 public:
  virtual ~SlotCopy() = default;
  virtual Version stable() const = 0;  // W
  virtual Version floor() const = 0;
  // Records with keys above `after`. Errors: kCorruption, where not even the keys can be told;
  // kIoError.
  virtual Result<CopyPage> Read(std::string_view after, const CopyLimits& limits) = 0;
  // What is there of the key, with its value; nothing if nothing is. Errors: kCorruption: it cannot
  // be read; kIoError.
  virtual Result<std::optional<v1::Record>> Find(const std::string& key) = 0;
};

// The copy that a pull fills.
class PullTarget : public SlotCopy {
 public:
  // Writes each record whose version is above the one that is there; an absent key has none, also
  // below the floor.
  virtual Status TakeNewer(const std::vector<const v1::SlotEntry*>& entries) = 0;
  // Puts the record in place of what is there, whatever its version, unless what is there is above
  // `unless_above`.
  virtual Status Replace(const v1::SlotEntry& entry, Version unless_above) = 0;
  // Synced.
  virtual Status AdoptFloor(Version floor) = 0;
};

}  // namespace ringkv
