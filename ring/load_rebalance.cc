#include "ring/load_rebalance.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "ring/load_table.h"

namespace ringkv {
namespace {

using Role = LoadTable::Role;

constexpr double kMinBound = 0.001;
constexpr double kMaxBound = 10;
constexpr uint64_t kTotalLimit = uint64_t{1} << 63;

// What a move costs besides its slot's data, in mean slots. With 8 the plans need about twice the
// fewest moves that can be (each move back is one more), and hardly more data than with 1.
constexpr uint64_t kMoveEffort = 8;
// Of how many partners the best exchange is taken, once one of them has any.
constexpr int kPartners = 16;
// How many slots of the taker's are tried against one of the giver's: where zones forbid one, they
// often forbid its neighbours.
constexpr int kTries = 32;
// A step that makes no node fit has to gain this part of a mean slot; so steps are bounded.
constexpr uint64_t kLeastGainPart = 64;

// What an exchange may be.
enum class Kind {
  kRoles,   // both nodes are in both rows, and change places: no data moves
  kCopies,  // none is in the other's row
};

struct Exchange {
  NodeIndex giver;
  NodeIndex taker;
  SlotId given;
  std::optional<SlotId> back;
  double score = 0;  // gain by effort; above 0
};

class Evening {
 public:
  Evening(const Ring& ring, std::span<const uint64_t> costs, const LoadOptions& options)
      : table_(ring, costs, options), on_(options.on), order_(Lighter{&table_}) {
    uint64_t total = 0;
    for (uint64_t cost : costs) total += cost;
    mean_slot_ = total / ring.slots() + 1;
    for (NodeIndex node : ring.nodes()) order_.insert(node);
  }

  void Run() {
    if (on_ == LoadOn::kPrimaries) Run(Kind::kRoles);
    Run(Kind::kCopies);
  }

  const LoadTable& table() const { return table_; }

 private:
  struct Lighter {
    const LoadTable* table;
    bool operator()(NodeIndex a, NodeIndex b) const {
      const double x = table->node(a).relative_cost(), y = table->node(b).relative_cost();
      return x < y || (x == y && a < b);
    }
  };

  void Run(Kind kind) {
    kind_ = kind;
    // Who finds no partner is set aside until others have been helped: that may change it.
    for (bool helped = true; helped;) {
      helped = false;
      set_aside_.clear();
      while (std::optional<NodeIndex> node = WorstNode()) {
        if (std::optional<Exchange> exchange = BestFor(*node)) {
          Apply(*exchange);
          helped = true;
        } else {
          set_aside_.insert(*node);
        }
      }
    }
  }

  // The most loaded of those beyond the bound; then the least loaded.
  std::optional<NodeIndex> WorstNode() const {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (table_.node(*it).excess() == 0) break;
      if (!set_aside_.contains(*it)) return *it;
    }
    for (NodeIndex node : order_) {
      if (table_.node(node).lack() == 0) break;
      if (!set_aside_.contains(node)) return node;
    }
    return std::nullopt;
  }

  // Partners from the other end: those with most room come first.
  std::optional<Exchange> BestFor(NodeIndex node) const {
    const bool gives = table_.node(node).excess() > 0;
    return gives ? BestAmong(order_.begin(), order_.end(),
                             [&](NodeIndex other) { return BestBetween(node, other); })
                 : BestAmong(order_.rbegin(), order_.rend(),
                             [&](NodeIndex other) { return BestBetween(other, node); });
  }

  template <class Iterator, class Between>
  static std::optional<Exchange> BestAmong(Iterator begin, Iterator end, Between between) {
    std::optional<Exchange> best;
    int tried = 0;
    for (Iterator it = begin; it != end && !(best && tried % kPartners == 0); ++it, ++tried) {
      const std::optional<Exchange> exchange = between(*it);
      if (exchange && (!best || exchange->score > best->score)) best = exchange;
    }
    return best;
  }

  std::optional<Exchange> BestBetween(NodeIndex giver, NodeIndex taker) const;
  void BestBack(Exchange exchange, Role role, uint64_t least, std::optional<Exchange>* best) const;
  void Consider(Exchange exchange, uint64_t moved, std::optional<Exchange>* best) const;

  // Of a cost that goes from one to the other: what of it brings either nearer to the bound.
  uint64_t Gain(const LoadTable::Node& giver, const LoadTable::Node& taker, uint64_t cost) const {
    return std::min(cost, giver.excess()) + std::min(cost, taker.lack());
  }

