// The promises of load_rebalance.h, computed anew from the rings and costs. On a failure rapidcheck
// prints the case that it found and RC_PARAMS="reproduce=…" to run it again.
#include "ring/load_rebalance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>
#include <set>
#include <string>

#include "base/random.h"
#include "ring/balance.h"
#include "tests/ring/cluster_fixture.h"

namespace ringkv {
namespace {

using testing::HasSubstr;

std::vector<uint64_t> CostByIndex(const Ring& ring, const std::vector<uint64_t>& costs, LoadOn on) {
  std::vector<uint64_t> sums(ring.index_limit());
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const auto row = ring.Replicas(SlotId(slot));
    for (uint32_t i = 0; i < (on == LoadOn::kPrimaries ? 1 : row.size()); ++i) {
      sums[row[i].value()] += costs[slot];
    }
  }
  return sums;
}

// How far a cost is outside of the bound.
double Outside(double cost, double fair, double bound) {
  return std::max({0.0, cost - fair * (1 + bound), fair * (1 - bound) - cost});
}

size_t PairsInOneZone(const Ring& ring, SlotId slot) {
  size_t pairs = 0;
  const auto row = ring.Replicas(slot);
  for (uint32_t i = 0; i < row.size(); ++i) {
    for (uint32_t j = 0; j < i; ++j) {
      const std::string& zone = ring.member(row[i]).zone;
      if (!zone.empty() && zone == ring.member(row[j]).zone) ++pairs;
    }
  }
  return pairs;
}

std::set<NodeIndex> Holders(const Ring& ring, SlotId slot) {
  const auto row = ring.Replicas(slot);
  return {row.begin(), row.end()};
}

void CheckCosts(const Ring& ring, const std::vector<uint64_t>& costs, const LoadOptions& options,
                const LoadPlan& plan) {
  const std::vector<uint64_t> before = CostByIndex(ring, costs, options.on);
  const std::vector<uint64_t> after = CostByIndex(plan.next, costs, options.on);
  const RingBalance balance = MeasureBalance(ring);
  double total = 0;
  for (uint64_t cost : before) total += static_cast<double>(cost);
  RC_ASSERT(plan.nodes.size() == ring.nodes().size());
  bool all_within = true;
  double worst_before = 0, worst_after = 0;
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const NodeCost& node = plan.nodes[i];
    const double fair = total * balance.nodes[i].fair_replicas / ring.slots() / ring.replicas();
    RC_ASSERT(node.node == ring.nodes()[i]);
    RC_ASSERT(std::abs(node.fair - fair) <= fair * 1e-9);
    RC_ASSERT(node.before == before[node.node.value()]);
    RC_ASSERT(node.after == after[node.node.value()]);
    const double was = Outside(static_cast<double>(node.before), fair, options.bound);
    const double is = Outside(static_cast<double>(node.after), fair, options.bound);
    RC_ASSERT(is <= was + fair * 1e-9);
    if (is > fair * 1e-9) all_within = false;
    worst_before = std::max(worst_before, static_cast<double>(node.before) / fair);
    worst_after = std::max(worst_after, static_cast<double>(node.after) / fair);
  }
  RC_ASSERT(plan.reached() == all_within);
  RC_ASSERT(plan.why.empty() == all_within);
  if (total > 0) RC_ASSERT(worst_after <= std::max(worst_before, 1 + options.bound) + 1e-9);
}

// Balance by numbers, distinct nodes, zones.
void CheckRows(const Ring& ring, const LoadPlan& plan) {
  RC_ASSERT(Ring::Make(plan.next.ToParts()).value() == plan.next);
  const RingBalance before = MeasureBalance(ring);
  const RingBalance after = MeasureBalance(plan.next);
  auto rounds = [](double count, double fair) { return std::abs(count - fair) < 1; };
  for (size_t i = 0; i < before.nodes.size(); ++i) {
    const NodeLoad& was = before.nodes[i];
    const NodeLoad& is = after.nodes[i];
    RC_ASSERT(is.replicas == was.replicas || rounds(is.replicas, is.fair_replicas));
    RC_ASSERT(is.primaries == was.primaries ||
              rounds(is.primaries, is.fair_replicas / ring.replicas()));
  }
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    RC_ASSERT(PairsInOneZone(plan.next, SlotId(slot)) <= PairsInOneZone(ring, SlotId(slot)));
  }
}

