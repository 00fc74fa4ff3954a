// The planner's worktable: the rows of a ring while they change, and what they were before.
//
// Nodes are numbers from 0 to nodes() - 1 in the order of their ids; nobody() stands for an empty
// place in a row, of which a row may have several. The one operation is Hop: in one row, one node
// takes the place of another. A hop keeps every row's length, and no row ever holds a node twice.
//
// Thread-compatible. Memory: about 16 bytes a replica, and the pair counts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/pair_counts.h"
#include "ring/shares.h"

namespace ringkv {

class Placement {
 public:
  // `rows`: slots × width node numbers. A row may come to hold as many nobodies as `empty_places`.
  // `targets`: how many slots each node is to hold in the end: its share, rounded.
  Placement(std::vector<uint32_t> rows, uint32_t width, uint32_t empty_places,
            std::span<const Share> shares, std::span<const uint32_t> targets);

  uint32_t nodes() const { return nodes_; }
  uint32_t nobody() const { return nodes_; }
  uint32_t slots() const { return slots_; }
  uint32_t width() const { return width_; }

  std::span<const uint32_t> Row(uint32_t slot) const { return RowOf(rows_, slot); }
  std::span<const uint32_t> RowBefore(uint32_t slot) const { return RowOf(before_, slot); }
  bool Holds(uint32_t slot, uint32_t node) const { return Contains(Row(slot), node); }
  bool HeldBefore(uint32_t slot, uint32_t node) const { return Contains(RowBefore(slot), node); }
  bool CanEnter(uint32_t slot, uint32_t node) const;

  // Replicas that have to be copied because `node` is in the row: 0 or 1.
  int CopiesFor(uint32_t slot, uint32_t node) const {
    return node != nobody() && !HeldBefore(slot, node) ? 1 : 0;
  }

  // What each node still has to give (positive) or to take (negative); the last is nobody.
  int64_t surplus(uint32_t node) const { return surplus_[node]; }

  // Which way a node's share is rounded; kWhole: there is nothing to round.
  enum class Rounding : uint8_t { kWhole, kDown, kUp };
  Rounding rounding(uint32_t node) const { return rounding_[node]; }

  // Rounds `up` up and `down` down, which were the other way round.
  void Reround(uint32_t up, uint32_t down);

  // Slots that the node holds or has held; who asks checks with Holds. May name one twice.
  const std::vector<uint32_t>& MaybeHeldBy(uint32_t node) const { return held_[node]; }

  // Needs Holds(slot, leaving) and CanEnter(slot, entering).
  void Hop(uint32_t slot, uint32_t leaving, uint32_t entering);

  // How the hop would change the evenness of the spread; negative is better.
  int64_t SpreadCost(uint32_t slot, uint32_t leaving, uint32_t entering) const {
    return pairs_.ReplaceCost(Row(slot), leaving, entering);
  }
  const PairCounts& pairs() const { return pairs_; }

  // Puts empty places last in every row; the order of the others stays.
  void PackRows();

  // Puts the row's `place` first; it moves no data.
  void MakeFirst(uint32_t slot, uint32_t place);

 private:
  std::span<const uint32_t> RowOf(const std::vector<uint32_t>& rows, uint32_t slot) const {
    return {rows.data() + size_t{slot} * width_, width_};
  }
  static bool Contains(std::span<const uint32_t> row, uint32_t node) {
    for (uint32_t n : row) {
      if (n == node) return true;
    }
    return false;
  }

  const uint32_t nodes_;
  const uint32_t slots_;
  const uint32_t width_;
  const uint32_t empty_places_;
  std::vector<uint32_t> rows_;
  const std::vector<uint32_t> before_;
  std::vector<int64_t> surplus_;             // nodes_ + 1
  std::vector<Rounding> rounding_;           // nodes_ + 1
  std::vector<std::vector<uint32_t>> held_;  // nodes_ + 1
  PairCounts pairs_;
};

}  // namespace ringkv
