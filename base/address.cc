#include "base/address.h"

#include <charconv>

#include "base/hex.h"

namespace ringkv {
namespace {

bool ParsePort(std::string_view text, uint32_t* port) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  return error == std::errc() && end == text.data() + text.size() && text.size() <= 5 &&
         *port <= 65535;
}

bool IsHostCharacter(char c, bool bracketed) {
  bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
}

}  // namespace

Result<HostPort> ParseAddress(std::string_view address, PortZero port_zero) {
  auto bad = [&](std::string_view why) {
    return Status::InvalidArgument("'" + Printable(address, 300) +
                                   "' is not an address: " + std::string(why) +
                                   "; it needs host:port, such as 127.0.0.1:7400");
  };
  size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad("it has no port");
  std::string_view host = address.substr(0, colon);
  if (host.empty()) return bad("it has no host");
  if (host.size() > 255) return bad("its host is too long");
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed && host.find(':') == std::string_view::npos) {
    return bad("brackets are for IPv6 addresses, such as [::1]");
  }
  for (char c : host) {
    if (!IsHostCharacter(c, bracketed))
      return bad("its host has a character that no host name has");
  }
  uint32_t port = 0;
  bool zero_allowed = port_zero == PortZero::kAllowed;
  if (!ParsePort(address.substr(colon + 1), &port) || (port == 0 && !zero_allowed)) {
    return bad(zero_allowed ? "its port is not a number from 0 to 65535"
                            : "its port is not a number from 1 to 65535");
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

std::string FormatAddress(std::string_view host, uint16_t port) {
  bool ipv6 = host.find(':') != std::string_view::npos;
  std::string text = ipv6 ? "[" + std::string(host) + "]" : std::string(host);
  return text + ":" + std::to_string(port);
}

}  // namespace ringkv
