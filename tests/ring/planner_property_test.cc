// Random sequences of changes; after each, everything that planner.h promises is computed anew, by
// other means than the planner's. On a failure rapidcheck prints the sequence that it
// found and RC_PARAMS="reproduce=…" to run it again.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "ring/codec.h"
#include "ring/planner.h"
#include "tests/ring/cluster_fixture.h"

namespace ringkv {
namespace {

// What the checks ask of a ring, in arrays: nodes by position in ring.nodes(), failure domains (a
// node's zone, or itself) by number.
struct Figures {
  static constexpr uint32_t kNowhere = UINT32_MAX;

  explicit Figures(const Ring& ring) : ids(ring.nodes().size()), weights(ids.size()) {
    std::map<std::string, uint32_t> zones;
    position.resize(ring.index_limit(), kNowhere);
    for (size_t i = 0; i < ids.size(); ++i) {
      const Member& member = ring.member(ring.nodes()[i]);
      position[ring.nodes()[i].value()] = static_cast<uint32_t>(i);
      ids[i] = member.id;
      weights[i] = member.vnodes;
      const auto next = static_cast<uint32_t>(domain_nodes.size());
      const uint32_t domain =
          member.zone.empty() ? next : zones.try_emplace(member.zone, next).first->second;
      if (domain == next) domain_nodes.push_back(0);
      domains.push_back(domain);
      ++domain_nodes[domain];
    }
    most_per_zone = MostPerZone(ring.replicas());
  }

  // The most replicas of a slot that one zone has to hold, by its definition.
  uint32_t MostPerZone(uint32_t replicas) const {
    for (uint32_t each = 1;; ++each) {
      uint32_t room = 0;
      for (uint32_t nodes : domain_nodes) room += std::min(nodes, each);
      if (room >= replicas) return each;
    }
  }

  // kNowhere: the node is not there. A node has the same index before and after a change.
  uint32_t at(NodeIndex node) const {
    return node.value() < position.size() ? position[node.value()] : kNowhere;
  }

