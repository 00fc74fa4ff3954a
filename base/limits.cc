#include "base/limits.h"

#include <string>

namespace ringkv {

Status CheckKey(std::string_view key) {
  if (key.empty()) return Status::InvalidArgument("the key is empty; a key has 1 to 4096 bytes");
  if (key.size() > kMaxKeyBytes) {
    return Status::InvalidArgument("the key has " + std::to_string(key.size()) +
                                   " bytes; a key has 1 to 4096 bytes");
  }
  return Status::Ok();
}

Status CheckValueSize(size_t bytes) {
  if (bytes <= kMaxValueBytes) return Status::Ok();
  return Status::InvalidArgument("the value has " + std::to_string(bytes) +
                                 " bytes; a value has at most 8388608 bytes (8 MiB)");
}

Status CheckTtlMs(uint64_t ttl_ms) {
  if (ttl_ms >= kMinTtlMs && ttl_ms <= kMaxTtlMs) return Status::Ok();
  return Status::InvalidArgument("the TTL is " + std::to_string(ttl_ms) +
                                 " ms; a TTL is 1 s to 10 years");
}

}  // namespace ringkv
