// For tests of encodings: what a hostile sender would do.
#pragma once

#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringkv {

// The last 8 bytes replaced by the checksum of what is before them.
inline std::string Resealed(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  const uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(checksum >> (8 * i)));
  return bytes;
}

}  // namespace ringkv
