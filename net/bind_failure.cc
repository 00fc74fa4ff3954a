#include "net/bind_failure.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "base/address.h"

namespace ringkv {
namespace {

// 0, or the errno of the first step that fails.
int TryToListen(const addrinfo& where) {
  int fd = ::socket(where.ai_family, where.ai_socktype | SOCK_CLOEXEC, where.ai_protocol);
  if (fd < 0) return errno;
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool listens = ::bind(fd, where.ai_addr, where.ai_addrlen) == 0 && ::listen(fd, 1) == 0;
  int error = listens ? 0 : errno;
  ::close(fd);
  return error;
}

}  // namespace

Status ExplainBindFailure(std::string_view address) {
  Result<HostPort> parsed = ParseAddress(address, PortZero::kAllowed);
  if (!parsed.ok()) return parsed.status();
  std::string cannot = "cannot listen on " + std::string(address) + ": ";

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::string port = std::to_string(parsed->port);
  if (int error = ::getaddrinfo(parsed->host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return Status::InvalidArgument(cannot + "the host is not known (" + ::gai_strerror(error) +
                                   ")");
  }
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  int first_error = 0;
  for (const addrinfo* each = found; each != nullptr && first_error == 0; each = each->ai_next) {
    first_error = TryToListen(*each);
  }
  switch (first_error) {
    case 0:
      return Status::IoError(cannot + "the cause is gone by now; try again");
    case EADDRINUSE:
      return Status::Unavailable(cannot + "the address is in use by another process");
    case EADDRNOTAVAIL:
      return Status::InvalidArgument(cannot + "it is not an address of this machine");
    case EACCES:
      return Status::IoError(cannot + "no permission (ports below 1024 need privileges)");
    default:
      return Status::IoError(cannot + std::strerror(first_error));
  }
}

}  // namespace ringkv
