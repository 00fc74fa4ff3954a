#include "base/ids.h"

#include <algorithm>
#include <charconv>

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
    return Status::InvalidArgument("'" + std::string(text) +
                                   "' is not a version; a version looks like 3.17, as put and get print it");
  }
  return Version{Term(term), seq};
}

Result<NodeId> NodeId::Parse(std::string_view text) {
  bool good = !text.empty() && text.size() <= 63 && text[0] != '-' &&
              std::all_of(text.begin(), text.end(), [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  if (!good) {
    return Status::InvalidArgument("'" + std::string(text.substr(0, 80)) +
                                   "' is not a node id; it needs 1 to 63 of [a-z0-9-], starting with a "
                                   "letter or digit");
  }
  return NodeId(std::string(text));
}

Status CheckAddress(std::string_view address) {
  auto bad = [&](std::string_view why) {
    return Status::InvalidArgument("'" + std::string(address.substr(0, 300)) + "' is not an address: " +
                                   std::string(why) + "; it needs host:port, such as 127.0.0.1:7400");
  };
  size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad("it has no port");
  std::string_view host = address.substr(0, colon);
  std::string_view port = address.substr(colon + 1);
  if (host.empty()) return bad("it has no host");
  if (host.size() > 255) return bad("its host is too long");
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  std::string_view inner = bracketed ? host.substr(1, host.size() - 2) : host;
  for (char c : inner) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    bool good = letter || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
    if (!good) return bad("its host has a character that no host name has");
  }
  uint32_t number = 0;
  if (port.size() > 5 || !ParseWhole(port, &number) || number == 0 || number > 65535) {
    return bad("its port is not a number from 1 to 65535");
  }
  return Status::Ok();
}

}  // namespace ringkv
