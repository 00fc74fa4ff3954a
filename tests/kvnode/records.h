// Shorthand of the store's tests: records, random bytes, and calls of a store for one key.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/random.h"
#include "kvnode/store.h"

namespace ringkv {

inline v1::Record MakeRecord(uint64_t seq, std::string value) {
  v1::Record record;
  record.mutable_version()->set_term(1);
  record.mutable_version()->set_seq(seq);
  record.set_value(std::move(value));
  return record;
}

inline std::string RandomBytes(Random& random, size_t size) {
  std::string bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const uint64_t bits = random.Next();
    bytes.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  bytes.resize(size);
  return bytes;
}

inline RecordKey Key(std::string_view key, uint32_t slot = 7, uint64_t inc = 3) {
  return {SlotId(slot), Incarnation(inc), key};
}

inline void PutOne(Store& store, const RecordKey& key, const v1::Record& record,
                   bool sync = false) {
  StoreBatch batch;
  batch.PutRecord(key, record);
  const Status status = store.Write(batch, sync);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

inline void PutValue(Store& store, const RecordKey& key, std::string value, bool sync = false) {
  PutOne(store, key, MakeRecord(1, std::move(value)), sync);
}

inline RecordLookup GetOne(Store& store, const RecordKey& key) {
  RecordLookup lookup;
  store.MultiGet(std::span(&key, 1), std::span(&lookup, 1));
  return lookup;
}

// The value, "(absent)", or the error's code.
inline std::string ValueOf(Store& store, const RecordKey& key) {
  const RecordLookup lookup = GetOne(store, key);
  if (!lookup.status.ok()) return std::string(StatusCodeName(lookup.status.code()));
  return lookup.found ? lookup.record.value() : "(absent)";
}

}  // namespace ringkv