  std::vector<NodeId> ids;
  std::vector<uint32_t> weights;
  std::vector<uint32_t> domains;
  std::vector<uint32_t> domain_nodes;
  std::vector<uint32_t> position;  // by index
  uint32_t most_per_zone = 1;
};

// A fair share as floor and ceiling, by water-filling in long double: the level rises, to each node
// in proportion to its weight, until everything is poured out; a node that holds every slot, and
// all nodes of a zone that holds what it may, rise no more.
struct Bounds {
  int64_t low = 0;
  int64_t high = 0;
};

// By position.
std::vector<Bounds> FairBounds(const Ring& ring, const Figures& figures, uint32_t divide_by) {
  constexpr long double kTiny = 1e-9L;
  const size_t nodes = figures.ids.size();
  const long double node_limit = ring.slots();
  const long double zone_limit = node_limit * figures.most_per_zone;
  std::vector<long double> share(nodes, 0);
  std::vector<bool> rising(nodes, true);
  long double left = static_cast<long double>(ring.slots()) * ring.replicas();
  while (left > kTiny) {
    // What a rise of the level by one pours into each domain and in all, and how far it can rise.
    std::vector<long double> rate(figures.domain_nodes.size(), 0), room(rate.size(), zone_limit);
    long double total_rate = 0;
    for (size_t i = 0; i < nodes; ++i) {
      room[figures.domains[i]] -= share[i];
      if (!rising[i]) continue;
      rate[figures.domains[i]] += figures.weights[i];
      total_rate += figures.weights[i];
    }
    long double rise = left / total_rate;
    for (size_t d = 0; d < rate.size(); ++d) {
      if (rate[d] > 0) rise = std::min(rise, room[d] / rate[d]);
    }
    for (size_t i = 0; i < nodes; ++i) {
      if (rising[i]) rise = std::min(rise, (node_limit - share[i]) / figures.weights[i]);
    }
    for (size_t i = 0; i < nodes; ++i) {
      if (!rising[i]) continue;
      share[i] += rise * figures.weights[i];
      left -= rise * figures.weights[i];
      const uint32_t d = figures.domains[i];
      if (room[d] - rise * rate[d] < kTiny || share[i] > node_limit - kTiny) rising[i] = false;
    }
  }
  std::vector<Bounds> bounds;
  for (long double s : share) {
    s /= divide_by;
    bounds.push_back(
        {static_cast<int64_t>(std::floor(s + kTiny)), static_cast<int64_t>(std::ceil(s - kTiny))});
  }
  return bounds;
}

// Slots by position; of nodes that are there.
std::vector<int64_t> ReplicasHeld(const Ring& ring, const Figures& figures) {
  std::vector<int64_t> counts(figures.ids.size(), 0);
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    for (NodeIndex n : ring.Replicas(SlotId(slot))) {
      if (figures.at(n) != Figures::kNowhere) ++counts[figures.at(n)];
    }
  }
  return counts;
}

void CheckWithin(const std::vector<int64_t>& counts, const std::vector<Bounds>& bounds) {
  for (size_t i = 0; i < counts.size(); ++i) {
    RC_ASSERT(counts[i] >= bounds[i].low);
    RC_ASSERT(counts[i] <= bounds[i].high);
  }
}

void CheckBalance(const Ring& ring, const Figures& figures) {
  CheckWithin(ReplicasHeld(ring, figures), FairBounds(ring, figures, 1));
  std::vector<int64_t> primaries(figures.ids.size(), 0);
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const ReplicaRow row = ring.Replicas(SlotId(slot));
    bool distinct = true;
    uint32_t most = 0;
    for (uint32_t i = 0; i < row.size(); ++i) {
      uint32_t same_domain = 1;
      for (uint32_t j = 0; j < i; ++j) {
        distinct &= row[i] != row[j];
        same_domain += figures.domains[figures.at(row[i])] == figures.domains[figures.at(row[j])];
      }
      most = std::max(most, same_domain);
    }
    RC_ASSERT(row.size() == ring.replicas());
    RC_ASSERT(distinct);
    RC_ASSERT(most <= figures.most_per_zone);
    ++primaries[figures.at(row[0])];
  }
  CheckWithin(primaries, FairBounds(ring, figures, ring.replicas()));
}

// The fewest replicas that nodes must gain so that all are within their bounds: what each lacks,
// and, where all together would still hold too few, the rest.
int64_t FewestCopies(const Ring& before, const Ring& after, const Figures& figures) {
  const std::vector<int64_t> held = ReplicasHeld(before, figures);
  const std::vector<Bounds> bounds = FairBounds(after, figures, 1);
  int64_t gained = 0, sum = 0;
  for (size_t i = 0; i < held.size(); ++i) {
    gained += std::max<int64_t>(0, bounds[i].low - held[i]);
    sum += std::clamp(held[i], bounds[i].low, bounds[i].high);
  }
  return gained + std::max<int64_t>(0, int64_t{after.slots()} * after.replicas() - sum);
}

// The same with distinct nodes and zones, by the textbook: a min-cost flow over an explicit graph,
// one unit at a time, by Bellman-Ford. Slow.
class DumbFlow {
 public:
  explicit DumbFlow(size_t vertices) : first_(vertices) {}

  void Edge(size_t from, size_t to, int64_t capacity, int64_t cost) {
    first_[from].push_back(edges_.size());
    edges_.push_back({from, to, capacity, cost});
    first_[to].push_back(edges_.size());
    edges_.push_back({to, from, 0, -cost});
  }

  int64_t CheapestFull(size_t source, size_t sink) {
    int64_t cost = 0;
    for (;;) {
      std::vector<int64_t> distance(first_.size(), INT64_MAX);
      std::vector<size_t> by(first_.size());
      distance[source] = 0;
      std::deque<size_t> queue = {source};
      while (!queue.empty()) {
        const size_t v = queue.front();
        queue.pop_front();
        for (size_t e : first_[v]) {
          const auto& [from, to, capacity, price] = edges_[e];
          if (capacity == 0 || distance[v] + price >= distance[to]) continue;
          distance[to] = distance[v] + price;
          by[to] = e;
          queue.push_back(to);
        }
      }
      if (distance[sink] == INT64_MAX) return cost;
      cost += distance[sink];
      for (size_t v = sink; v != source; v = edges_[by[v]].from) {
        --edges_[by[v]].capacity;
        ++edges_[by[v] ^ 1].capacity;
      }
    }
  }

