// What two copies of a range of keys are compared by: number and sum of the XXH3-128 of each (key,
// version). Two records of one version of one key are the same record, so that values need not be
// hashed. Values; thread-compatible.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

struct RangeDigest {
  uint32_t records = 0;
  uint64_t low = 0;
  uint64_t high = 0;

  void Add(std::string_view key, Version version);
  bool operator==(const RangeDigest&) const = default;
};

RangeDigest DigestOf(const v1::SyncRange& range);
void ToProto(const RangeDigest& digest, v1::SyncRange* range);

// Whether a record takes part in a comparison above `above`, at an instance with this floor: there,
// an absent key reads as a tombstone at the floor, so that one at or below it is the same as
// nothing.
bool Counts(const v1::Record& record, Version above, Version floor);

// The version above which two copies are compared: what is at or below it, both have. Nothing is
// left out where W is below a floor of either: tombstones may be gone there.
Version CompareAbove(Version stable, Version other_stable, Version floor, Version other_floor);

}  // namespace ringkv
