#include "base/random.h"

#include <random>

#include "base/check.h"

namespace ringkv {

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t Random::Below(uint64_t bound) {
  RINGKV_CHECK(bound > 0, "an empty range has no member");
  return Next() % bound;
}

uint64_t Random::Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }

double Random::Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

uint64_t RandomSeed() {
  std::random_device device;
  uint64_t seed = 0;
  while (seed == 0) seed = (static_cast<uint64_t>(device()) << 32) | device();
  return seed;
}

std::string RandomUuid() {
  std::string uuid;
  for (int half = 0; half < 2; ++half) {
    uint64_t bits = RandomSeed();
    uuid.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return uuid;
}

}  // namespace ringkv
