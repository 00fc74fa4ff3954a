// Randomness, as the core sees it: one seeded stream, the same on every machine (splitmix64;
// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

namespace ringkv {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next();                                // all 64 bits
  uint64_t Below(uint64_t bound);                 // 0 to bound-1; bound > 0
  uint64_t Between(uint64_t low, uint64_t high);  // both included
  double Unit();                                  // [0, 1)
  bool Chance(double probability) { return Unit() < probability; }

 private:
  uint64_t state_;
};

// From the operating system: for ids that must differ between processes and machines, never zero.
uint64_t RandomSeed();

// 16 bytes from the operating system.
std::string RandomUuid();

}  // namespace ringkv