 private:
  struct E {
    size_t from, to;
    int64_t capacity, cost;
  };
  std::vector<E> edges_;
  std::vector<std::vector<size_t>> first_;
};

int64_t FewestCopiesByFlow(const Ring& before, const Ring& after, const Figures& figures) {
  constexpr int64_t kMust = 1 << 20;  // below what a node must hold, nothing is too dear
  const size_t slots = after.slots(), nodes = figures.ids.size();
  const size_t domains = figures.domain_nodes.size();
  const size_t doors = slots + nodes;  // one for each slot and domain
  const size_t source = doors + slots * domains, sink = source + 1;
  DumbFlow flow(sink + 1);
  const std::vector<Bounds> bounds = FairBounds(after, figures, 1);
  int64_t floors = 0;
  for (size_t i = 0; i < nodes; ++i) {
    flow.Edge(slots + i, sink, bounds[i].low, -kMust);
    flow.Edge(slots + i, sink, bounds[i].high - bounds[i].low, 0);
    floors += bounds[i].low;
  }
  for (size_t slot = 0; slot < slots; ++slot) {
    flow.Edge(source, slot, after.replicas(), 0);
    for (size_t d = 0; d < domains; ++d) {
      flow.Edge(slot, doors + slot * domains + d, figures.most_per_zone, 0);
    }
    const ReplicaRow held = before.Replicas(SlotId(slot));
    for (size_t i = 0; i < nodes; ++i) {
      const size_t door = doors + slot * domains + figures.domains[i];
      flow.Edge(door, slots + i, 1, held.Contains(after.nodes()[i]) ? 0 : 1);
    }
  }
  return flow.CheapestFull(source, sink) + kMust * floors;
}

void CheckMoves(const Ring& before, const PlannedChange& plan, const Figures& figures) {
  const Ring& after = plan.next;
  std::vector<std::vector<NodeIndex>> rows(before.slots());
  for (uint32_t slot = 0; slot < before.slots(); ++slot) {
    const ReplicaRow row = before.Replicas(SlotId(slot));
    rows[slot].assign(row.begin(), row.end());
  }
  int64_t copies = 0;
  for (const Move& move : plan.moves) {
    std::vector<NodeIndex>& row = rows[move.slot.value()];
    RC_ASSERT(move.from || move.to);
    if (move.from) RC_ASSERT(std::erase(row, *move.from) == 1u);
    if (move.to) {
      RC_ASSERT(std::find(row.begin(), row.end(), *move.to) == row.end());
      row.push_back(*move.to);
    }
    copies += move.to ? 1 : 0;
  }
  for (uint32_t slot = 0; slot < after.slots(); ++slot) {
    const ReplicaRow row = after.Replicas(SlotId(slot));
    RC_ASSERT(std::is_permutation(row.begin(), row.end(), rows[slot].begin(), rows[slot].end()));
  }
  const int64_t fewest = FewestCopies(before, after, figures);
  RC_ASSERT(copies >= fewest);
  if (copies > fewest) {
    // Distinctness or zones may truly forbid it; a dumb solver decides.
    RC_TAG("detour");
    RC_ASSERT(copies == FewestCopiesByFlow(before, after, figures));
  }
  // The planner's own bound knows that a zone's nodes cannot all be rounded up, and may be higher.
  RC_ASSERT(plan.least_moves <= plan.moves.size());
  RC_ASSERT(copies > fewest || plan.least_moves == plan.moves.size());
  RC_ASSERT((plan.detour == Detour::kNone) == (plan.least_moves == plan.moves.size()));
  const int64_t dropped = std::max<int64_t>(0, int64_t{before.replicas()} - after.replicas());
  RC_ASSERT(static_cast<int64_t>(plan.moves.size()) ==
            std::max(copies, copies + dropped * before.slots()));
  RC_ASSERT(after.epoch().value() == before.epoch().value() + 1);
}

