// Well-formed UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, at most U+10FFFF. Pure
// functions; thread-safe.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringkv {

// Bytes of the well-formed character at the start of `bytes`; 0: there is none.
size_t Utf8CharacterLength(std::string_view bytes);

bool IsUtf8(std::string_view bytes);

}  // namespace ringkv
