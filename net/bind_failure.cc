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

// The address as people know it, and 0 or the errno of the first attempt that fails.
Result<int> TryAll(std::string_view address, const std::string& cannot) {
  Result<HostPort> parsed = ParseAddress(address, PortZero::kAllowed);
  if (!parsed.ok()) return parsed.status();
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
  return first_error;
}

Status Explain(const std::string& cannot, int error) {
  switch (error) {
    case EADDRINUSE:
      return Status::Unavailable(cannot +
                                 "the address is in use by another process: stop that one, or "
                                 "give this one another port");
    case EADDRNOTAVAIL:
      return Status::InvalidArgument(cannot + "it is not an address of this machine");
    case EACCES:
      return Status::IoError(cannot + "no permission (ports below 1024 need privileges)");
    default:
      return Status::IoError(cannot + std::strerror(error));
  }
}

std::string CannotListen(std::string_view address) {
  return "cannot listen on " + std::string(address) + ": ";
}

}  // namespace

Status CheckCanListen(std::string_view address) {
  const std::string cannot = CannotListen(address);
  const Result<int> error = TryAll(address, cannot);
  if (!error.ok()) return error.status();
  return *error == 0 ? Status::Ok() : Explain(cannot, *error);
}

Status ExplainBindFailure(std::string_view address) {
  Status why = CheckCanListen(address);
  if (!why.ok()) return why;
  return Status::IoError(CannotListen(address) + "the cause is gone by now; try again");
}

}  // namespace ringkv