enum class Kind { kAdd, kRemove, kVnodes, kReplicas };

struct Step {
  Kind kind;
  uint32_t pick;
  uint32_t vnodes;
  std::string zone;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static const char* const kNames[] = {"add", "remove", "vnodes", "replicas"};
  return out << kNames[static_cast<int>(step.kind)] << " " << step.pick << " " << step.vnodes << " "
             << step.zone;
}

// What nodes are made of in a run.
struct Kinds {
  std::vector<uint32_t> vnodes;
  std::vector<std::string> zones = {""};
};
const Kinds kEqual = {{128}};
const Kinds kUnequal = {{1, 2, 3, 64, 100, 128, 256, 1000, 4096}};
// Some zones are named more often, so that they differ in number and size.
const Kinds kEqualInZones = {{128}, {"a", "a", "a", "b", "b", "c", "d", "e"}};
const Kinds kUnequalInZones = {{1, 64, 100, 128, 1000}, {"a", "a", "a", "b", "b", "c", "d", ""}};

std::vector<Step> Steps(size_t count, const std::vector<Kind>& kinds, const Kinds& nodes) {
  auto step = rc::gen::map(
      rc::gen::tuple(rc::gen::elementOf(kinds), rc::gen::inRange<uint32_t>(0, 1000),
                     rc::gen::elementOf(nodes.vnodes), rc::gen::elementOf(nodes.zones)),
      [](auto t) {
        return Step{std::get<0>(t), std::get<1>(t), std::get<2>(t), std::get<3>(t)};
      });
  return *rc::gen::container<std::vector<Step>>(count, step);
}

// Mostly few, for many beginnings; now and then hundreds, for what builds up.
size_t StepCount() { return *rc::gen::weightedElement<size_t>({{19, 12}, {1, 300}}); }

Member InZone(Member member, std::string zone) {
  member.zone = std::move(zone);
  return member;
}

struct Run {
  Planner planner;
  uint32_t next_node;
  uint32_t most_nodes = 24;

  const Ring& ring() const { return planner.ring(); }

  // Plans the step twice, with the planner and anew, or finds that nothing can be done.
  std::optional<PlannedChange> Plan(const Step& step) {
    const Ring now = ring();
    const NodeId id = now.member(now.nodes()[step.pick % now.nodes().size()]).id;
    std::optional<PlannedChange> plan, anew;
    const auto both = [&](Result<PlannedChange> with_history, Result<PlannedChange> without) {
      plan = std::move(with_history).value();
      anew = std::move(without).value();
    };
    switch (step.kind) {
      case Kind::kAdd: {
        if (now.nodes().size() >= most_nodes) return std::nullopt;
        const Member member = InZone(Node(next_node++, step.vnodes), step.zone);
        both(planner.AddNode(member), AddNode(now, member));
        break;
      }
      case Kind::kRemove:
        if (now.nodes().size() <= now.replicas()) {
          RC_ASSERT(planner.RemoveNode(id).status().code() == StatusCode::kRefused);
          RC_ASSERT(ring() == now);
          return std::nullopt;
        }
        both(planner.RemoveNode(id), RemoveNode(now, id));
        break;
      case Kind::kVnodes:
        both(planner.SetVnodes(id, step.vnodes), SetVnodes(now, id, step.vnodes));
        break;
      case Kind::kReplicas: {
        const auto most = std::min<uint32_t>(5, static_cast<uint32_t>(now.nodes().size()));
        const uint32_t replicas = 1 + step.pick % most;
        both(planner.SetReplicas(replicas), SetReplicas(now, replicas));
        break;
      }
    }
    RC_ASSERT(plan->next == anew->next);
    RC_ASSERT(plan->moves == anew->moves);
    RC_ASSERT(plan->detour == anew->detour);
    RC_ASSERT(plan->next == ring());
    return plan;
  }
};

