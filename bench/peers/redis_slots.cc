#include "bench/peers/redis_slots.h"

#include <array>

namespace ringkv::bench {
namespace {

constexpr std::array<uint16_t, 256> Table() {
  std::array<uint16_t, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = Table();

}  // namespace

int RedisSlotOf(std::string_view key) {
  uint16_t crc = 0;
  for (const char c : key) {
    crc = static_cast<uint16_t>((crc << 8) ^ kTable[(crc >> 8) ^ static_cast<uint8_t>(c)]);
  }
  return crc % kRedisSlots;
}

size_t RedisMasterOf(int slot, size_t masters) {
  size_t master = static_cast<size_t>(slot) * masters / kRedisSlots;
  if (slot >= FirstRedisSlotOf(master + 1, masters)) ++master;
  return master;
}

}  // namespace ringkv::bench
