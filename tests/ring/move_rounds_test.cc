// The promises of move_rounds.h, on random lists of moves and on real plans. On a failure
// rapidcheck prints the list that it found and RC_PARAMS="reproduce=…" to run it again.
#include "ring/move_rounds.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "base/random.h"
#include "tests/ring/cluster_fixture.h"

namespace ringkv {

std::ostream& operator<<(std::ostream& out, const Move& move) {
  auto name = [](std::optional<NodeIndex> node) {
    return node ? std::to_string(node->value()) : std::string("-");
  };
  return out << move.slot.value() << ":" << name(move.from) << ">" << name(move.to);
}

namespace {

using Counts = std::map<NodeIndex, size_t>;

// How often each node gives and takes.
std::pair<Counts, Counts> Degrees(std::span<const Move> moves) {
  std::pair<Counts, Counts> counts;
  for (const Move& move : moves) {
    if (move.from) ++counts.first[*move.from];
    if (move.to) ++counts.second[*move.to];
  }
  return counts;
}

size_t GreatestDegree(std::span<const Move> moves) {
  size_t greatest = 0;
  const auto [gives, takes] = Degrees(moves);
  for (const auto& [node, count] : gives) greatest = std::max(greatest, count);
  for (const auto& [node, count] : takes) greatest = std::max(greatest, count);
  return greatest;
}

std::vector<Move> Sorted(std::span<const Move> moves) {
  std::vector<Move> sorted(moves.begin(), moves.end());
  std::sort(sorted.begin(), sorted.end(), [](const Move& a, const Move& b) {
    return std::tie(a.slot, a.from, a.to) < std::tie(b.slot, b.from, b.to);
  });
  return sorted;
}

// The first promise that `rounds` breaks; empty: none.
std::string Broken(std::span<const Move> moves, const MoveRounds& rounds) {
  if (rounds.size() != GreatestDegree(moves)) {
    return std::to_string(rounds.size()) + " rounds instead of " +
           std::to_string(GreatestDegree(moves));
  }
  if (Sorted(moves) != Sorted(rounds.moves())) return "not the moves that it was given";
  size_t total = 0;
  for (size_t round = 0; round < rounds.size(); ++round) {
    if (rounds[round].empty()) return "an empty round";
    if (GreatestDegree(rounds[round]) > 1) return "a node twice in round " + std::to_string(round);
    total += rounds[round].size();
  }
  if (total != moves.size()) return "rounds that do not add up";
  return "";
}

rc::Gen<std::vector<Move>> RandomMoves(uint32_t nodes) {
  // Index 0 stands for nobody; a slot is only there to tell the moves apart.
  auto move = rc::gen::map(
      rc::gen::tuple(rc::gen::inRange<uint32_t>(0, 1000), rc::gen::inRange<uint32_t>(0, nodes),
                     rc::gen::inRange<uint32_t>(0, nodes)),
      [](auto t) {
        Move m{SlotId(std::get<0>(t)), std::nullopt, NodeIndex(std::get<2>(t))};
        if (std::get<1>(t) > 0) m.from = NodeIndex(std::get<1>(t));
        if (m.from && std::get<2>(t) == 0) m.to.reset();
        return m;
      });
  return rc::gen::container<std::vector<Move>>(move);
}

RC_GTEST_PROP(MoveRounds, AreTheFewestAndLoadNoNodeTwice, ()) {
  const auto nodes = *rc::gen::inRange<uint32_t>(2, 12);
  // Rapidcheck's lists are short; a few of them make multigraphs that are crowded.
  std::vector<Move> moves;
  for (int i = 0; i < 4; ++i) {
    const auto part = *RandomMoves(nodes);
    moves.insert(moves.end(), part.begin(), part.end());
  }
  const MoveRounds rounds = RoundsOf(moves);
  RC_ASSERT(Broken(moves, rounds) == "");
  for (size_t count = 1; count <= rounds.size() + 1; ++count) {
    for (size_t first = 0; first < rounds.size(); ++first) {
      const std::span<const Move> window = rounds.Window(first, count);
      RC_ASSERT(GreatestDegree(window) <= count);
      RC_ASSERT(window.data() == rounds[first].data());
      if (first + count >= rounds.size()) {
        RC_ASSERT(window.data() + window.size() == rounds.moves().data() + rounds.moves().size());
      }
    }
  }
}

RC_GTEST_PROP(MoveRounds, AreTheSameEachTimeAndKeepTheOrderWithin, ()) {
  std::vector<Move> moves = *RandomMoves(6);
  for (uint32_t i = 0; i < moves.size(); ++i) moves[i].slot = SlotId(i);
  const MoveRounds rounds = RoundsOf(moves);
  const MoveRounds again = RoundsOf(moves);
  RC_ASSERT(std::equal(rounds.moves().begin(), rounds.moves().end(), again.moves().begin(),
                       again.moves().end()));
  for (size_t i = 0; i < rounds.size(); ++i) {
    RC_ASSERT(rounds[i].size() == again[i].size());
    RC_ASSERT(std::is_sorted(rounds[i].begin(), rounds[i].end(),
                             [](const Move& a, const Move& b) { return a.slot < b.slot; }));
  }
}

TEST(MoveRounds, NoMovesAreNoRounds) {
  EXPECT_EQ(RoundsOf(std::vector<Move>()).size(), 0u);
  EXPECT_TRUE(RoundsOf(std::vector<Move>()).moves().empty());
}

TEST(MoveRounds, OrderWhatThePlannerPlans) {
  const PlannedChange added = AddNode(Formed(10, 3, 256), Node(11)).value();
  EXPECT_EQ(Broken(added.moves, RoundsOf(added)), "");
  EXPECT_EQ(RoundsOf(added).size(), added.moves.size());  // all of them go to the new node
  const PlannedChange heavier = SetVnodes(added.next, Id("n4"), 400).value();
  EXPECT_EQ(Broken(heavier.moves, RoundsOf(heavier)), "");
  const PlannedChange fewer = SetReplicas(heavier.next, 2).value();
  EXPECT_EQ(Broken(fewer.moves, RoundsOf(fewer)), "");
  const PlannedChange more = SetReplicas(fewer.next, 4).value();
  EXPECT_EQ(Broken(more.moves, RoundsOf(more)), "");
}

TEST(MoveRounds, TakeManyMovesAmongManyNodes) {
  const uint64_t seed = 19160101;
  Random random(seed);
  std::vector<Move> moves;
  for (uint32_t i = 0; i < 100'000; ++i) {
    moves.push_back({SlotId(i), NodeIndex(static_cast<uint32_t>(random.Below(1000))),
                     NodeIndex(static_cast<uint32_t>(random.Below(1000)))});
  }
  EXPECT_EQ(Broken(moves, RoundsOf(moves)), "") << "seed " << seed;
}

// Nodes with few moves beside nodes with many: what the small hash tables are for.
TEST(MoveRounds, TakeFewBusyNodesAmongManyIdleOnes) {
  const uint64_t seed = 19160102;
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    const uint64_t takers = random.Between(3, 60);
    std::vector<Move> moves;
    for (uint32_t i = 0; i < 5000; ++i) {
      moves.push_back({SlotId(i), NodeIndex(static_cast<uint32_t>(random.Below(300))),
                       NodeIndex(static_cast<uint32_t>(random.Below(takers)))});
    }
    ASSERT_EQ(Broken(moves, RoundsOf(moves)), "") << "seed " << seed << " round " << round;
  }
}

// One node that all others give to: as many rounds as moves, and tables that stay small.
TEST(MoveRounds, TakeAStarOfManyNodesWithHighIndexes) {
  std::vector<Move> moves;
  for (uint32_t i = 0; i < 200'000; ++i) {
    moves.push_back({SlotId(i), NodeIndex(kMaxNodeIndexes - 1 - i / 2), NodeIndex(7)});
  }
  const MoveRounds rounds = RoundsOf(moves);
  ASSERT_EQ(rounds.size(), moves.size());
  EXPECT_EQ(Sorted(rounds.moves()), moves);
}

TEST(SumByPair, AddsUpSlotsAndBytes) {
  const NodeIndex a(3), b(1);
  const std::vector<Move> moves = {{SlotId(0), a, b},
                                   {SlotId(2), std::nullopt, b},
                                   {SlotId(3), a, b},
                                   {SlotId(1), b, a},
                                   {SlotId(4), a, std::nullopt}};
  const std::vector<uint64_t> bytes = {10, 20, 30, 40, 50};
  const std::vector<PairMoves> expected = {
      {std::nullopt, b, 1, 30}, {b, a, 1, 20}, {a, std::nullopt, 1, 50}, {a, b, 2, 50}};
  EXPECT_EQ(SumByPair(moves, bytes), expected);
  EXPECT_TRUE(SumByPair({}, bytes).empty());
  for (const PairMoves& pair : SumByPair(moves)) EXPECT_EQ(pair.bytes, 0u);
}

RC_GTEST_PROP(SumByPair, CountsEachMoveOnce, ()) {
  const std::vector<Move> moves = *RandomMoves(6);
  std::map<std::pair<std::optional<NodeIndex>, std::optional<NodeIndex>>, uint64_t> expected;
  for (const Move& move : moves) ++expected[{move.from, move.to}];
  const std::vector<PairMoves> pairs = SumByPair(moves);
  RC_ASSERT(pairs.size() == expected.size());
  auto it = expected.begin();
  for (const PairMoves& pair : pairs) {
    RC_ASSERT(it->first == std::pair(pair.from, pair.to));
    RC_ASSERT((it++)->second == pair.slots);
  }
}

}  // namespace
}  // namespace ringkv