Run Start(const Kinds& kinds, std::vector<uint32_t> slot_counts) {
  const auto replicas = *rc::gen::inRange<uint32_t>(1, 6);
  const uint32_t slots = *rc::gen::elementOf(slot_counts);
  const auto nodes = *rc::gen::inRange<uint32_t>(replicas, 13);
  std::vector<Member> members;
  for (uint32_t i = 1; i <= nodes; ++i) {
    members.push_back(
        InZone(Node(i, *rc::gen::elementOf(kinds.vnodes)), *rc::gen::elementOf(kinds.zones)));
  }
  PlannedChange plan = FormRing(members, replicas, slots).value();
  CheckBalance(plan.next, Figures(plan.next));
  return {Planner(std::move(plan.next)), nodes + 1};
}

void Play(Run run, const std::vector<Step>& steps,
          const std::function<void(const Ring&, const PlannedChange&, const Step&)>& check) {
  for (const Step& step : steps) {
    const Ring before = run.ring();
    std::optional<PlannedChange> plan = run.Plan(step);
    if (!plan) continue;
    const Figures figures(plan->next);
    CheckBalance(plan->next, figures);
    CheckMoves(before, *plan, figures);
    check(before, *plan, step);
    RC_ASSERT(DecodeRing(EncodeRing(plan->next)).value() == plan->next);
  }
}

void CheckNothingMore(const Ring&, const PlannedChange&, const Step&) {}

RC_GTEST_PROP(Planner, KeepsItsPromisesWithEqualNodes, ()) {
  Run run = Start(kEqual, {16, 64, 256});
  const auto steps = Steps(StepCount(), {Kind::kAdd, Kind::kRemove, Kind::kReplicas}, kEqual);
  Play(std::move(run), steps, [](const Ring& before, const PlannedChange& plan, const Step& step) {
    if (step.kind == Kind::kReplicas) return;
    // Only the node that comes or goes takes part, but where no row of a giver has room for a
    // taker: CheckMoves has asked a dumb solver whether that is so.
    if (plan.detour != Detour::kNone) return;
    std::set<NodeId> givers, takers;
    for (const Move& move : plan.moves) {
      givers.insert(before.member(*move.from).id);
      takers.insert(plan.next.member(*move.to).id);
    }
    RC_ASSERT((step.kind == Kind::kAdd ? takers : givers).size() <= 1u);
  });
}

RC_GTEST_PROP(Planner, KeepsItsPromisesWithUnequalNodes, ()) {
  Run run = Start(kUnequal, {16, 64, 256});
  const auto steps =
      Steps(StepCount(), {Kind::kAdd, Kind::kRemove, Kind::kVnodes, Kind::kReplicas}, kUnequal);
  Play(std::move(run), steps, CheckNothingMore);
}

RC_GTEST_PROP(Planner, KeepsItsPromisesInUnequalZones, ()) {
  Run run = Start(kEqualInZones, {16, 32});
  const auto steps =
      Steps(StepCount(), {Kind::kAdd, Kind::kRemove, Kind::kReplicas}, kEqualInZones);
  Play(std::move(run), steps, CheckNothingMore);
}

RC_GTEST_PROP(Planner, KeepsItsPromisesWithUnequalNodesInUnequalZones, ()) {
  Run run = Start(kUnequalInZones, {16, 32});
  const auto steps = Steps(StepCount(), {Kind::kAdd, Kind::kRemove, Kind::kVnodes, Kind::kReplicas},
                           kUnequalInZones);
  Play(std::move(run), steps, CheckNothingMore);
}

RC_GTEST_PROP(Planner, ShrinksToTheLastNodesThatTheReplicasAllow, ()) {
  const Kinds& kinds = **rc::gen::element(&kEqual, &kEqualInZones);
  Run run = Start(kinds, {16, 64, 256});
  Play(std::move(run), Steps(24, {Kind::kRemove}, kinds), CheckNothingMore);
}

}  // namespace
}  // namespace ringkv
