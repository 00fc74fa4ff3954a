// From key to token to slot to group: the arithmetic that every process of a cluster must do alike,
// so it never changes for a formed cluster.
//
// The hash space is [0, 2^64). A token is XXH3-64 (seed 0) of the key or of its hash tag. Slots and
// groups are the token's top bits: both cut the space into equal contiguous ranges, and a group is
// a contiguous range of slots. Slots: a power of two from kMinSlots to kMaxSlots; groups: a power
// of two from 1 to the slots; IsSlotCount and IsGroupCount judge what came from outside.
//
// Pure functions; thread-safe; no allocation.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/limits.h"

namespace ringkv {

// Where a key holds `{…}` with something in it: the bytes between the first `{` and the next `}`.
// Otherwise the whole key. A view into `key`.
std::string_view HashedPart(std::string_view key);

// XXH3-64, seed 0, of HashedPart(key). Any bytes, also none.
Token TokenOf(std::string_view key);

constexpr bool IsSlotCount(uint64_t slots) {
  return std::has_single_bit(slots) && slots >= kMinSlots && slots <= kMaxSlots;
}
constexpr bool IsGroupCount(uint64_t groups, uint32_t slots) {
  return std::has_single_bit(groups) && groups <= slots;
}

// Needs IsSlotCount(slots).
constexpr SlotId SlotOf(Token token, uint32_t slots) {
  // The builtin, for std::countr_zero asks whether there is a bit at all, once for each look-up.
  return SlotId(static_cast<uint32_t>(token.value() >> (64 - __builtin_ctz(slots))));
}

// Needs IsGroupCount(groups, slots) and slot < slots.
constexpr GroupId GroupOf(SlotId slot, uint32_t slots, uint32_t groups) {
  return GroupId(slot.value() >> (std::countr_zero(slots) - std::countr_zero(groups)));
}

}  // namespace ringkv
