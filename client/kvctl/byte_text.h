// Arbitrary bytes as text: base64 (RFC 4648, section 4), and a form that a
// terminal can show. Pure functions; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/utf8.h"

namespace ringkv {

std::string Base64Encode(std::string_view bytes);

// Strict: the standard alphabet, padded to a multiple of 4, nothing between.
Result<std::string> Base64Decode(std::string_view text);

// One line of text from which the bytes can be told: UTF-8 without control characters as it is,
// but `\` as `\\`, a newline as `\n`, a tab as `\t` and any other byte as `\xNN`.
std::string Visible(std::string_view bytes);

}  // namespace ringkv
