#include "client/kvctl/router_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/address.h"

namespace ringkv {
namespace {

constexpr int kConnectMs = 250;
constexpr int kGreetingMs = 150;  // a gRPC server speaks first
constexpr int kAnswerMs = 150;
// HTTP 1 is all that a wrong port may speak that is worth a name.
constexpr std::string_view kQuestion = "GET /livez HTTP/1.0\r\n\r\n";

class Socket {
 public:
  explicit Socket(const addrinfo& where)
      : fd_(::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // 0, or errno; ETIMEDOUT: no answer.
  int Connect(const addrinfo& where) const {
    if (::connect(fd_, where.ai_addr, where.ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (!Wait(POLLOUT, kConnectMs)) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }

  // The beginning of what it says, by itself or to the question; empty: nothing.
  std::string Hear() const {
    char buffer[64];
    if (!Wait(POLLIN, kGreetingMs)) {
      (void)!::send(fd_, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL);
      if (!Wait(POLLIN, kAnswerMs)) return {};
    }
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : std::string();
  }

 private:
  bool Wait(short events, int ms) const {
    pollfd poll{fd_, events, 0};
    return ::poll(&poll, 1, ms) > 0;
  }

  const int fd_;
};

// The first frame of a server that speaks HTTP/2: SETTINGS, on stream 0.
bool IsHttp2(const std::string& answer) {
  return answer.size() >= 9 && answer[3] == 4 && answer.substr(5, 4) == std::string(4, '\0');
}

std::string Explain(const std::string& address, const std::string& answer) {
  if (IsHttp2(answer)) return {};
  const std::string what = "what listens at " + address;
  if (answer.starts_with("HTTP/1")) {
    return what +
           " speaks HTTP and not gRPC: is it the HTTP port? By default that is 7401, and the gRPC "
           "port 7400";
  }
  return what + " does not speak gRPC: it is no router";
}

}  // namespace

std::string ExplainStranger(const std::string& address) {
  const Result<HostPort> parsed = ParseAddress(address, PortZero::kRefused);
  if (!parsed.ok()) return {};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(parsed->port);
  if (const int error = ::getaddrinfo(parsed->host.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return "the host of " + address + " is not known: " + ::gai_strerror(error);
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  const Socket socket(*found);
  switch (const int error = socket.Connect(*found)) {
    case 0:
      return Explain(address, socket.Hear());
    case ECONNREFUSED:
      return "nothing listens at " + address;
    case ETIMEDOUT:
      return "no answer from " + address + ": is the machine up, and no firewall in between?";
    default:
      return "cannot connect to " + address + ": " + std::strerror(error);
  }
}

}  // namespace ringkv
