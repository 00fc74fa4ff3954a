// The reference schemes as contenders, cut down where one could not be built in sensible time or
// memory with that many nodes: fewer points a node, fewer entries. The title says the number used.
#pragma once

#include <span>
#include <string_view>

#include "bench/ring/contender.h"

namespace ringkv::bench {

inline constexpr uint32_t kPointsEach = 128;
inline constexpr uint32_t kMaxPoints = uint32_t{1} << 24;
inline constexpr uint32_t kMinMaglevEntries = 65537;  // the paper's smaller table
inline constexpr uint32_t kMaglevEntriesEach = 64;
inline constexpr uint32_t kMaxMaglevEntries = uint32_t{1} << 24;

// Their keys, in the order of the table.
std::span<const std::string_view> ReferenceKeys();

// Needs one of the keys, and at least three nodes.
Contender BuildReference(std::string_view key, uint32_t nodes, const StructureBudget& budget);

// The physical limit: random reads of 8 bytes from a table of `entries` of them (a power of two),
// allocated like the ring's own. Nothing that reads a table of this size once a look-up is faster.
Contender BuildRandomRead(uint32_t entries);

// The generator of tokens alone.
Contender BuildGenerator();

// The hash of a 16-byte key that lies in the first-level cache: XXH3 by itself, and what the store
// calls, which looks for a hash tag first.
Contender BuildHash();
Contender BuildTokenOf();

}  // namespace ringkv::bench
