// Records as JSON Lines, the format of `kvctl import` and `kvctl export`:
//   {"key":"…","value":"…"}                     bytes that are UTF-8 stand as text,
//   {"key_base64":"…","value_base64":"…"}       others in base64, key and value each by itself
//   {"key":"…","value":"…","expires_at":"2026-01-31T23:59:59.125Z"}
// Written: compact, in this order, UTF-8 not escaped, control characters as \n, \t, \b, \f, \r or
// \u00XX, so that the same record is always the same line. Read: any JSON of that shape; null
// counts as absent, an unknown field is an error. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ringkv {

struct RecordLine {
  std::string key;
  std::string value;
  uint64_t expires_at_ms = 0;  // 0: never
};

// Longest line that is read: the largest record, each byte of it escaped, fits.
inline constexpr size_t kMaxRecordLineBytes = size_t{64} << 20;

// Without the newline.
std::string FormatRecordLine(std::string_view key, std::string_view value, uint64_t expires_at_ms);

// InvalidArgument says what is wrong with the line, limits of key and value included.
Result<RecordLine> ParseRecordLine(std::string_view line);

}  // namespace ringkv
