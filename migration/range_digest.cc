#include "migration/range_digest.h"

#include <xxhash.h>

#include <algorithm>
#include <string>

#include "base/rule.h"
#include "migration/version_proto.h"

namespace ringkv {

void RangeDigest::Add(std::string_view key, Version version) {
  // The version has a fixed length and comes last: no two pairs give the same bytes.
  std::string bytes(key);
  const uint32_t term = version.term.value();
  bytes.append(reinterpret_cast<const char*>(&term), sizeof term);
  bytes.append(reinterpret_cast<const char*>(&version.seq), sizeof version.seq);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  ++records;
  low += hash.low64;
  high += hash.high64;
}

RangeDigest DigestOf(const v1::SyncRange& range) {
  return {range.records(), range.digest_low(), range.digest_high()};
}

void ToProto(const RangeDigest& digest, v1::SyncRange* range) {
  range->set_records(digest.records);
  range->set_digest_low(digest.low);
  range->set_digest_high(digest.high);
}

bool Counts(const v1::Record& record, Version above, Version floor) {
  const Version version = FromProto(record.version());
  return version > above && !(record.tombstone() && version <= floor);
}

Version CompareAbove(Version stable, Version other_stable, Version floor, Version other_floor) {
  const Version above =
      RINGKV_RULE(kSmallerStable) ? std::min(stable, other_stable) : std::max(stable, other_stable);
  return above < floor || above < other_floor ? Version{} : above;
}

}  // namespace ringkv
