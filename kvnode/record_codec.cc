#include "kvnode/record_codec.h"

#include <xxhash.h>

#include "base/hex.h"
#include "base/limits.h"

namespace ringkv {
namespace {

enum Flag : uint8_t {
  kTombstone = 1 << 0,
  kExpires = 1 << 1,
  kRequestId = 1 << 2,
  kValue = 1 << 3,
  kOrigin = 1 << 4,
};
constexpr uint8_t kKnownFlags = kTombstone | kExpires | kRequestId | kValue | kOrigin;

constexpr size_t kFixedBytes = 1 + 1 + 4 + 8;  // format, flags, term, seq
constexpr size_t kChecksumBytes = 8;

template <class T>
void AppendLittleEndian(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

template <class T>
void AppendBigEndian(T value, std::string* out) {
  for (size_t i = sizeof(T); i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

template <class T>
T BigEndian(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// Takes fields from the front. The caller has made sure that they are there.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T Take() {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes_[i])) << (8 * i));
    }
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

 private:
  std::string_view bytes_;
};

uint64_t ValueChecksum(std::string_view value) { return XXH3_64bits(value.data(), value.size()); }

// The store key goes in as the seed: one pass over each, and no copy that joins them.
uint64_t HeaderChecksum(std::string_view store_key, std::string_view header) {
  return XXH3_64bits_withSeed(header.data(), header.size(),
                              XXH3_64bits(store_key.data(), store_key.size()));
}

size_t HeaderBytes(uint8_t flags) {
  return kFixedBytes + ((flags & kExpires) ? 8 : 0) + ((flags & kRequestId) ? 16 : 0) +
         ((flags & kValue) ? 8 : 0) + ((flags & kOrigin) ? 12 : 0) + kChecksumBytes;
}

Status Corrupt(std::string_view store_key, std::string_view what) {
  return Status::Corruption("record of " + DescribeStoreKey(store_key) + ": " + std::string(what));
}

struct Header {
  uint8_t flags = 0;
  size_t bytes = 0;  // with the checksum
};

// Everything about the header that can be wrong, its place included.
Result<Header> CheckHeader(std::string_view store_key, std::string_view bytes) {
  if (bytes.empty()) return Corrupt(store_key, "is empty");
  const uint8_t format = static_cast<uint8_t>(bytes[0]);
  if (format != kRecordFormat) {
    return Corrupt(store_key, "has format " + std::to_string(format) + " and this program knows " +
                                  std::to_string(kRecordFormat) +
                                  ": it was written by a newer ringkv, or is damaged");
  }
  if (bytes.size() < 2) return Corrupt(store_key, "is cut short");
  Header header{static_cast<uint8_t>(bytes[1]), 0};
  if ((header.flags & ~kKnownFlags) != 0) return Corrupt(store_key, "has unknown flags");
  header.bytes = HeaderBytes(header.flags);
  if (bytes.size() < header.bytes) return Corrupt(store_key, "is cut short");
  const std::string_view checked = bytes.substr(0, header.bytes - kChecksumBytes);
  FieldReader stored(bytes.substr(checked.size(), kChecksumBytes));
  if (stored.Take<uint64_t>() != HeaderChecksum(store_key, checked)) {
    return Corrupt(store_key, "header does not match its checksum");
  }
  return header;
}

}  // namespace

void AppendStoreKey(const RecordKey& key, std::string* out) {
  AppendBigEndian(key.slot.value(), out);
  AppendBigEndian(key.inc.value(), out);
  out->append(key.key);
}

std::string EncodeStoreKey(const RecordKey& key) {
  std::string out;
  out.reserve(kStoreKeyPrefixBytes + key.key.size());
  AppendStoreKey(key, &out);
  return out;
}

std::string InstancePrefix(SlotId slot, Incarnation inc) { return EncodeStoreKey({slot, inc, {}}); }

std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  // Nothing but 0xff has no successor of its length; longer than any key is above all of them.
  if (prefix.empty()) return std::string(kStoreKeyPrefixBytes + kMaxKeyBytes + 1, '\xff');
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Result<RecordKey> DecodeStoreKey(std::string_view store_key) {
  if (store_key.size() < kStoreKeyPrefixBytes) {
    return Status::Corruption("a store key of " + std::to_string(store_key.size()) +
                              " bytes is too short: \"" + Printable(store_key) + "\"");
  }
  return RecordKey{SlotId(BigEndian<uint32_t>(store_key)),
                   Incarnation(BigEndian<uint64_t>(store_key.substr(4))),
                   store_key.substr(kStoreKeyPrefixBytes)};
}

std::string DescribeStoreKey(std::string_view store_key) {
  const Result<RecordKey> key = DecodeStoreKey(store_key);
  if (!key.ok()) return key.status().message();
  return "slot " + std::to_string(key->slot.value()) + " inc " + std::to_string(key->inc.value()) +
         " key \"" + Printable(key->key) + "\"";
}

std::string EncodeRecordHeader(std::string_view store_key, const v1::Record& record) {
  const bool has_request = record.request_id().client() != 0 || record.request_id().number() != 0;
  const uint8_t flags = (record.tombstone() ? kTombstone : 0) |
                        (record.expires_at_ms() != 0 ? kExpires : 0) |
                        (has_request ? kRequestId : 0) | (!record.value().empty() ? kValue : 0) |
                        (record.has_origin() ? kOrigin : 0);
  std::string out;
  out.reserve(HeaderBytes(flags));
  out.push_back(static_cast<char>(kRecordFormat));
  out.push_back(static_cast<char>(flags));
  AppendLittleEndian<uint32_t>(record.version().term(), &out);
  AppendLittleEndian<uint64_t>(record.version().seq(), &out);
  if (flags & kOrigin) {
    AppendLittleEndian<uint32_t>(record.origin().term(), &out);
    AppendLittleEndian<uint64_t>(record.origin().seq(), &out);
  }
  if (flags & kExpires) AppendLittleEndian<uint64_t>(record.expires_at_ms(), &out);
  if (flags & kRequestId) {
    AppendLittleEndian<uint64_t>(record.request_id().client(), &out);
    AppendLittleEndian<uint64_t>(record.request_id().number(), &out);
  }
  if (flags & kValue) AppendLittleEndian<uint64_t>(ValueChecksum(record.value()), &out);
  AppendLittleEndian<uint64_t>(HeaderChecksum(store_key, out), &out);
  return out;
}

std::string EncodeRecord(std::string_view store_key, const v1::Record& record) {
  std::string out = EncodeRecordHeader(store_key, record);
  out += record.value();
  return out;
}

Status DecodeRecord(std::string_view store_key, std::string_view bytes, ValueBytes value_bytes,
                    v1::Record* record) {
  record->Clear();
  const Result<Header> header = CheckHeader(store_key, bytes);
  if (!header.ok()) return header.status();
  const uint8_t flags = header->flags;
  const std::string_view value = bytes.substr(header->bytes);

  FieldReader fields(bytes.substr(2));
  const uint32_t term = fields.Take<uint32_t>();
  const uint64_t seq = fields.Take<uint64_t>();
  const uint32_t origin_term = (flags & kOrigin) ? fields.Take<uint32_t>() : 0;
  const uint64_t origin_seq = (flags & kOrigin) ? fields.Take<uint64_t>() : 0;
  const uint64_t expires_at_ms = (flags & kExpires) ? fields.Take<uint64_t>() : 0;
  const uint64_t client = (flags & kRequestId) ? fields.Take<uint64_t>() : 0;
  const uint64_t number = (flags & kRequestId) ? fields.Take<uint64_t>() : 0;
  const bool value_fits = (flags & kValue)
                              ? fields.Take<uint64_t>() == ValueChecksum(value) && !value.empty()
                              : value.empty();
  if (!value_fits) return Corrupt(store_key, "value does not match its checksum");
  // What is not there has no flag: a record has one encoding.
  if (((flags & kExpires) && expires_at_ms == 0) ||
      ((flags & kRequestId) && client == 0 && number == 0)) {
    return Corrupt(store_key, "has a flag for a field that is zero");
  }

  record->mutable_version()->set_term(term);
  record->mutable_version()->set_seq(seq);
  if (flags & kOrigin) {
    record->mutable_origin()->set_term(origin_term);
    record->mutable_origin()->set_seq(origin_seq);
  }
  record->set_tombstone((flags & kTombstone) != 0);
  record->set_expires_at_ms(expires_at_ms);
  if (flags & kRequestId) {
    record->mutable_request_id()->set_client(client);
    record->mutable_request_id()->set_number(number);
  }
  if (value_bytes == ValueBytes::kCopy) record->set_value(value.data(), value.size());
  return Status::Ok();
}

Result<Version> DecodeVersion(std::string_view store_key, std::string_view bytes) {
  const Result<Header> header = CheckHeader(store_key, bytes);
  if (!header.ok()) return header.status();
  FieldReader fields(bytes.substr(2));
  const Term term(fields.Take<uint32_t>());
  return Version{term, fields.Take<uint64_t>()};
}

}  // namespace ringkv
