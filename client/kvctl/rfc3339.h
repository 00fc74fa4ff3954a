// Points in time as text, RFC 3339. Written in UTC with milliseconds: 2026-01-31T23:59:59.125Z.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ringkv {

// Milliseconds since the Unix epoch; up to the end of the year 9999, later ones are shown as that.
std::string FormatRfc3339(uint64_t ms);

// Any offset, any number of digits after the second (cut to milliseconds); 1970 to 9999.
Result<uint64_t> ParseRfc3339(std::string_view text);

}  // namespace ringkv
