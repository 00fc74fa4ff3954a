// ApplyDelta against hostile bytes, on a fixed base: it never crashes, what comes of it is a ring,
// and there are no other bytes that lead there.
//
// Every input is tried as it is; with the right checksum in its last 8 bytes; and, where it reads
// as a delta at all, with the epoch and the fingerprint of the fixed base: no mutation would find
// those.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/check.h"
#include "ring/codec.h"
#include "ring/delta.h"
#include "ring/delta_codec.h"
#include "ring/planner.h"
#include "ring/wire.h"
#include "tests/ring/cluster_fixture.h"
#include "tests/ring/resealed.h"

namespace {

using ringkv::Id;
using ringkv::Result;
using ringkv::Ring;
using ringkv::RingDelta;

// With a gap, a zone, unequal nodes.
Ring MakeBase() {
  Ring ring = ringkv::Formed(5, 3, 16);
  ring = ringkv::AddNode(ring, {Id("zz"), "[::1]:7000", "zone-1", 4096}).value().next;
  return ringkv::RemoveNode(ring, Id("n3")).value().next;
}

void TryOn(const Ring& base, const std::string& bytes) {
  const Result<Ring> ring = ringkv::ApplyDelta(base, bytes);
  if (!ring.ok()) return;
  const Result<Ring> judged = Ring::Make(ring->ToParts());
  RINGKV_CHECK(judged.ok() && *judged == *ring, "what a delta leads to is a ring");
  RINGKV_CHECK(ringkv::EncodeDelta(base, *ring).value() == bytes, "a delta has one encoding");
}

// The same delta as one from `base`; empty where it is none that could be.
std::string Rebased(const Ring& base, const std::string& bytes) {
  ringkv::WireReader in(bytes, ringkv::WireKind::kDelta);
  RingDelta delta = ringkv::ReadDelta(&in);
  if (!in.ok() || delta.slots != base.slots()) return "";
  ringkv::WireWriter same(ringkv::WireKind::kDelta);
  ringkv::WriteDelta(delta, &same);
  RINGKV_CHECK(std::move(same).Seal() == bytes, "what is read is written the same way");
  delta.from_epoch = base.epoch();
  delta.from_replicas = base.replicas();
  delta.base_fingerprint = base.fingerprint();
  ringkv::WireWriter out(ringkv::WireKind::kDelta);
  ringkv::WriteDelta(delta, &out);
  return std::move(out).Seal();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Ring base = MakeBase();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  TryOn(base, bytes);
  if (size < 8) return 0;
  const std::string sealed = ringkv::Resealed(bytes);
  TryOn(base, sealed);
  const std::string rebased = Rebased(base, sealed);
  if (!rebased.empty()) TryOn(base, rebased);
  return 0;
}
