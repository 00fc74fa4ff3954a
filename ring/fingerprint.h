// What tells two tables apart without reading them: the sum, modulo 2^64, of a number for each of
// their entries. A table that changes entry by entry keeps it up to date by subtracting and adding,
// and gets to the same sum on whatever way it got to its entries, on every machine.
//
// Two different tables have the same one with a chance of 2^-64, unless somebody is looking for it:
// it finds mistakes, no forgeries. Pure functions; thread-safe.
#pragma once

#include <cstdint>

namespace ringkv {

// Each bit of the result depends on each of `bits` (the finaliser of splitmix64; Steele, Lea,
// Flood, "Fast splittable pseudorandom number generators", 2014).
constexpr uint64_t Mixed(uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
  return bits ^ (bits >> 31);
}

// An entry that is 0 counts for nothing, so that a table of zeros needs no look.
constexpr uint64_t EntryFingerprint(uint64_t place, uint64_t entry) {
  return entry == 0 ? 0 : Mixed(entry ^ Mixed(place + 1));
}

}  // namespace ringkv
