// Which master of a Redis Cluster has a key. Immutable; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringkv::bench {

constexpr int kRedisSlots = 16'384;

// The CRC16 of XMODEM (polynomial 0x1021, from 0, most significant bit first) modulo the number of
// slots: the Redis Cluster specification, "Key distribution model". For keys without a hash tag.
int RedisSlotOf(std::string_view key);

// Slots are shared out in as many equal runs as there are masters: the first slot of a master's,
// and, for the number behind the last master, kRedisSlots.
constexpr int FirstRedisSlotOf(size_t master, size_t masters) {
  return static_cast<int>(master * kRedisSlots / masters);
}
size_t RedisMasterOf(int slot, size_t masters);

}  // namespace ringkv::bench
