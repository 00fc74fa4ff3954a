// Bytes as text for people: identifiers in hexadecimal, and keys in messages.
#pragma once

#include <string>
#include <string_view>

namespace ringkv {

// Lower-case hexadecimal, two digits a byte.
std::string Hex(std::string_view bytes);

// For messages: printable ASCII as it is, other bytes as \xNN, cut with "…" after `max_bytes`
// bytes.
std::string Printable(std::string_view bytes, size_t max_bytes = 64);

}  // namespace ringkv
