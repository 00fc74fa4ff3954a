#include "ring/wire.h"

#include <utility>

#include "base/limits.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringkv {
namespace {

constexpr uint8_t kVersion = 2;
constexpr size_t kHeadBytes = 2;
constexpr size_t kChecksumBytes = 8;

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return value;
}

std::string NameOf(WireKind kind) { return kind == WireKind::kRing ? "ring" : "delta"; }

std::string KindText(uint8_t kind) {
  for (WireKind known : {WireKind::kRing, WireKind::kDelta}) {
    if (kind == static_cast<uint8_t>(known)) return "a " + NameOf(known);
  }
  return "of kind " + std::to_string(kind);
}

}  // namespace

uint64_t Checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

WireWriter::WireWriter(WireKind kind) {
  Byte(kVersion);
  Byte(static_cast<uint8_t>(kind));
}

void WireWriter::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) Byte(static_cast<uint8_t>(value | 0x80));
  Byte(static_cast<uint8_t>(value));
}

void WireWriter::Fixed64(uint64_t value) {
  for (size_t i = 0; i < sizeof(value); ++i) Byte(static_cast<uint8_t>(value >> (8 * i)));
}

void WireWriter::Text(std::string_view text) {
  Varint(text.size());
  bytes_.append(text);
}

void WireWriter::MemberOrNobody(const Member& member) {
  Text(member.id.value());
  if (member.id.empty()) return;
  Text(member.address);
  Text(member.zone);
  Varint(member.vnodes);
}

std::string WireWriter::Seal() && {
  Fixed64(Checksum(bytes_));
  return std::move(bytes_);
}

WireReader::WireReader(std::string_view bytes, WireKind kind) : kind_(kind) {
  status_ = Open(bytes);
  if (!status_.ok()) left_ = {};
}

Status WireReader::Open(std::string_view bytes) {
  const std::string name = "an encoded " + NameOf(kind_);
  if (bytes.size() < kHeadBytes + kChecksumBytes) {
    return Status::Corruption(name + " of " + std::to_string(bytes.size()) + " bytes is cut off");
  }
  left_ = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (LittleEndian(bytes.substr(left_.size())) != Checksum(left_)) {
    return Status::Corruption(name + " does not match its checksum");
  }
  const uint8_t version = Byte("its version");
  if (version != kVersion) {
    return Status::InvalidArgument(name + " has version " + std::to_string(version) +
                                   "; this program reads version " + std::to_string(kVersion));
  }
  const uint8_t kind = Byte("its kind");
  if (kind != static_cast<uint8_t>(kind_)) {
    return Status::InvalidArgument("not " + name + ": it is " + KindText(kind));
  }
  return Status::Ok();
}

uint8_t WireReader::Byte(const char* what) {
  if (!ok()) return 0;
  if (left_.empty()) {
    Malformed(std::string("it ends before ") + what);
    return 0;
  }
  const auto byte = static_cast<uint8_t>(left_[0]);
  left_.remove_prefix(1);
  return byte;
}

uint64_t WireReader::Varint(const char* what, uint64_t most) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte(what);
    if (!ok()) return 0;
    const uint64_t part = byte & 0x7f;
    if (shift == 63 && part > 1) break;
    value |= part << shift;
    if (byte & 0x80) continue;
    if (part == 0 && shift > 0) {
      Malformed(std::string(what) + " is not in its shortest form");
    } else if (value > most) {
      Malformed(std::string(what) + " is " + std::to_string(value) + ", at most " +
                std::to_string(most) + " can be");
    }
    return ok() ? value : 0;
  }
  Malformed(std::string(what) + " has more than 64 bits");
  return 0;
}

uint64_t WireReader::Fixed64(const char* what) {
  if (!ok()) return 0;
  if (left_.size() < sizeof(uint64_t)) {
    Malformed(std::string("it ends within ") + what);
    return 0;
  }
  const uint64_t value = LittleEndian(left_.substr(0, sizeof(uint64_t)));
  left_.remove_prefix(sizeof(uint64_t));
  return value;
}

std::string WireReader::Text(const char* what) {
  const uint64_t size = Varint(what, UINT64_MAX);
  if (!ok()) return {};
  if (size > left_.size()) {
    Malformed(std::string("it ends within ") + what);
    return {};
  }
  std::string text(left_.substr(0, size));
  left_.remove_prefix(size);
  return text;
}

Member WireReader::MemberOrNobody() {
  Member member;
  const std::string id = Text("a node's id");
  if (id.empty()) return member;
  Result<NodeId> parsed = NodeId::Parse(id);
  if (!parsed.ok()) {
    Malformed(parsed.status().message());
    return member;
  }
  member.id = *parsed;
  member.address = Text("a node's address");
  member.zone = Text("a node's zone");
  member.vnodes = static_cast<uint32_t>(Varint("a node's vnodes", kMaxVnodes));
  return member;
}

void WireReader::Malformed(const std::string& what) {
  if (!ok()) return;
  status_ = Status::InvalidArgument("not an encoded " + NameOf(kind_) + ": " + what);
}

}  // namespace ringkv
