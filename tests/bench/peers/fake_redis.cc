#include "tests/bench/peers/fake_redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace ringkv::bench {
namespace {

int Listen(std::string* address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  RINGKV_CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&where), size) == 0, "a port is free");
  RINGKV_CHECK(::listen(fd, 1024) == 0, "a socket can listen");
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
  *address = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
  return fd;
}

// A whole command at the start of `bytes`, which is taken away; none: there is not all of it.
std::optional<std::vector<std::string>> TakeCommand(std::string* bytes) {
  size_t at = 0;
  const auto number = [&](char kind) -> std::optional<size_t> {
    const size_t end = bytes->find("\r\n", at);
    if (end == std::string::npos) return std::nullopt;
    RINGKV_CHECK((*bytes)[at] == kind, "clients send arrays of bulk strings");
    const size_t value = std::stoul(bytes->substr(at + 1, end - at - 1));
    at = end + 2;
    return value;
  };
  const auto count = number('*');
  if (!count) return std::nullopt;
  std::vector<std::string> words;
  for (size_t i = 0; i < *count; ++i) {
    const auto size = number('$');
    if (!size || bytes->size() < at + *size + 2) return std::nullopt;
    words.push_back(bytes->substr(at, *size));
    RINGKV_CHECK(bytes->substr(at + *size, 2) == "\r\n", "a bulk string has its end");
    at += *size + 2;
  }
  bytes->erase(0, at);
  return words;
}

}  // namespace

FakeRedis::FakeRedis(Misbehaviour how, int wait_answer) : how_(how), wait_answer_(wait_answer) {
  addresses_.resize(kMasters);
  for (std::string& address : addresses_) listeners_.push_back(Listen(&address));
  RINGKV_CHECK(::pipe(wake_) == 0, "a pipe can be made");
  thread_ = std::thread([this] { Serve(); });
}

FakeRedis::~FakeRedis() {
  ::close(wake_[1]);
  thread_.join();
  ::close(wake_[0]);
  for (const int fd : listeners_) ::close(fd);
  for (const Peer& peer : peers_) ::close(peer.fd);
}

std::map<std::string, std::array<int, FakeRedis::kMasters>> FakeRedis::Sets() {
  std::lock_guard lock(mutex_);
  return sets_;
}

std::string FakeRedis::ValueOf(const std::string& key) {
  std::lock_guard lock(mutex_);
  return values_[key];
}

void FakeRedis::Serve() {
  for (;;) {
    std::vector<pollfd> watched{{wake_[0], POLLIN, 0}};
    for (const int fd : listeners_) watched.push_back({fd, POLLIN, 0});
    for (const Peer& peer : peers_) watched.push_back({peer.fd, POLLIN, 0});
    ::poll(watched.data(), watched.size(), -1);
    if (watched[0].revents != 0) return;
    std::vector<Peer> left;
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (watched[1 + kMasters + i].revents != 0 && !OnReadable(peers_[i])) {
        ::close(peers_[i].fd);
      } else {
        left.push_back(std::move(peers_[i]));
      }
    }
    peers_ = std::move(left);
    for (size_t i = 0; i < kMasters; ++i) {
      if (watched[1 + i].revents == 0) continue;
      const int fd = ::accept4(listeners_[i], nullptr, nullptr, SOCK_CLOEXEC);
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      peers_.push_back({fd, i, ""});
    }
  }
}

bool FakeRedis::OnReadable(Peer& peer) {
  char buffer[16 << 10];
  const ssize_t got = ::recv(peer.fd, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  peer.received.append(buffer, static_cast<size_t>(got));
  uint64_t commands = 0;
  while (const auto words = TakeCommand(&peer.received)) {
    ++commands;
    if (!Answer(peer, *words)) return false;
  }
  most_together_ = std::max<uint64_t>(most_together_, commands);
  return true;
}

bool FakeRedis::Answer(const Peer& peer, const std::vector<std::string>& words) {
  if (words[0] == "WAIT") {
    ++waits_;
    return Send(peer.fd, ":" + std::to_string(wait_answer_) + "\r\n");
  }
  if (words[0] == "GET") {
    std::lock_guard lock(mutex_);
    const auto found = values_.find(words[1]);
    if (found == values_.end()) return Send(peer.fd, "$-1\r\n");
    return Send(peer.fd,
                "$" + std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n");
  }
  if (words[0] != "SET") return Send(peer.fd, "-ERR unknown command '" + words[0] + "'\r\n");
  {
    std::lock_guard lock(mutex_);
    values_[words[1]] = words[2];
    ++sets_[words[1]][peer.master];
  }
  switch (how_) {
    case Misbehaviour::kErrors:
      return Send(peer.fd, "-CLUSTERDOWN The cluster is down\r\n");
    case Misbehaviour::kGarbage:
      return Send(peer.fd, "HTTP/1.1 400 Bad Request\r\n");
    case Misbehaviour::kSilence:
      return true;
    case Misbehaviour::kHangUp:
      return false;
    default:
      return Send(peer.fd, "+OK\r\n");
  }
}

bool FakeRedis::Send(int fd, const std::string& bytes) {
  const size_t piece = how_ == Misbehaviour::kSplits ? 1 : bytes.size();
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (::send(fd, bytes.data() + at, piece, MSG_NOSIGNAL) != static_cast<ssize_t>(piece)) {
      return false;
    }
  }
  return true;
}

}  // namespace ringkv::bench
