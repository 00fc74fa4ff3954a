// Rounds are the colours of an edge colouring of the bipartite multigraph givers × takers with an
// edge for each move. Its least number of colours is its greatest degree (Koenig, "Über Graphen und
// ihre Anwendung auf Determinantentheorie und Mengenlehre", 1916), and his proof is the algorithm:
// take the edges one by one; where no colour is free at both ends, exchange two colours along the
// path that alternates between them.
#include "ring/move_rounds.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// Numbers for the nodes of one side, from 0 on: by the moves, not by the ring's size.
class Numbering {
 public:
  Numbering(std::span<const Move> moves, std::optional<NodeIndex> Move::*side) : side_(side) {
    for (const Move& move : moves) {
      if (move.*side) nodes_.push_back(*(move.*side));
    }
    std::sort(nodes_.begin(), nodes_.end());
    nodes_.erase(std::unique(nodes_.begin(), nodes_.end()), nodes_.end());
  }

  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  uint32_t operator()(const Move& move) const {
    if (!(move.*side_)) return kNone;
    const auto it = std::lower_bound(nodes_.begin(), nodes_.end(), *(move.*side_));
    return static_cast<uint32_t>(it - nodes_.begin());
  }

 private:
  std::optional<NodeIndex> Move::*side_;
  std::vector<NodeIndex> nodes_;
};

// For each vertex, which of its edges has a colour: a hash table each, of twice the vertex' degree,
// so that a vertex with few edges costs little however many colours there are. A table with a cell
// for every colour is an array.
class ColourTables {
 public:
  ColourTables(std::span<const uint32_t> degrees, uint32_t colours) : colours_(colours) {
    first_.push_back(0);
    for (uint32_t degree : degrees) {
      const size_t cells = std::bit_ceil(std::min(size_t{colours}, 2 * size_t{degree}));
      first_.push_back(first_.back() + cells);
    }
    cells_.resize(first_.back());
    lowest_free_.resize(degrees.size(), 0);
  }

  // kNone: none has it.
  uint32_t EdgeOf(uint32_t vertex, uint32_t colour) const {
    return cells_[CellOf(vertex, colour)].edge;
  }

  // The lowest that is free.
  uint32_t FreeColour(uint32_t vertex) {
    uint32_t& colour = lowest_free_[vertex];
    while (EdgeOf(vertex, colour) != kNone) ++colour;
    return colour;
  }

  // Needs a colour that is free.
  void Put(uint32_t vertex, uint32_t colour, uint32_t edge) {
    cells_[CellOf(vertex, colour)] = {colour, edge};
  }

  // Needs a colour that is not.
  void Remove(uint32_t vertex, uint32_t colour) {
    const size_t mask = MaskOf(vertex);
    Cell* const table = &cells_[first_[vertex]];
    size_t hole = CellOf(vertex, colour) - first_[vertex];
    // In a table that is no array, whoever was pushed on by the cell's owner moves up, so that no
    // search ends too early (Knuth, "The Art of Computer Programming", volume 3, 6.4, algorithm R).
    const bool is_array = mask + 1 >= colours_;
    for (size_t i = (hole + 1) & mask; !is_array && table[i].edge != kNone; i = (i + 1) & mask) {
      const size_t distance = (i - (table[i].colour & mask)) & mask;
      if (distance < ((i - hole) & mask)) continue;
      table[hole] = table[i];
      hole = i;
    }
    table[hole] = Cell();
    lowest_free_[vertex] = std::min(lowest_free_[vertex], colour);
  }

 private:
  struct Cell {
    uint32_t colour = kNone;
    uint32_t edge = kNone;
  };

  size_t MaskOf(uint32_t vertex) const { return first_[vertex + 1] - first_[vertex] - 1; }

  // The cell that has the colour, or the empty one where it would be.
  size_t CellOf(uint32_t vertex, uint32_t colour) const {
    const size_t mask = MaskOf(vertex);
    size_t i = colour & mask;
    while (cells_[first_[vertex] + i].edge != kNone &&
           cells_[first_[vertex] + i].colour != colour) {
      i = (i + 1) & mask;
    }
    return first_[vertex] + i;
  }

  const uint32_t colours_;
  std::vector<size_t> first_;  // cell of each vertex, and the end
  std::vector<Cell> cells_;
  std::vector<uint32_t> lowest_free_;  // nothing below is free
};

class Colouring {
 public:
  explicit Colouring(std::span<const Move> moves) {
    const Numbering giver(moves, &Move::from);
    const Numbering taker(moves, &Move::to);
    std::vector<uint32_t> degrees(giver.size() + taker.size());
    for (const Move& move : moves) {
      RINGKV_CHECK(move.from || move.to, "a move goes from somewhere or to somewhere");
      const uint32_t from = giver(move);
      const uint32_t to = move.to ? giver.size() + taker(move) : kNone;
      for (uint32_t vertex : {from, to}) {
        if (vertex != kNone) colours_ = std::max(colours_, ++degrees[vertex]);
      }
      edges_.push_back({from, to, kNone});
    }
    ColourTables tables(degrees, colours_);
    for (uint32_t edge = 0; edge < edges_.size(); ++edge) {
      Paint(tables, edge, ChooseColour(tables, edge));
    }
  }