void CheckMoves(const Ring& ring, const LoadPlan& plan) {
  std::map<SlotId, std::vector<Move>> by_slot;
  for (const Move& move : plan.moves) by_slot[move.slot].push_back(move);
  RC_ASSERT(std::is_sorted(plan.moves.begin(), plan.moves.end(),
                           [](const Move& a, const Move& b) { return a.slot < b.slot; }));
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    std::set<NodeIndex> row = Holders(ring, SlotId(slot));
    for (const Move& move : by_slot[SlotId(slot)]) {
      RC_ASSERT(row.erase(*move.from) == 1u);
      RC_ASSERT(row.insert(*move.to).second);
    }
    RC_ASSERT(row == Holders(plan.next, SlotId(slot)));
  }
}

// A ring with some history, so that shares are rounded this way and that, and rows have an order.
Ring RandomRing(const std::vector<std::string>& zones) {
  const auto replicas = *rc::gen::inRange<uint32_t>(1, 5);
  const auto slots = *rc::gen::element<uint32_t>(16, 64, 256);
  const auto nodes = *rc::gen::inRange<uint32_t>(replicas, 14);
  std::vector<Member> members;
  for (uint32_t i = 1; i <= nodes; ++i) {
    members.push_back(Node(i, *rc::gen::element<uint32_t>(128, 128, 100, 300)));
    members.back().zone = *rc::gen::elementOf(zones);
  }
  Ring ring = FormRing(members, replicas, slots).value().next;
  if (*rc::gen::arbitrary<bool>()) ring = AddNode(ring, Node(99)).value().next;
  if (nodes > replicas && *rc::gen::arbitrary<bool>()) {
    ring = RemoveNode(ring, members[0].id).value().next;
  }
  return ring;
}