  double Score(uint64_t gain, uint64_t moved, uint64_t moves) const {
    if (kind_ == Kind::kRoles) return static_cast<double>(gain);
    return static_cast<double>(gain) /
           (static_cast<double>(moved) + static_cast<double>(mean_slot_) * (moves * kMoveEffort));
  }

  bool CanGo(SlotId slot, NodeIndex from, NodeIndex to) const {
    return kind_ == Kind::kRoles ? table_.Holds(slot, to) : table_.CanReplace(slot, from, to);
  }

  void Apply(const Exchange& exchange) {
    order_.erase(exchange.giver);
    order_.erase(exchange.taker);
    table_.Replace(exchange.given, exchange.giver, exchange.taker);
    if (exchange.back) table_.Replace(*exchange.back, exchange.taker, exchange.giver);
    order_.insert(exchange.giver);
    order_.insert(exchange.taker);
  }

  LoadTable table_;
  const LoadOn on_;
  Kind kind_ = Kind::kCopies;
  uint64_t mean_slot_ = 0;
  std::set<NodeIndex, Lighter> order_;  // all nodes, the least loaded first
  std::set<NodeIndex> set_aside_;
};

// A primary goes for a primary, another replica for another: so both counts stay.
std::optional<Exchange> Evening::BestBetween(NodeIndex giver, NodeIndex taker) const {
  const LoadTable::Node& from = table_.node(giver);
  const LoadTable::Node& to = table_.node(taker);
  std::optional<Exchange> best;
  if (giver == taker || from.cost <= from.low || to.cost >= to.high) return best;
  // More would carry one of them out of the bound, or further.
  const uint64_t room = std::min(from.cost - from.low, to.high - to.cost);
  // Up to here what goes over is all gain, so that the cheaper slot has the lower score.
  const uint64_t all_gain = std::min(from.excess() > 0 ? from.excess() : UINT64_MAX,
                                     to.lack() > 0 ? to.lack() : UINT64_MAX);
  for (Role role : {Role::kPrimary, Role::kOther}) {
    if (role == Role::kOther && on_ == LoadOn::kPrimaries) break;  // they cost nothing
    const bool alone = table_.CanGiveAlone(giver, taker, role, kind_ == Kind::kCopies);
    const std::span<const SlotId> slots = table_.SlotsOf(giver, role);
    for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
      const uint64_t cost = table_.CostOf(*slot);
      const uint64_t least_back = cost > room ? cost - room : 0;
      const double most =
          Score(Gain(from, to, cost - least_back), cost + least_back, alone ? 1 : 2);
      if (best && most <= best->score) {
        if (cost <= all_gain) break;
        continue;
      }
      if (!CanGo(*slot, giver, taker)) continue;
      const Exchange exchange{giver, taker, *slot, std::nullopt};
      if (alone && cost <= room) Consider(exchange, cost, &best);
      BestBack(exchange, role, least_back, &best);
    }
  }
  return best;
}

// The cheapest slot to give back, from the cost `least` on, is the best one: more goes over, and
// less is moved for it.
void Evening::BestBack(Exchange exchange, Role role, uint64_t least,
                       std::optional<Exchange>* best) const {
  const uint64_t cost = table_.CostOf(exchange.given);
  const std::span<const SlotId> slots = table_.SlotsOf(exchange.taker, role);
  auto slot = std::lower_bound(slots.begin(), slots.end(), least,
                               [this](SlotId s, uint64_t c) { return table_.CostOf(s) < c; });
  for (int tries = 0; tries < kTries && slot != slots.end(); ++tries, ++slot) {
    const uint64_t back = table_.CostOf(*slot);
    if (back >= cost) return;
    if (!CanGo(*slot, exchange.taker, exchange.giver)) continue;
    exchange.back = *slot;
    return Consider(exchange, cost + back, best);
  }
}

void Evening::Consider(Exchange exchange, uint64_t moved, std::optional<Exchange>* best) const {
  const LoadTable::Node& from = table_.node(exchange.giver);
  const LoadTable::Node& to = table_.node(exchange.taker);
  const uint64_t cost =
      table_.CostOf(exchange.given) - (exchange.back ? table_.CostOf(*exchange.back) : 0);
  const uint64_t gain = Gain(from, to, cost);
  const bool fits =
      (from.excess() > 0 && cost >= from.excess()) || (to.lack() > 0 && cost >= to.lack());
  if (gain == 0 || (!fits && gain < mean_slot_ / kLeastGainPart)) return;
  exchange.score = Score(gain, moved, exchange.back ? 2 : 1);
  if (!*best || exchange.score > (*best)->score) *best = exchange;
}

