#include "migration/record_digest.h"

#include <xxhash.h>

#include <string>

namespace ringkv {

RecordDigest DigestOf(std::string_view key, v1::Record* record) {
  // Every field there is, also those that this function knows nothing of. The encoding of one
  // record is the same in all processes of one version.
  std::string value;
  value.swap(*record->mutable_value());
  const uint64_t key_bytes = key.size();
  const XXH128_hash_t value_hash = XXH3_128bits(value.data(), value.size());
  // The parts before the key have fixed lengths, and the key's length is one of them: no two
  // (key, record) give the same bytes.
  std::string bytes;
  bytes.append(reinterpret_cast<const char*>(&key_bytes), sizeof key_bytes);
  bytes.append(reinterpret_cast<const char*>(&value_hash.low64), sizeof value_hash.low64);
  bytes.append(reinterpret_cast<const char*>(&value_hash.high64), sizeof value_hash.high64);
  bytes.append(key);
  record->AppendToString(&bytes);
  record->mutable_value()->swap(value);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace ringkv
