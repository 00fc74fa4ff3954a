// DecodeRecord and its kin against what a disk may hold: they never crash, what is taken has one
// encoding, and the version alone is that of the whole.
//
// Input: a byte that says how long the store key is, the store key, the record. It is tried as it
// is, and with the right checksums: what is behind them is what matters.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "kvnode/record_codec.h"

namespace {

void Put(uint64_t checksum, std::string* bytes, size_t at) {
  for (size_t i = 0; i < 8; ++i) (*bytes)[at + i] = static_cast<char>(checksum >> (8 * i));
}

// docs/record-format.md: format, flags, version, then what the flags say, then the checksum.
std::string Resealed(std::string_view store_key, std::string bytes) {
  if (bytes.size() < 2) return bytes;
  const auto flags = static_cast<unsigned char>(bytes[1]);
  const bool origin = (flags & 16) != 0, expires = (flags & 2) != 0, request = (flags & 4) != 0;
  const bool value = (flags & 8) != 0;
  const size_t value_sum = 14 + (origin ? 12 : 0) + (expires ? 8 : 0) + (request ? 16 : 0);
  const size_t header_sum = value_sum + (value ? 8 : 0);
  if (bytes.size() < header_sum + 8) return bytes;
  if (value) {
    const std::string_view rest = std::string_view(bytes).substr(header_sum + 8);
    Put(XXH3_64bits(rest.data(), rest.size()), &bytes, value_sum);
  }
  Put(XXH3_64bits_withSeed(bytes.data(), header_sum,
                           XXH3_64bits(store_key.data(), store_key.size())),
      &bytes, header_sum);
  return bytes;
}

void Try(std::string_view store_key, const std::string& bytes) {
  using ringkv::ValueBytes;
  ringkv::v1::Record record, without;
  const ringkv::Status whole = DecodeRecord(store_key, bytes, ValueBytes::kCopy, &record);
  const ringkv::Status head = DecodeRecord(store_key, bytes, ValueBytes::kLeaveOut, &without);
  const ringkv::Result<ringkv::Version> version = ringkv::DecodeVersion(store_key, bytes);
  RINGKV_CHECK(whole.code() == head.code(), "both look at everything");
  if (!whole.ok()) {
    RINGKV_CHECK(whole.code() == ringkv::StatusCode::kCorruption, "it is damage");
    return;
  }
  RINGKV_CHECK(version.ok() && version->term.value() == record.version().term() &&
                   version->seq == record.version().seq(),
               "the version is the record's");
  const std::string again = ringkv::EncodeRecord(store_key, record);
  ringkv::v1::Record same;
  RINGKV_CHECK(DecodeRecord(store_key, again, ValueBytes::kCopy, &same).ok() &&
                   same.SerializeAsString() == record.SerializeAsString(),
               "what is written again is the same record");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view store_key = bytes.substr(0, std::min<size_t>(data[0], bytes.size()));
  const std::string record(bytes.substr(store_key.size()));
  (void)ringkv::DescribeStoreKey(store_key);
  if (const auto key = ringkv::DecodeStoreKey(store_key); key.ok()) {
    RINGKV_CHECK(ringkv::EncodeStoreKey(*key) == store_key, "a store key has one encoding");
  }
  RINGKV_CHECK(ringkv::EndOfPrefix(std::string(store_key)) > store_key, "a bound is above");
  Try(store_key, record);
  Try(store_key, Resealed(store_key, record));
  return 0;
}
