// RedisAdmin: commands to one Redis server, one after the other. Blocking; thread-compatible.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "bench/peers/redis_socket.h"

namespace ringkv::bench {

class RedisAdmin {
 public:
  static Result<RedisAdmin> Connect(const std::string& address);

  // The text of the reply. Refused: the server answered with an error, which it says. Unavailable:
  // no answer in five seconds, or the connection broke.
  Result<std::string> Call(std::initializer_list<std::string_view> words);

 private:
  explicit RedisAdmin(RedisSocket socket) : socket_(std::move(socket)) {}
  Status WaitFor(short events, MonoTime deadline);

  RedisSocket socket_;
};

// The value of a field of what INFO and CLUSTER INFO answer, lines of `field:value`; empty: it is
// not there.
std::string RedisInfoField(std::string_view info, std::string_view field);

}  // namespace ringkv::bench
