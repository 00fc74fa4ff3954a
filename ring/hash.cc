#include "ring/hash.h"

// The hash of short keys is a handful of instructions: a call into the shared library would cost
// more than it does.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringkv {

std::string_view HashedPart(std::string_view key) {
  size_t open = key.find('{');
  if (open == std::string_view::npos) [[likely]]
    return key;
  size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

Token TokenOf(std::string_view key) {
  std::string_view hashed = HashedPart(key);
  return Token(XXH3_64bits(hashed.data(), hashed.size()));
}

}  // namespace ringkv
