// Numbers for people to read: "0-63, 70".
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ringkv {

// `numbers`: ascending, each once. Empty for none.
std::string NumberRanges(std::span<const uint32_t> numbers);

}  // namespace ringkv
