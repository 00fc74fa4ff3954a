#include "bench/peers/redis_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/address.h"

namespace ringkv::bench {
namespace {

constexpr size_t kReceiveBytes = 64 << 10;

Status Broken(const std::string& what) {
  return Status::Unavailable(what + ": " + std::strerror(errno));
}

}  // namespace

Result<RedisSocket> RedisSocket::Connect(const std::string& address) {
  const auto where = ParseAddress(address, PortZero::kRefused);
  if (!where.ok()) return where.status();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(where->port);
  if (::inet_pton(AF_INET, where->host.c_str(), &to.sin_addr) != 1) {
    return Status::InvalidArgument(address + " is no IPv4 address and port");
  }
  RedisSocket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.fd_ < 0) return Broken("cannot make a socket");
  // On one machine this does not wait for anything.
  if (::connect(made.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return Broken("cannot connect to " + address);
  }
  const int on = 1;
  ::setsockopt(made.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(made.fd_, F_SETFL, O_NONBLOCK);
  return made;
}

RedisSocket::RedisSocket(RedisSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      outgoing_(std::move(other.outgoing_)),
      replies_(std::move(other.replies_)) {}

RedisSocket::~RedisSocket() {
  if (fd_ >= 0) ::close(fd_);
}

Status RedisSocket::Flush() {
  size_t sent = 0;
  while (sent < outgoing_.size()) {
    const ssize_t now = ::send(fd_, outgoing_.data() + sent, outgoing_.size() - sent, MSG_NOSIGNAL);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0 && errno != EAGAIN) return Broken("cannot send");
    if (now < 0) break;
    sent += static_cast<size_t>(now);
  }
  outgoing_.erase(0, sent);
  return Status::Ok();
}

Status RedisSocket::Receive() {
  for (;;) {
    const ssize_t got = ::recv(fd_, replies_.Space(kReceiveBytes), kReceiveBytes, 0);
    if (got == 0) return Status::Unavailable("the server closed the connection");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return Broken("cannot receive");
    if (got > 0) replies_.Filled(static_cast<size_t>(got));
    return Status::Ok();
  }
}

}  // namespace ringkv::bench
