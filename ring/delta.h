// The difference between two rings as a value: what codec.h sends as bytes.
//
// Guarantees: Apply(a, DeltaBetween(a, b)) == b for any two rings with the same slots. A delta from
// elsewhere may hold anything: Apply judges all of it, but only what ReadDelta (delta_codec.h) lets
// through keeps the bounds of numbers and the order that it relies on.
//
// Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ring/ring.h"

namespace ringkv {

struct RingDelta {
  // Who has an index, where that differs from the base, and for each index beyond the base's.
  struct Node {
    NodeIndex index;
    Member member;  // without id: nobody
  };

  // A row that differs.
  struct Row {
    SlotId slot;
    uint8_t places = 0;  // a bit for each place with another node than in the base, or none there
    size_t first = 0;    // where the nodes of these places are in `entered`
  };

  Epoch from_epoch;
  Epoch to_epoch;
  uint32_t slots = 0;
  uint32_t from_replicas = 0;
  uint32_t to_replicas = 0;
  uint64_t base_fingerprint = 0;
  std::vector<Node> nodes;  // in the order of their indexes
  std::vector<Row> rows;    // in the order of their slots
  std::vector<NodeIndex> entered;
};

// The bit of a place in Row::places; places are below kMaxReplicas.
constexpr uint8_t PlaceBit(uint32_t place) { return static_cast<uint8_t>(1u << place); }

// Needs rings with the same slots. Costs what changed where they share pages.
RingDelta DeltaBetween(const Ring& from, const Ring& to);

// ConditionFailed: `from` is not its base. InvalidArgument: it says twice or needlessly what is so
// already, or no ring comes of it.
Result<Ring> Apply(const Ring& from, RingDelta delta);

}  // namespace ringkv
