// What the reference schemes compute with. Pure functions; thread-safe.
#pragma once

#include <cstdint>

namespace ringkv::bench {

__extension__ using Uint128 = unsigned __int128;

// A hash of two numbers: the finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014) over both. Quicker ones leave the hashes of neighbouring
// numbers related, which rendezvous hashing turns into uneven nodes.
constexpr uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t z = a ^ ((b + 1) * 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Which of `bins` equal ranges of [0, 2^64) holds `number`, without a division.
constexpr uint64_t BinOf(uint64_t number, uint64_t bins) {
  return static_cast<uint64_t>((Uint128{number} * bins) >> 64);
}

}  // namespace ringkv::bench
