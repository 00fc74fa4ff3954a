// What whole copies of a slot are compared by (docs/protocol.md, "Check"): the XXH3-128 of a key
// and all that its record holds, value included; of a range of keys the sum. Unlike the digests of
// a sync (range_digest.h) these find two records of one version that are not the same. Values;
// thread-compatible.
#pragma once

#include <cstdint>
#include <string_view>

#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

struct RecordDigest {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const RecordDigest&) const = default;
};

// The record's value is taken out while its other fields are read, and put back.
RecordDigest DigestOf(std::string_view key, v1::Record* record);

struct DigestSum {
  uint64_t records = 0;
  uint64_t low = 0;
  uint64_t high = 0;

  void Add(const RecordDigest& digest) {
    ++records;
    low += digest.low;
    high += digest.high;
  }
  void Add(const DigestSum& other) {
    records += other.records;
    low += other.low;
    high += other.high;
  }
  bool operator==(const DigestSum&) const = default;
};

}  // namespace ringkv