  uint32_t colours() const { return colours_; }
  uint32_t ColourOf(size_t edge) const { return edges_[edge].colour; }

 private:
  struct Edge {
    uint32_t from, to;  // vertices; kNone: that end is free
    uint32_t colour;
  };

  // One that is free at both ends, made so where need be.
  uint32_t ChooseColour(ColourTables& tables, uint32_t edge) {
    const uint32_t from = edges_[edge].from;
    const uint32_t to = edges_[edge].to;
    if (from == kNone) return tables.FreeColour(to);
    const uint32_t at_from = tables.FreeColour(from);
    if (to == kNone || tables.EdgeOf(to, at_from) == kNone) return at_from;
    const uint32_t at_to = tables.FreeColour(to);
    if (tables.EdgeOf(from, at_to) == kNone) return at_to;
    // The path cannot end at `from`: it would come in by an edge of the colour that is free there.
    Exchange(tables, to, at_from, at_to);
    return at_from;
  }

  // Along the path from `vertex` whose edges have the colours `a`, `b`, `a`, …
  void Exchange(ColourTables& tables, uint32_t vertex, uint32_t a, uint32_t b) {
    path_.clear();
    for (uint32_t colour = a; vertex != kNone; colour = colour == a ? b : a) {
      const uint32_t edge = tables.EdgeOf(vertex, colour);
      if (edge == kNone) break;
      path_.push_back(edge);
      vertex = edges_[edge].from == vertex ? edges_[edge].to : edges_[edge].from;
    }
    for (uint32_t edge : path_) {
      for (uint32_t end : {edges_[edge].from, edges_[edge].to}) {
        if (end != kNone) tables.Remove(end, edges_[edge].colour);
      }
    }
    for (uint32_t edge : path_) Paint(tables, edge, edges_[edge].colour == a ? b : a);
  }

  void Paint(ColourTables& tables, uint32_t edge, uint32_t colour) {
    edges_[edge].colour = colour;
    for (uint32_t end : {edges_[edge].from, edges_[edge].to}) {
      if (end != kNone) tables.Put(end, colour, edge);
    }
  }

  uint32_t colours_ = 0;
  std::vector<Edge> edges_;
  std::vector<uint32_t> path_;  // of Exchange: kept for its memory
};

}  // namespace

std::span<const Move> MoveRounds::Window(size_t first, size_t count) const {
  const size_t begin = first == 0 ? 0 : ends_[first - 1];
  const size_t last = count < size() - first ? first + count : size();
  return std::span(moves_).subspan(begin, last == 0 ? 0 : ends_[last - 1] - begin);
}

MoveRounds RoundsOf(std::span<const Move> moves) {
  const Colouring colouring(moves);
  std::vector<size_t> ends(colouring.colours() + size_t{1}, 0);
  for (size_t i = 0; i < moves.size(); ++i) ++ends[colouring.ColourOf(i) + size_t{1}];
  for (size_t round = 1; round < ends.size(); ++round) ends[round] += ends[round - 1];
  std::vector<Move> ordered(moves.size());
  // Each position that is given out brings the start of its round nearer to its end.
  for (size_t i = 0; i < moves.size(); ++i) ordered[ends[colouring.ColourOf(i)]++] = moves[i];
  ends.pop_back();
  return {std::move(ordered), std::move(ends)};
}

std::vector<PairMoves> SumByPair(std::span<const Move> moves,
                                 std::span<const uint64_t> slot_bytes) {
  std::vector<PairMoves> pairs;
  for (const Move& move : moves) {
    RINGKV_CHECK(slot_bytes.empty() || move.slot.value() < slot_bytes.size(),
                 "a size for each slot, or for none");
    pairs.push_back(
        {move.from, move.to, 1, slot_bytes.empty() ? 0 : slot_bytes[move.slot.value()]});
  }
  auto nodes = [](const PairMoves& pair) { return std::tie(pair.from, pair.to); };
  std::sort(pairs.begin(), pairs.end(),
            [&](const PairMoves& a, const PairMoves& b) { return nodes(a) < nodes(b); });
  size_t last = 0;
  for (size_t i = 1; i < pairs.size(); ++i) {
    if (nodes(pairs[i]) != nodes(pairs[last])) {
      pairs[++last] = pairs[i];
      continue;
    }
    pairs[last].slots += pairs[i].slots;
    pairs[last].bytes += pairs[i].bytes;
  }
  if (!pairs.empty()) pairs.resize(last + 1);
  return pairs;
}

}  // namespace ringkv
