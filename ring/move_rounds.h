// The order in which the moves of a change can run: rounds in which each node gives at most one
// slot and takes at most one, as few rounds as there can be. For the migration, for `plan`, and for
// any other system that carries the data.
//
// Guarantees: every move is in exactly one round; the rounds are as many as the busiest node has
// moves to give, or to take, whichever is more. So any k rounds in a row have at most k moves from
// one node and k to one: who allows each node k at a time keeps k rounds under way. A move without
// `from` or without `to` counts for its one node only. Early rounds are the full ones. Within a
// round, moves keep their order.
//
// Pure functions; deterministic; thread-safe. Memory and nearly all of the time grow with the
// moves, however many nodes the ring has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ring/planner.h"

namespace ringkv {

class MoveRounds {
 public:
  // `moves` round after round; `ends`: where each round ends in it.
  MoveRounds(std::vector<Move> moves, std::vector<size_t> ends)
      : moves_(std::move(moves)), ends_(std::move(ends)) {}

  size_t size() const { return ends_.size(); }
  // Needs round < size().
  std::span<const Move> operator[](size_t round) const { return Window(round, 1); }
  // `count` rounds from `first` on, or as many as there are. Needs first < size().
  std::span<const Move> Window(size_t first, size_t count) const;
  // All of them, in the order of their rounds.
  std::span<const Move> moves() const { return moves_; }

 private:
  std::vector<Move> moves_;
  std::vector<size_t> ends_;
};

// Each move needs a `from` or a `to`.
MoveRounds RoundsOf(std::span<const Move> moves);
inline MoveRounds RoundsOf(const PlannedChange& change) { return RoundsOf(change.moves); }

// What goes from one node to another in all.
struct PairMoves {
  std::optional<NodeIndex> from;
  std::optional<NodeIndex> to;
  uint64_t slots = 0;
  uint64_t bytes = 0;

  bool operator==(const PairMoves&) const = default;
};

// In the order of (from, to), nobody first. `slot_bytes`: the size of each slot of the ring; empty:
// not known, and all bytes are 0.
std::vector<PairMoves> SumByPair(std::span<const Move> moves,
                                 std::span<const uint64_t> slot_bytes = {});

}  // namespace ringkv
