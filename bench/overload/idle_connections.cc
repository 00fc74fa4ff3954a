#include "bench/overload/idle_connections.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/address.h"
#include "bench/overload/http2_frames.h"
#include "bench/peers/waiting.h"

namespace ringkv::bench {
namespace {

constexpr int kWaitMs = 50;  // how soon the thread sees that it is to end

Status Broken(const std::string& what) {
  return Status::Unavailable(what + ": " + std::strerror(errno));
}

// The few bytes that are sent fit into the socket's buffer.
bool SendAll(int fd, const std::string& bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

IdleConnections::IdleConnections(std::string address, std::string method)
    : address_(std::move(address)), opening_(OpeningOf(method, address_)) {}

IdleConnections::~IdleConnections() {
  thread_ = {};
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) ::close(connection.fd);
  }
  if (epoll_ >= 0) ::close(epoll_);
}

Status IdleConnections::Open(size_t count, Duration patience) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return Broken("cannot wait for sockets");
  connections_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    RINGKV_RETURN_IF_ERROR(Connect().Annotate("connection " + std::to_string(i + 1)));
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { Serve(stop); });
  return WaitUntil(
      "an answer on each connection", patience,
      [this, count] {
        if (ended_.load() > 0) return Status::IoError("the server ended connections");
        if (ready_.load() == count) return Status::Ok();
        return Status::Unavailable("there is one on " + std::to_string(ready_.load()));
      },
      nullptr);
}

Status IdleConnections::Connect() {
  const auto where = ParseAddress(address_, PortZero::kRefused);
  if (!where.ok()) return where.status();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(where->port);
  if (::inet_pton(AF_INET, where->host.c_str(), &to.sin_addr) != 1) {
    return Status::InvalidArgument(address_ + " is no IPv4 address and port");
  }
  Connection& made = connections_.emplace_back();
  made.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made.fd < 0) return Broken("cannot make a socket");
  if (::connect(made.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return Broken("cannot connect to " + address_);
  }
  ::fcntl(made.fd, F_SETFL, O_NONBLOCK);
  if (!SendAll(made.fd, opening_)) return Broken("cannot send");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = connections_.size() - 1;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, made.fd, &event) != 0) return Broken("cannot wait for it");
  return Status::Ok();
}

void IdleConnections::Serve(const std::stop_token& stop) {
  std::array<epoll_event, 256> events;
  while (!stop.stop_requested()) {
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kWaitMs);
    for (int i = 0; i < count; ++i) Receive(connections_[events[static_cast<size_t>(i)].data.u64]);
  }
}

void IdleConnections::Receive(Connection& connection) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return End(connection);
  connection.incoming.append(buffer.data(), static_cast<size_t>(got));
  Frame frame;
  while (!connection.ended && TakeFrame(&connection.incoming, &frame)) Answer(connection, frame);
}

void IdleConnections::Answer(Connection& connection, const Frame& frame) {
  switch (frame.type) {
    case FrameType::kSettings:
      if (!frame.ack() &&
          !SendAll(connection.fd, Encode({FrameType::kSettings, kAckFlag, 0, ""}))) {
        End(connection);
      }
      return;
    case FrameType::kPing:
      if (frame.ack()) {
        if (!connection.ready) ready_.fetch_add(1);
        connection.ready = true;
      } else if (!SendAll(connection.fd, Encode({FrameType::kPing, kAckFlag, 0, frame.payload}))) {
        End(connection);
      }
      return;
    // The stream was answered, or ended, or the server goes: it is not idle.
    case FrameType::kData:
    case FrameType::kHeaders:
    case FrameType::kRstStream:
    case FrameType::kGoAway:
      return End(connection);
    case FrameType::kWindowUpdate:
      return;
  }
}

void IdleConnections::End(Connection& connection) {
  if (connection.ended) return;
  connection.ended = true;
  if (!connection.ready) ready_.fetch_add(1);  // so that ended ones are no part of those open
  connection.ready = true;
  ended_.fetch_add(1);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd, nullptr);
}

uint64_t RaiseOpenFiles() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace ringkv::bench
