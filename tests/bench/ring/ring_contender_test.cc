#include "bench/ring/ring_contender.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/ring/cluster_fixture.h"

namespace ringkv::bench {
namespace {

constexpr StructureBudget kOnce{.runs = 1, .build_s = 0, .change_s = 0, .tokens_s = 0};

TEST(SlotsFor, IsAtLeastSixtyFourANodeUpToTheLimit) {
  EXPECT_EQ(SlotsFor(3), 4096u);
  EXPECT_EQ(SlotsFor(10), 4096u);
  EXPECT_EQ(SlotsFor(100), 8192u);
  EXPECT_EQ(SlotsFor(1'000), 65'536u);
  EXPECT_EQ(SlotsFor(100'000), 1u << 23);
  EXPECT_EQ(SlotsFor(1'000'000), 1u << 26);
}

TEST(MemberNumber, TakesTurnsInTheZonesAndKeepsItsOrder) {
  std::map<std::string, int> zones;
  for (uint32_t number = 0; number < 50; ++number) {
    const Member member = MemberNumber(number, 10);
    EXPECT_TRUE(CheckMember(member).ok());
    EXPECT_LT(member.id, MemberNumber(number + 1, 10).id);
    ++zones[member.zone];
  }
  EXPECT_EQ(zones.size(), 10u);
  for (const auto& [zone, nodes] : zones) EXPECT_EQ(nodes, 5);
}

TEST(ChangingRing, KeepsItsNumberOfNodesOverPairsOfChanges) {
  ChangingRing changing(Formed(6, 3, 64), 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(changing.Add().next.nodes().size(), 7u);
    EXPECT_EQ(changing.RemoveAny().next.nodes().size(), 6u);
  }
  EXPECT_EQ(changing.ring().epoch(), Epoch(41));
}

TEST(CountMoves, IsOneForEachGainWhereNothingElseMoves) {
  const Ring before = Formed(5, 3, 64);
  Planner planner(before);
  const PlannedChange added = planner.AddNode(Node(6)).value();
  const MovesPerGain moves = CountMoves(before, added.next, *added.next.Find(Id("n6")));
  EXPECT_EQ(moves.replicas, 1);
  EXPECT_GE(moves.primaries, 1);
}

// Slots 0 and 1 gain node 3; slots 2 and 3 move between nodes that were there; slot 4 only
// changes its order.
TEST(CountMoves, CountsEachReplicaAndPrimaryThatChanged) {
  const auto ring = [](std::vector<uint32_t> first_rows) {
    Ring::Parts parts{.epoch = Epoch(1), .slots = 16, .replicas = 2, .members = Nodes(4)};
    while (first_rows.size() < size_t{2} * 16) first_rows.insert(first_rows.end(), {0, 1});
    for (uint32_t node : first_rows) parts.rows.emplace_back(node);
    return Ring::Make(std::move(parts)).value();
  };
  const Ring before = ring({0, 1, 0, 1, 0, 1, 0, 1, 0, 1});
  const Ring after = ring({3, 1, 0, 3, 2, 1, 0, 2, 1, 0});
  const MovesPerGain moves = CountMoves(before, after, NodeIndex(3));
  EXPECT_EQ(moves.replicas, 4.0 / 2);
  EXPECT_EQ(moves.primaries, 3.0 / 1);
}

TEST(BuildRing, MeasuresARingThatItsLoopsLookUpIn) {
  for (uint32_t replicas : {1u, 3u}) {
    const RingContender built = BuildRing(10, replicas, kOnce);
    const Structure& structure = *built.contender.structure;
    EXPECT_EQ(built.details.slots, 4096u);
    EXPECT_EQ(built.details.table_bytes, size_t{4096} * 8);
    EXPECT_GT(structure.bytes, built.details.table_bytes);
    EXPECT_GT(built.details.planner_bytes, 0u);
    EXPECT_NEAR(structure.primaries->max_over_mean, 1, 0.01);
    EXPECT_NEAR(structure.replicas->max_over_mean, 1, 0.01);
    EXPECT_EQ(structure.primaries->tokens, 0u);
    EXPECT_EQ(structure.replicas_moved, 1.0);
    EXPECT_EQ(structure.add_s.size(), 1u);
    EXPECT_EQ(built.changing->ring().nodes().size(), 10u);

    std::vector<Member> members;
    for (uint32_t i = 0; i < 10; ++i) members.push_back(MemberNumber(i, built.details.zones));
    const Ring ring = FormRing(std::move(members), replicas, 4096).value().next;
    uint64_t primaries = 0, rows = 0;
    TokenGenerator tokens(5);
    for (int i = 0; i < 1000; ++i) {
      const ReplicaRow row = ring.Replicas(SlotOf(tokens.Next(), 4096));
      primaries += row[0].value();
      for (NodeIndex node : row) rows += node.value();
    }
    const LookupLoops& loops = *built.contender.loops;
    EXPECT_EQ(loops.Run(Loop::kPrimary, 5, 1000), primaries);
    ASSERT_EQ(loops.Has(Loop::kRow), replicas == 3);
    if (replicas < 3) continue;
    EXPECT_EQ(loops.Run(Loop::kRow, 5, 1000), rows);
  }
}

}  // namespace
}  // namespace ringkv::bench
