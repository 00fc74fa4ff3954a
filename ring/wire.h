// What all encodings of rings have in common: a version byte and a kind byte first, the XXH3-64 of
// everything before it last, and in between bytes, varints and texts, each read judged.
//
// A varint is little-endian base 128 in its shortest form; a text is a varint length and as many
// bytes; whole numbers of fixed size are little-endian. There is one way only to write a value.
//
// Thread-compatible. A reader looks at bytes that its caller keeps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "ring/member_table.h"

namespace ringkv {

enum class WireKind : uint8_t { kRing = 'R', kDelta = 'D' };

// XXH3-64, the same on every machine.
uint64_t Checksum(std::string_view bytes, uint64_t seed = 0);

class WireWriter {
 public:
  // Without a head: for bytes that are only compared.
  WireWriter() = default;
  explicit WireWriter(WireKind kind);

  // So far, without a checksum.
  std::string_view bytes() const { return bytes_; }

  void Byte(uint8_t byte) { bytes_.push_back(static_cast<char>(byte)); }
  void Varint(uint64_t value);
  void Fixed64(uint64_t value);
  void Text(std::string_view text);
  // An empty id stands for nobody, and nothing comes after it.
  void MemberOrNobody(const Member& member);

  // The bytes with their checksum. The writer is used up.
  std::string Seal() &&;

 private:
  std::string bytes_;
};

// Reads from the front. The first fault stays in status(), and every read after it gives zeros: a
// caller that loops looks at ok(). No length is believed beyond the input's own.
class WireReader {
 public:
  // Judges what is around: Corruption where the checksum is wrong or the input is too short,
  // InvalidArgument for another version or kind.
  WireReader(std::string_view bytes, WireKind kind);

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  // What has not been read, without the checksum.
  std::string_view left() const { return left_; }

  // `what` is for the message.
  uint8_t Byte(const char* what);
  uint64_t Varint(const char* what, uint64_t most);
  uint64_t Fixed64(const char* what);
  std::string Text(const char* what);
  // The id is valid, or empty: nobody. Everything else is for MemberTable to judge.
  Member MemberOrNobody();

  // A fault that the caller has found.
  void Malformed(const std::string& what);

 private:
  Status Open(std::string_view bytes);

  const WireKind kind_;
  std::string_view left_;
  Status status_;
};

}  // namespace ringkv
