#include "bench/peers/redis_admin.h"

#include <poll.h>

#include <algorithm>

namespace ringkv::bench {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

}  // namespace

Result<RedisAdmin> RedisAdmin::Connect(const std::string& address) {
  auto socket = RedisSocket::Connect(address);
  if (!socket.ok()) return socket.status();
  return RedisAdmin(std::move(*socket));
}

Status RedisAdmin::WaitFor(short events, MonoTime deadline) {
  pollfd watched{socket_.fd(), events, 0};
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - RealClock().Now());
  // A signal is no answer: asked again, as is what has come too early.
  if (left.count() > 0 && ::poll(&watched, 1, static_cast<int>(left.count())) != 0) {
    return Status::Ok();
  }
  return Status::Unavailable("the server does not answer");
}

Result<std::string> RedisAdmin::Call(std::initializer_list<std::string_view> words) {
  const MonoTime deadline = RealClock().Now() + kPatience;
  AppendCommand(&socket_.outgoing(), words);
  RINGKV_RETURN_IF_ERROR(socket_.Flush());
  while (!socket_.outgoing().empty()) {
    RINGKV_RETURN_IF_ERROR(WaitFor(POLLOUT, deadline));
    RINGKV_RETURN_IF_ERROR(socket_.Flush());
  }
  RespReply reply;
  RespReader::Found found = RespReader::Found::kNotWhole;
  while ((found = socket_.replies().Next(&reply)) == RespReader::Found::kNotWhole) {
    RINGKV_RETURN_IF_ERROR(WaitFor(POLLIN, deadline));
    RINGKV_RETURN_IF_ERROR(socket_.Receive());
  }
  if (found == RespReader::Found::kBroken) return Status::Unavailable("what came is no RESP");
  if (reply.kind == RespReply::Kind::kError) return Status::Refused(std::string(reply.text));
  if (reply.kind == RespReply::Kind::kInteger) return std::to_string(reply.integer);
  return std::string(reply.text);
}

std::string RedisInfoField(std::string_view info, std::string_view field) {
  while (!info.empty()) {
    const size_t end = std::min(info.find('\n'), info.size());
    std::string_view line = info.substr(0, end);
    info.remove_prefix(std::min(end + 1, info.size()));
    if (line.size() <= field.size() || !line.starts_with(field) || line[field.size()] != ':') {
      continue;
    }
    line.remove_prefix(field.size() + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return std::string(line);
  }
  return "";
}

}  // namespace ringkv::bench
