// An address, taken apart: host and port. The one parser for "host:port"; `CheckAddress`
// (base/ids.h) is the same rule for addresses of others, where port 0 has no meaning.
// Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ringkv {

struct HostPort {
  std::string host;  // without brackets, also for IPv6
  uint16_t port = 0;
};

enum class PortZero {
  kRefused,  // an address of someone to call
  kAllowed,  // an address to listen on: 0 asks the system for a free port
};

// `host:port` with a host that is a name, an IPv4 or a [bracketed IPv6] address. InvalidArgument
// says what is wrong.
Result<HostPort> ParseAddress(std::string_view address, PortZero port_zero);

// The inverse: puts brackets around an IPv6 host.
std::string FormatAddress(std::string_view host, uint16_t port);

}  // namespace ringkv