std::vector<uint64_t> RandomCosts(uint32_t slots) {
  const auto most = *rc::gen::element<uint64_t>(1, 5, 1000, 1'000'000'000);
  Random random(*rc::gen::arbitrary<uint64_t>());
  std::vector<uint64_t> costs(slots);
  for (uint64_t& cost : costs) cost = random.Chance(0.1) ? 0 : random.Below(most + 1);
  // Now and then one that nothing can outweigh.
  if (random.Chance(0.3)) costs[random.Below(slots)] = most * slots;
  return costs;
}

RC_GTEST_PROP(LoadRebalance, KeepsItsPromises, ()) {
  const Ring ring = RandomRing({"", "a", "b", "c"});
  const std::vector<uint64_t> costs = RandomCosts(ring.slots());
  const LoadOptions options{*rc::gen::element(0.01, 0.1, 0.3, 2.0),
                            *rc::gen::element(LoadOn::kAllReplicas, LoadOn::kPrimaries)};
  const LoadPlan plan = RebalanceLoad(ring, costs, options).value();
  CheckCosts(ring, costs, options, plan);
  CheckRows(ring, plan);
  CheckMoves(ring, plan);
  const bool changed = plan.next.table() != ring.table();
  RC_ASSERT(plan.next.epoch().value() == ring.epoch().value() + (changed ? 1 : 0));
  RC_ASSERT(RebalanceLoad(ring, costs, options).value().next == plan.next);
  RC_TAG(plan.reached() ? "reached" : "not reached", changed ? "changed" : "as it was");
}

// Standard normal, by Box and Muller.
double Normal(Random* random) {
  const double radius = std::sqrt(-2 * std::log(1 - random->Unit()));
  return radius * std::cos(2 * std::numbers::pi * random->Unit());
}

std::vector<uint64_t> LognormalCosts(uint32_t slots, double sigma, Random* random) {
  std::vector<uint64_t> costs(slots);
  for (uint64_t& cost : costs) {
    cost = static_cast<uint64_t>(1e6 * std::exp(sigma * Normal(random)));
  }
  return costs;
}

// Each node beyond the bound has to give, each below to take, and a slot helps by no more than its
// cost and the room of the node that has most. A move can serve one of each.
size_t FewestMoves(const Ring& ring, const std::vector<uint64_t>& costs, const LoadPlan& plan,
                   double bound) {
  double room_to_take = 0, room_to_give = 0;
  for (const NodeCost& node : plan.nodes) {
    const double off = static_cast<double>(node.before) - node.fair;
    room_to_take = std::max(room_to_take, node.fair * bound - off);
    room_to_give = std::max(room_to_give, node.fair * bound + off);
  }
  std::vector<double> all(costs.begin(), costs.end());
  std::sort(all.rbegin(), all.rend());
  std::vector<std::vector<double>> held(ring.index_limit());
  std::vector<uint32_t> by_size(ring.slots());
  std::iota(by_size.begin(), by_size.end(), 0u);
  std::sort(by_size.begin(), by_size.end(),
            [&](uint32_t a, uint32_t b) { return costs[a] > costs[b]; });
  for (uint32_t slot : by_size) {
    for (NodeIndex node : ring.Replicas(SlotId(slot))) {
      held[node.value()].push_back(static_cast<double>(costs[slot]));
    }
  }
  auto fewest = [](double need, double room, const std::vector<double>& slots) {
    size_t count = 0;
    for (; need > 0; ++count) need -= std::min(room, slots[count]);
    return count;
  };
  size_t given = 0, taken = 0;
  for (const NodeCost& node : plan.nodes) {
    const double off = static_cast<double>(node.before) - node.fair;
    given += fewest(off - node.fair * bound, room_to_take, held[node.node.value()]);
    taken += fewest(-off - node.fair * bound, room_to_give, all);
  }
  return std::max(given, taken);
}

TEST(LoadRebalance, BringsLognormalSizesWithinTheBoundByFewMoves) {
  size_t all_moves = 0, all_fewest = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const auto nodes = static_cast<uint32_t>(random.Between(5, 32));
    const Ring ring = Formed(nodes, 3, std::bit_ceil(64 * nodes));
    const double bound = random.Chance(0.5) ? 0.1 : 0.03;
    const auto costs = LognormalCosts(ring.slots(), random.Chance(0.5) ? 0.7 : 1.2, &random);
    const LoadPlan plan = RebalanceLoad(ring, costs, {bound, LoadOn::kAllReplicas}).value();
    EXPECT_TRUE(plan.reached()) << "seed " << seed << ": " << plan.why;
    const size_t fewest = FewestMoves(ring, costs, plan, bound);
    EXPECT_LE(plan.moves.size(), 5 * fewest + 4) << "seed " << seed;
    all_moves += plan.moves.size();
    all_fewest += fewest;
  }
  // Two for one, for what goes back, and a little more, for an exchange seldom settles both nodes.
  EXPECT_GT(all_fewest, 200u);
  EXPECT_LE(all_moves, 5 * all_fewest / 2);
}

TEST(LoadRebalance, LeavesAloneWhatIsWithinTheBound) {
  const Ring ring = Formed(10, 3, 1024);
  const LoadPlan plan = RebalanceLoad(ring, std::vector<uint64_t>(1024, 7), {}).value();
  EXPECT_TRUE(plan.reached());
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_EQ(plan.next, ring);
  const LoadPlan idle = RebalanceLoad(ring, std::vector<uint64_t>(1024, 0), {}).value();
  EXPECT_TRUE(idle.reached());
  EXPECT_EQ(idle.next, ring);
}

TEST(LoadRebalance, GivesABiggerNodeItsBiggerPart) {
  std::vector<Member> members = Nodes(12);
  members[3].vnodes = 512;
  const Ring ring = FormRing(members, 3, 1024).value().next;
  Random random(7);
  const auto costs = LognormalCosts(1024, 1, &random);
  const LoadPlan plan = RebalanceLoad(ring, costs, {0.02, LoadOn::kAllReplicas}).value();
  EXPECT_TRUE(plan.reached()) << plan.why;
  const NodeCost& big = plan.nodes[ring.Find(Id("n4"))->value()];
  const NodeCost& small = plan.nodes[ring.Find(Id("n5"))->value()];
  EXPECT_NEAR(static_cast<double>(big.after) / static_cast<double>(small.after), 4, 0.2);
}

