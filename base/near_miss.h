// Finds what someone probably meant to type. Pure functions; thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringkv {

// "; did you mean 'listen'?" if one of `known` is close to `word`, else "".
std::string DidYouMean(std::string_view word, std::span<const std::string> known);

}  // namespace ringkv
