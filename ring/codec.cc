// Layout of a ring, version 2; varints, texts, head and checksum as in wire.h.
//
//   byte    version (2)
//   byte    kind ('R')
//   varint  epoch
//   byte    log2 of the slots
//   byte    RF
//   varint  index limit
//   per index: text id (empty: a gap, and nothing more), text address, text zone, varint vnodes
//   rows:   slots × RF indexes of `b` bits each, slot by slot, low bits first; b = bits of (index
//           limit - 1), at least 1. These are whole bytes: slots are a multiple of 16
//   8 bytes XXH3-64, seed 0, of all before
#include "ring/codec.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "ring/wire.h"

namespace ringkv {
namespace {

static_assert(kMinSlots % 8 == 0, "rows end with a whole byte");

unsigned BitsPerIndex(size_t index_limit) {
  return std::max(1, static_cast<int>(std::bit_width(index_limit - 1)));
}

void PutRows(WireWriter* out, const Ring& ring) {
  const unsigned bits = BitsPerIndex(ring.index_limit());
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const ReplicaRow row = ring.Replicas(SlotId(slot));
    for (NodeIndex node : row) {
      pending |= uint64_t{node.value()} << pending_bits;
      for (pending_bits += bits; pending_bits >= 8; pending_bits -= 8, pending >>= 8) {
        out->Byte(static_cast<uint8_t>(pending));
      }
    }
  }
}

Ring::Parts ReadHead(WireReader* in) {
  Ring::Parts parts;
  parts.epoch = Epoch(in->Varint("the epoch", UINT64_MAX));
  const uint8_t slots_log2 = in->Byte("the number of slots");
  parts.replicas = in->Byte("the number of replicas");
  const uint64_t slots = slots_log2 < 64 ? uint64_t{1} << slots_log2 : 0;
  if (const Status status = CheckSlotCount(slots); !status.ok()) in->Malformed(status.message());
  if (const Status status = CheckReplicaCount(parts.replicas); !status.ok()) {
    in->Malformed(status.message());
  }
  parts.slots = static_cast<uint32_t>(slots);
  // Each index takes a byte at least.
  const uint64_t most = std::min<uint64_t>(in->left().size(), kMaxNodeIndexes);
  const uint64_t limit = in->Varint("the number of nodes", most);
  if (limit == 0) in->Malformed("it has no node");
  for (uint64_t i = 0; i < limit && in->ok(); ++i) parts.members.push_back(in->MemberOrNobody());
  if (in->ok() && parts.members.back().id.empty()) in->Malformed("its last node is a gap");
  return parts;
}

void ReadRows(WireReader* in, Ring::Parts* parts) {
  const std::string_view bytes = in->left();
  const unsigned bits = BitsPerIndex(parts->members.size());
  const uint64_t count = uint64_t{parts->slots} * parts->replicas;
  const uint64_t expected = count * bits / 8;
  if (bytes.size() != expected) {
    return in->Malformed("its rows have " + std::to_string(bytes.size()) + " bytes instead of " +
                         std::to_string(expected));
  }
  parts->rows.reserve(count);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (unsigned char byte : bytes) {
    pending |= uint64_t{byte} << pending_bits;
    for (pending_bits += 8; pending_bits >= bits; pending_bits -= bits, pending >>= bits) {
      parts->rows.push_back(NodeIndex(static_cast<uint32_t>(pending & mask)));
    }
  }
}

}  // namespace

std::string EncodeRing(const Ring& ring) {
  WireWriter out(WireKind::kRing);
  out.Varint(ring.epoch().value());
  out.Byte(static_cast<uint8_t>(std::countr_zero(ring.slots())));
  out.Byte(static_cast<uint8_t>(ring.replicas()));
  out.Varint(ring.index_limit());
  for (uint32_t i = 0; i < ring.index_limit(); ++i) {
    out.MemberOrNobody(ring.members()[NodeIndex(i)]);
  }
  PutRows(&out, ring);
  return std::move(out).Seal();
}

Result<Ring> DecodeRing(std::string_view bytes) {
  WireReader in(bytes, WireKind::kRing);
  Ring::Parts parts = ReadHead(&in);
  if (in.ok()) ReadRows(&in, &parts);
  if (!in.ok()) return in.status();
  Result<Ring> ring = Ring::Make(std::move(parts));
  if (!ring.ok()) return ring.status().Annotate("not an encoded ring");
  return ring;
}

}  // namespace ringkv
