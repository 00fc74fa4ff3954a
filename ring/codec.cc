// Layout, version 1. A varint is little-endian base 128 in its shortest form; `text` is a varint
// length and as many bytes.
//
//   byte    version (1)
//   varint  epoch
//   byte    log2 of the slots
//   byte    RF
//   varint  index limit
//   per index: text id (empty: a gap, and nothing more), text address, text zone, varint vnodes
//   rows:   slots × RF indexes of `b` bits each, slot by slot, low bits first, the last byte filled
//           up with zeros; b = bits of (index limit - 1), at least 1
//   8 bytes XXH3-64, seed 0, of all before, little-endian
#include "ring/codec.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringkv {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kChecksumBytes = 8;

unsigned BitsPerIndex(size_t index_limit) {
  return std::max(1, static_cast<int>(std::bit_width(index_limit - 1)));
}

void PutVarint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void PutText(std::string* out, std::string_view text) {
  PutVarint(out, text.size());
  out->append(text);
}

void PutChecksum(std::string* out) {
  const uint64_t checksum = XXH3_64bits(out->data(), out->size());
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    out->push_back(static_cast<char>(checksum >> (8 * i)));
  }
}

void PutRows(std::string* out, const Ring& ring) {
  const unsigned bits = BitsPerIndex(ring.index_limit());
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    for (NodeIndex node : ring.Replicas(SlotId(slot))) {
      pending |= uint64_t{node.value()} << pending_bits;
      for (pending_bits += bits; pending_bits >= 8; pending_bits -= 8, pending >>= 8) {
        out->push_back(static_cast<char>(pending));
      }
    }
  }
  if (pending_bits > 0) out->push_back(static_cast<char>(pending));
}

Status Malformed(const std::string& what) {
  return Status::InvalidArgument("not an encoded ring: " + what);
}

// Reads from the front; each read is judged.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  std::string_view left() const { return left_; }

  Result<uint8_t> Byte(const char* what) {
    if (left_.empty()) return Malformed(std::string("it ends before ") + what);
    const auto byte = static_cast<uint8_t>(left_[0]);
    left_.remove_prefix(1);
    return byte;
  }

  Result<uint64_t> Varint(const char* what, uint64_t most) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      Result<uint8_t> byte = Byte(what);
      if (!byte.ok()) return byte.status();
      const uint64_t part = *byte & 0x7f;
      if (shift == 63 && part > 1) break;
      value |= part << shift;
      if (*byte & 0x80) continue;
      if (part == 0 && shift > 0)
        return Malformed(std::string(what) + " is not in its shortest form");
      if (value > most) {
        return Malformed(std::string(what) + " is " + std::to_string(value) + ", at most " +
                         std::to_string(most) + " can be");
      }
      return value;
    }
    return Malformed(std::string(what) + " has more than 64 bits");
  }

  Result<std::string> Text(const char* what) {
    Result<uint64_t> size = Varint(what, UINT64_MAX);
    if (!size.ok()) return size.status();
    if (*size > left_.size()) return Malformed(std::string("it ends within ") + what);
    std::string text(left_.substr(0, *size));
    left_.remove_prefix(*size);
    return text;
  }

 private:
  std::string_view left_;
};

Result<Member> ReadMember(Reader* reader) {
  Member member;
  Result<std::string> id = reader->Text("a node's id");
  if (!id.ok()) return id.status();
  if (id->empty()) return member;  // a gap
  Result<NodeId> parsed = NodeId::Parse(*id);
  if (!parsed.ok()) return parsed.status().Annotate("not an encoded ring");
  member.id = *parsed;
  Result<std::string> address = reader->Text("a node's address");
  if (!address.ok()) return address.status();
  member.address = std::move(address).value();
  Result<std::string> zone = reader->Text("a node's zone");
  if (!zone.ok()) return zone.status();
  member.zone = std::move(zone).value();
  Result<uint64_t> vnodes = reader->Varint("a node's vnodes", kMaxVnodes);
  if (!vnodes.ok()) return vnodes.status();
  member.vnodes = static_cast<uint32_t>(*vnodes);
  return member;
}