TEST(LoadRebalance, ExchangesPrimaryRolesBeforeItMovesData) {
  const Ring ring = Formed(10, 3, 1024);
  Random random(11);
  const auto costs = LognormalCosts(1024, 1, &random);
  const LoadPlan plan = RebalanceLoad(ring, costs, {0.05, LoadOn::kPrimaries}).value();
  EXPECT_TRUE(plan.reached()) << plan.why;
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_NE(plan.next, ring);
  // With one replica there are no other roles, and data has to move.
  const Ring single = Formed(10, 1, 1024);
  const LoadPlan moved = RebalanceLoad(single, costs, {0.05, LoadOn::kPrimaries}).value();
  EXPECT_TRUE(moved.reached()) << moved.why;
  EXPECT_FALSE(moved.moves.empty());
}

TEST(LoadRebalance, KeepsZonesApart) {
  std::vector<Member> members = Nodes(12);
  for (size_t i = 0; i < members.size(); ++i) members[i].zone = "abc"[i % 3];
  const Ring ring = FormRing(members, 3, 1024).value().next;
  Random random(3);
  const auto costs = LognormalCosts(1024, 1, &random);
  const LoadPlan plan = RebalanceLoad(ring, costs, {0.03, LoadOn::kAllReplicas}).value();
  EXPECT_TRUE(plan.reached()) << plan.why;
  EXPECT_FALSE(plan.moves.empty());
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    ASSERT_EQ(PairsInOneZone(plan.next, SlotId(slot)), 0u) << slot;
  }
}

TEST(LoadRebalance, SaysWhichSlotIsTooHeavy) {
  const Ring ring = Formed(6, 2, 64);
  std::vector<uint64_t> costs(64, 10);
  costs[17] = 5000;
  const LoadPlan plan = RebalanceLoad(ring, costs, {}).value();
  EXPECT_FALSE(plan.reached());
  EXPECT_EQ(plan.obstacle, LoadObstacle::kHeavySlot);
  EXPECT_THAT(plan.why, HasSubstr("slot 17 alone is"));
  EXPECT_THAT(plan.why, HasSubstr("% of its fair part"));
}

TEST(LoadRebalance, SaysThatThereIsNothingToExchange) {
  // Where each node holds everything, weights change nothing: all parts are equal, and reached.
  const LoadPlan whole = RebalanceLoad(Formed(3, 3, 64), std::vector<uint64_t>(64, 9), {}).value();
  EXPECT_TRUE(whole.reached());
  // Five equal slots for each of three nodes, and one slot more: whole slots cannot be cut.
  std::vector<uint64_t> costs(16, 100);
  const LoadPlan plan =
      RebalanceLoad(Formed(3, 1, 16), costs, {0.05, LoadOn::kAllReplicas}).value();
  EXPECT_EQ(plan.obstacle, LoadObstacle::kNoExchange);
  EXPECT_THAT(plan.why, HasSubstr("no exchange of two slots"));
  EXPECT_THAT(plan.why, HasSubstr("113% of its fair part"));
}

TEST(LoadRebalance, NamesEachFault) {
  const Ring ring = Formed(3, 2, 16);
  auto fault = [&](std::vector<uint64_t> costs, double bound) {
    const Status status = RebalanceLoad(ring, costs, {bound, LoadOn::kAllReplicas}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    return status.message();
  };
  const std::vector<uint64_t> ones(16, 1);
  EXPECT_THAT(fault(std::vector<uint64_t>(15, 1), 0.1), HasSubstr("15 costs for 16 slots"));
  EXPECT_THAT(fault({}, 0.1), HasSubstr("0 costs for 16 slots"));
  EXPECT_THAT(fault(ones, 0), HasSubstr("bound"));
  EXPECT_THAT(fault(ones, -0.1), HasSubstr("bound"));
  EXPECT_THAT(fault(ones, 11), HasSubstr("bound"));
  EXPECT_THAT(fault(ones, std::numeric_limits<double>::quiet_NaN()), HasSubstr("bound"));
  EXPECT_THAT(fault(std::vector<uint64_t>(16, uint64_t{1} << 59), 0.1), HasSubstr("2^63"));
  EXPECT_THAT(fault(std::vector<uint64_t>(16, UINT64_MAX), 0.1), HasSubstr("2^63"));
  std::vector<uint64_t> most(16, (uint64_t{1} << 58) - 1);
  EXPECT_TRUE(RebalanceLoad(ring, most, {}).ok());
}

}  // namespace
}  // namespace ringkv
