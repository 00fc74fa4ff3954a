// Bytes of what a node stores: the key under which a record lies, and the record itself
// (docs/record-format.md, byte by byte).
//
// The store key is slot (u32) | incarnation (u64) | key, big-endian, so that an instance is one
// contiguous range in bytewise order. A record carries two XXH3-64 checksums: one over its value,
// and one over its header *and its store key*, so that a whole record in the wrong place is found
// too. Decoders take hostile bytes: they answer kCorruption, which names slot and key, and never
// read past the end. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "kvnode/store.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

inline constexpr uint8_t kRecordFormat = 1;
inline constexpr size_t kStoreKeyPrefixBytes = 12;

// ---- store keys

std::string EncodeStoreKey(const RecordKey& key);
void AppendStoreKey(const RecordKey& key, std::string* out);

// What all store keys of an instance start with.
std::string InstancePrefix(SlotId slot, Incarnation inc);

// A bound above every store key that starts with `prefix`, and not above any other such range.
std::string EndOfPrefix(std::string prefix);

// The parts of a store key; `key` points into `store_key`. kCorruption if it is too short.
Result<RecordKey> DecodeStoreKey(std::string_view store_key);

// "slot 7 inc 3 key "abc"", for messages; any bytes will do.
std::string DescribeStoreKey(std::string_view store_key);

// ---- records

// Everything of a stored record but its value, which follows it as it is.
std::string EncodeRecordHeader(std::string_view store_key, const v1::Record& record);

// Header and value.
std::string EncodeRecord(std::string_view store_key, const v1::Record& record);

enum class ValueBytes { kCopy, kLeaveOut };

// Fills `record`, once both checksums have been verified (also with kLeaveOut). `record` is cleared
// on error.
Status DecodeRecord(std::string_view store_key, std::string_view bytes, ValueBytes value,
                    v1::Record* record);

// The version alone. Verifies the header's checksum, hence place and version, but does not look at
// the value: its cost does not depend on the value's size.
Result<Version> DecodeVersion(std::string_view store_key, std::string_view bytes);

}  // namespace ringkv