Result<Ring::Parts> ReadHead(Reader* reader) {
  Ring::Parts parts;
  Result<uint64_t> epoch = reader->Varint("the epoch", UINT64_MAX);
  if (!epoch.ok()) return epoch.status();
  Result<uint8_t> slots_log2 = reader->Byte("the number of slots");
  if (!slots_log2.ok()) return slots_log2.status();
  Result<uint8_t> replicas = reader->Byte("the number of replicas");
  if (!replicas.ok()) return replicas.status();
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(*slots_log2 < 64 ? uint64_t{1} << *slots_log2 : 0)
                             .Annotate("not an encoded ring"));
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(*replicas).Annotate("not an encoded ring"));
  parts.epoch = Epoch(*epoch);
  parts.slots = uint32_t{1} << *slots_log2;
  parts.replicas = *replicas;
  // Each index takes a byte at least, so that no length is believed beyond the input's own.
  Result<uint64_t> limit = reader->Varint("the number of nodes", reader->left().size());
  if (!limit.ok()) return limit.status();
  if (*limit == 0) return Malformed("it has no node");
  for (uint64_t i = 0; i < *limit; ++i) {
    Result<Member> member = ReadMember(reader);
    if (!member.ok()) return member.status();
    parts.members.push_back(std::move(member).value());
  }
  if (parts.members.back().id.empty()) return Malformed("its last node is a gap");
  return parts;
}

Status ReadRows(std::string_view bytes, Ring::Parts* parts) {
  const unsigned bits = BitsPerIndex(parts->members.size());
  const uint64_t count = uint64_t{parts->slots} * parts->replicas;
  const uint64_t expected = (count * bits + 7) / 8;
  if (bytes.size() != expected) {
    return Malformed("its rows have " + std::to_string(bytes.size()) + " bytes instead of " +
                     std::to_string(expected));
  }
  parts->rows.reserve(count);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (unsigned char byte : bytes) {
    pending |= uint64_t{byte} << pending_bits;
    for (pending_bits += 8; pending_bits >= bits && parts->rows.size() < count;
         pending_bits -= bits, pending >>= bits) {
      parts->rows.push_back(NodeIndex(static_cast<uint32_t>(pending & mask)));
    }
  }
  if (pending != 0) return Malformed("the bits after its rows are not zero");
  return Status::Ok();
}

}  // namespace

std::string EncodeRing(const Ring& ring) {
  std::string out;
  out.push_back(static_cast<char>(kVersion));
  PutVarint(&out, ring.epoch().value());
  out.push_back(static_cast<char>(std::countr_zero(ring.slots())));
  out.push_back(static_cast<char>(ring.replicas()));
  PutVarint(&out, ring.index_limit());
  for (uint32_t i = 0; i < ring.index_limit(); ++i) {
    const Member& member = ring.member(NodeIndex(i));
    PutText(&out, member.id.value());
    if (member.id.empty()) continue;
    PutText(&out, member.address);
    PutText(&out, member.zone);
    PutVarint(&out, member.vnodes);
  }
  PutRows(&out, ring);
  PutChecksum(&out);
  return out;
}

Result<Ring> DecodeRing(std::string_view bytes) {
  if (bytes.size() <= kChecksumBytes) {
    return Status::Corruption("an encoded ring of " + std::to_string(bytes.size()) +
                              " bytes is cut off");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  uint64_t checksum = 0;
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    checksum |= uint64_t{static_cast<uint8_t>(bytes[body.size() + i])} << (8 * i);
  }
  if (checksum != XXH3_64bits(body.data(), body.size())) {
    return Status::Corruption("an encoded ring does not match its checksum");
  }
  Reader reader(body);
  Result<uint8_t> version = reader.Byte("its version");
  if (!version.ok()) return version.status();
  if (*version != kVersion) {
    return Status::InvalidArgument("an encoded ring has version " + std::to_string(*version) +
                                   "; this program reads version 1");
  }
  Result<Ring::Parts> parts = ReadHead(&reader);
  if (!parts.ok()) return parts.status();
  RINGKV_RETURN_IF_ERROR(ReadRows(reader.left(), &*parts));
  Result<Ring> ring = Ring::Make(std::move(parts).value());
  if (!ring.ok()) return ring.status().Annotate("not an encoded ring");
  return ring;
}

}  // namespace ringkv
