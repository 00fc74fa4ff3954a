// Layout of a delta, version 2; varints, texts, head and checksum as in wire.h.
//
//   byte    version (2)
//   byte    kind ('D')
//   varint  epoch of the base
//   varint  epoch of the result
//   byte    log2 of the slots
//   byte    RF of the base
//   byte    RF of the result
//   8 bytes fingerprint of the base (Ring::fingerprint)
//   varint  number of members that differ, and of indexes beyond the base's, in their order
//   each:   varint index, less the one before and 1 (the first: as it is); the member as in a ring,
//           or an empty text: nobody is there
//   varint  number of rows that differ, in the order of their slots
//   each:   varint slot, less the one before and 1; byte `places`, a bit for each replica that
//           another node has than in the base, or that the base has not; as many varint indexes
//   8 bytes XXH3-64, seed 0, of all before
#include "ring/delta_codec.h"

#include <bit>
#include <utility>

#include "ring/codec.h"

namespace ringkv {
namespace {

// The next of numbers that grow and stay below `limit`.
uint32_t ReadNext(WireReader* in, const char* what, uint32_t* next, uint32_t limit) {
  if (*next >= limit) in->Malformed(std::string("after the last, there is still ") + what);
  const auto number = static_cast<uint32_t>(*next + in->Varint(what, limit - 1 - *next));
  *next = number + 1;
  return number;
}

void ReadNodes(WireReader* in, RingDelta* delta) {
  // Each takes two bytes at least; each row, three.
  const uint64_t count = in->Varint("the number of changed nodes", in->left().size() / 2);
  uint32_t next = 0;
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    const NodeIndex node(ReadNext(in, "a node's index", &next, kMaxNodeIndexes));
    delta->nodes.push_back({node, in->MemberOrNobody()});
  }
}

void ReadRows(WireReader* in, RingDelta* delta) {
  const uint64_t count = in->Varint("the number of changed rows", in->left().size() / 3);
  uint32_t next = 0;
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    const SlotId slot(ReadNext(in, "a slot", &next, delta->slots));
    const uint8_t places = in->Byte("the places of a row");
    if (in->ok() && (places == 0 || places >= PlaceBit(delta->to_replicas))) {
      in->Malformed("slot " + std::to_string(slot.value()) + " changes the places " +
                    std::to_string(places) + " of " + std::to_string(delta->to_replicas) +
                    " replicas");
    }
    delta->rows.push_back({slot, places, delta->entered.size()});
    for (int n = 0; n < std::popcount(places) && in->ok(); ++n) {
      const uint64_t node = in->Varint("a replica's node", kMaxNodeIndexes - 1);
      delta->entered.push_back(NodeIndex(static_cast<uint32_t>(node)));
    }
  }
}

}  // namespace

void WriteDelta(const RingDelta& delta, WireWriter* out) {
  out->Varint(delta.from_epoch.value());
  out->Varint(delta.to_epoch.value());
  out->Byte(static_cast<uint8_t>(std::countr_zero(delta.slots)));
  out->Byte(static_cast<uint8_t>(delta.from_replicas));
  out->Byte(static_cast<uint8_t>(delta.to_replicas));
  out->Fixed64(delta.base_fingerprint);
  out->Varint(delta.nodes.size());
  uint32_t next = 0;
  for (const RingDelta::Node& change : delta.nodes) {
    out->Varint(change.index.value() - next);
    next = change.index.value() + 1;
    out->MemberOrNobody(change.member);
  }
  out->Varint(delta.rows.size());
  next = 0;
  for (const RingDelta::Row& change : delta.rows) {
    out->Varint(change.slot.value() - next);
    next = change.slot.value() + 1;
    out->Byte(change.places);
    for (int i = 0; i < std::popcount(change.places); ++i) {
      out->Varint(delta.entered[change.first + static_cast<size_t>(i)].value());
    }
  }
}

RingDelta ReadDelta(WireReader* in) {
  RingDelta delta;
  delta.from_epoch = Epoch(in->Varint("the base's epoch", UINT64_MAX));
  delta.to_epoch = Epoch(in->Varint("the epoch", UINT64_MAX));
  const uint8_t slots_log2 = in->Byte("the number of slots");
  delta.from_replicas = in->Byte("the base's number of replicas");
  delta.to_replicas = in->Byte("the number of replicas");
  const uint64_t slots = slots_log2 < 64 ? uint64_t{1} << slots_log2 : 0;
  for (const Status& status : {CheckSlotCount(slots), CheckReplicaCount(delta.from_replicas),
                               CheckReplicaCount(delta.to_replicas)}) {
    if (!status.ok()) in->Malformed(status.message());
  }
  delta.slots = static_cast<uint32_t>(slots);
  delta.base_fingerprint = in->Fixed64("the fingerprint of its base");
  if (in->ok()) ReadNodes(in, &delta);
  if (in->ok()) ReadRows(in, &delta);
  if (!in->left().empty()) in->Malformed("there are bytes after its rows");
  return delta;
}

Result<std::string> EncodeDelta(const Ring& from, const Ring& to) {
  if (from.slots() != to.slots()) {
    return Status::InvalidArgument("there is no delta between rings of " +
                                   std::to_string(from.slots()) + " and of " +
                                   std::to_string(to.slots()) + " slots");
  }
  WireWriter out(WireKind::kDelta);
  WriteDelta(DeltaBetween(from, to), &out);
  return std::move(out).Seal();
}

Result<Ring> ApplyDelta(const Ring& from, std::string_view bytes) {
  WireReader in(bytes, WireKind::kDelta);
  RingDelta delta = ReadDelta(&in);
  if (!in.ok()) return in.status();
  return Apply(from, std::move(delta));
}

}  // namespace ringkv
