// RESP2, the protocol of Redis, as far as clients of a benchmark need it: commands, and replies
// that are no arrays. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ringkv::bench {

// Appends a command as it goes over the wire.
void AppendCommand(std::string* to, std::initializer_list<std::string_view> words);

struct RespReply {
  enum class Kind { kSimple, kError, kInteger, kBulk, kNull };
  Kind kind = Kind::kNull;
  std::string_view text;  // of kSimple, kError and kBulk
  int64_t integer = 0;    // of kInteger
};

// Takes bytes as they come in and gives replies as they are whole.
class RespReader {
 public:
  static constexpr size_t kMaxLine = 64 << 10;
  static constexpr size_t kMaxBulk = 512 << 20;  // as in Redis

  // Where up to `bytes` may be written, then Filled says how many were. What a reply showed before
  // is gone.
  char* Space(size_t bytes);
  void Filled(size_t bytes) { end_ += bytes; }

  enum class Found { kReply, kNotWhole, kBroken };
  // kBroken: the bytes are no reply, or one that is longer than the limits; nothing can be read any
  // more. The reply's text lives until the next call of Space.
  Found Next(RespReply* reply);

 private:
  std::string buffer_;
  size_t begin_ = 0;  // of what was not given yet
  size_t end_ = 0;    // of what came in
};

}  // namespace ringkv::bench
