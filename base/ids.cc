#include "base/ids.h"

#include <algorithm>
#include <charconv>

#include "base/address.h"
#include "base/hex.h"

namespace ringkv {
namespace {

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

template <class Int>
bool ParseWhole(std::string_view text, Int* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::string Version::ToString() const {
  return std::to_string(term.value()) + "." + std::to_string(seq);
}

Result<Version> ParseVersion(std::string_view text) {
  size_t dot = text.find('.');
  uint32_t term = 0;
  uint64_t seq = 0;
  if (dot == std::string_view::npos || !ParseWhole(text.substr(0, dot), &term) ||
      !ParseWhole(text.substr(dot + 1), &seq)) {
    return Status::InvalidArgument(
        "'" + Printable(text, 80) +
        "' is not a version; a version looks like 3.17, as put and get print it");
  }
  return Version{Term(term), seq};
}

Result<NodeId> NodeId::Parse(std::string_view text) {
  bool good =
      !text.empty() && text.size() <= 63 && text[0] != '-' &&
      std::all_of(text.begin(), text.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  if (!good) {
    return Status::InvalidArgument(
        "'" + Printable(text, 80) +
        "' is not a node id; it needs 1 to 63 of [a-z0-9-], starting with a "
        "letter or digit");
  }
  return NodeId(std::string(text));
}

Status CheckAddress(std::string_view address) {
  return ParseAddress(address, PortZero::kRefused).status();
}

}  // namespace ringkv