std::vector<Move> MovesBetween(const SlotTable& before, const SlotTable& after) {
  std::vector<Move> moves;
  SlotTable::ForEachDifference(before, after, [&](SlotId slot) {
    const auto old_row = before.Row(slot);
    const auto new_row = after.Row(slot);
    std::vector<NodeIndex> out, in;
    for (NodeIndex node : old_row) {
      if (!new_row.Contains(node)) out.push_back(node);
    }
    for (NodeIndex node : new_row) {
      if (!old_row.Contains(node)) in.push_back(node);
    }
    for (size_t i = 0; i < out.size(); ++i) moves.push_back({slot, out[i], in[i]});
  });
  return moves;
}

// The slot that alone keeps the node above the bound.
std::optional<SlotId> HeavySlot(const LoadTable& table, NodeIndex node, LoadOn on) {
  std::optional<SlotId> heavy;
  for (Role role : {Role::kPrimary, Role::kOther}) {
    if (role == Role::kOther && on == LoadOn::kPrimaries) break;
    const std::span<const SlotId> slots = table.SlotsOf(node, role);
    if (slots.empty() || table.CostOf(slots.back()) <= table.node(node).high) continue;
    if (!heavy || table.CostOf(slots.back()) > table.CostOf(*heavy)) heavy = slots.back();
  }
  return heavy;
}

// Names the node furthest off; if one slot alone keeps any above the bound, the furthest of those:
// such a slot raises the mean, and so leaves others below it.
void Explain(const Ring& ring, const LoadTable& table, LoadOn on, LoadPlan* plan) {
  auto percent = [](double part) { return std::to_string(std::llround(part * 100)); };
  double worst = 0;
  for (NodeIndex index : ring.nodes()) {
    const LoadTable::Node& node = table.node(index);
    if (node.excess() == 0 && node.lack() == 0) continue;
    const std::string who = "node '" + ring.member(index).id.value() + "' stays at " +
                            percent(node.relative_cost()) + "% of its fair part";
    const std::optional<SlotId> heavy = HeavySlot(table, index, on);
    const LoadObstacle obstacle = heavy ? LoadObstacle::kHeavySlot : LoadObstacle::kNoExchange;
    const double distance = std::max(node.relative_cost() - 1, 1 - node.relative_cost());
    if (plan->obstacle == LoadObstacle::kHeavySlot && !heavy) continue;
    if (plan->obstacle == obstacle && distance <= worst) continue;
    worst = distance;
    plan->obstacle = obstacle;
    plan->why = heavy ? who + ": slot " + std::to_string(heavy->value()) + " alone is " +
                            percent(static_cast<double>(table.CostOf(*heavy)) / node.fair_cost) +
                            "% of it"
                      : who + ": no exchange of two slots brings it nearer";
  }
}

Status Check(const Ring& ring, std::span<const uint64_t> costs, const LoadOptions& options) {
  if (costs.size() != ring.slots()) {
    return Status::InvalidArgument("there are " + std::to_string(costs.size()) + " costs for " +
                                   std::to_string(ring.slots()) + " slots");
  }
  if (!(options.bound >= kMinBound && options.bound <= kMaxBound)) {  // NaN is neither
    return Status::InvalidArgument("a bound of " + std::to_string(options.bound) +
                                   " cannot be; bounds are 0.001 to 10");
  }
  uint64_t left = (kTotalLimit - 1) / ring.replicas();
  for (uint64_t cost : costs) {
    if (cost > left) return Status::InvalidArgument("the slots' costs add up to 2^63 or more");
    left -= cost;
  }
  return Status::Ok();
}

}  // namespace

Result<LoadPlan> RebalanceLoad(const Ring& ring, std::span<const uint64_t> slot_costs,
                               const LoadOptions& options) {
  RINGKV_RETURN_IF_ERROR(Check(ring, slot_costs, options));
  LoadPlan plan{ring, {}, {}};
  if (std::all_of(slot_costs.begin(), slot_costs.end(), [](uint64_t c) { return c == 0; })) {
    for (NodeIndex node : ring.nodes()) plan.nodes.push_back({node});
    return plan;
  }
  Evening evening(ring, slot_costs, options);
  const LoadTable& table = evening.table();
  for (NodeIndex node : ring.nodes()) {
    plan.nodes.push_back({node, table.node(node).fair_cost, table.node(node).cost});
  }
  evening.Run();
  for (NodeCost& node : plan.nodes) node.after = table.node(node.node).cost;
  if (!(table.table() == ring.table())) {
    plan.next = Ring(Epoch(ring.epoch().value() + 1), ring.members(), table.table());
    plan.moves = MovesBetween(ring.table(), table.table());
  }
  Explain(ring, table, options.on, &plan);
  return plan;
}

}  // namespace ringkv
