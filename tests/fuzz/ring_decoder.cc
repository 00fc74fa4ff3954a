// DecodeRing against hostile bytes: it never crashes, what it takes is a ring, and there are no
// other bytes for that ring.
//
// Every input is tried as it is, and again with the right checksum in its last 8 bytes: what is
// behind the checksum is what matters.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "ring/codec.h"
#include "tests/ring/resealed.h"

namespace {

void Try(const std::string& bytes) {
  const ringkv::Result<ringkv::Ring> ring = ringkv::DecodeRing(bytes);
  if (!ring.ok()) return;
  const ringkv::Result<ringkv::Ring> judged = ringkv::Ring::Make(ring->ToParts());
  RINGKV_CHECK(judged.ok() && *judged == *ring, "what is decoded is a ring");
  RINGKV_CHECK(ringkv::EncodeRing(*ring) == bytes, "a ring has one encoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes);
  if (size >= 8) Try(ringkv::Resealed(bytes));
  return 0;
}
