// What the arguments of kvctl's commands have to be: each function makes a value of text, or says
// which argument it was, what was given and what is allowed. Pure.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/hex.h"
#include "base/ids.h"
#include "base/status.h"

namespace ringkv {

// "a whole number from 1 to 4096"
template <class T>
std::string DescribeRange(T low, T high) {
  std::ostringstream text;
  text.precision(std::numeric_limits<T>::digits10 + 1);
  text << (std::integral<T> ? "a whole number" : "a number") << " from " << low;
  if (high == std::numeric_limits<T>::max()) {
    text << " on";
  } else {
    text << " to " << high;
  }
  if (high == std::numeric_limits<T>::max() || low == std::numeric_limits<T>::min()) {
    text << " that fits " << 8 * sizeof(T) << " bits";
  }
  return text.str();
}

template <class T>
Result<T> ParseBounded(const std::string& what, const std::string& text, T low, T high) {
  T number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool is_number = error == std::errc() && stop == end;
  if (is_number && number >= low && number <= high) return number;
  return Status::InvalidArgument(what + ": '" + Printable(text) + "' is not " +
                                 DescribeRange(low, high));
}

// The first of `rest`, which is not empty.
std::string TakeFirst(std::vector<std::string>& rest);

// Of a key in base64.
Status DecodeKey(const std::string& text, std::string& key);

Status TakeNode(std::vector<std::string>& rest, std::string& node);

Result<uint32_t> TakeNumber(const std::string& what, std::vector<std::string>& rest, uint32_t low,
                            uint32_t high);

Status NothingLeft(const std::vector<std::string>& rest);

}  // namespace ringkv
