// Random sequences of changes; after each, everything that planner.h promises is computed anew, by
// other means than the planner's. On a failure rapidcheck prints the shortest sequence that it
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

using Counts = std::map<NodeId, int64_t>;

// A fair share as floor and ceiling, by water-filling in long double: raise the level, weight by
// weight, until everything is poured out; no node above `slots`.
struct Bounds {
  int64_t low = 0;
  int64_t high = 0;
};

std::map<NodeId, Bounds> FairBounds(const Ring& ring, uint32_t divide_by) {
  std::map<NodeId, long double> share;
  std::set<NodeId> full;
  for (bool again = true; again;) {
    again = false;
    long double left = static_cast<long double>(ring.slots()) * (ring.replicas() - full.size());
    long double weights = 0;
    for (NodeIndex n : ring.nodes()) {
      if (!full.contains(ring.member(n).id)) weights += ring.member(n).vnodes;
    }
    for (NodeIndex n : ring.nodes()) {
      const NodeId& id = ring.member(n).id;
      if (full.contains(id)) continue;
      share[id] = left * ring.member(n).vnodes / weights;
    }
    for (auto& [id, s] : share) {
      if (full.contains(id) || s < ring.slots() - 1e-9L) continue;
      s = ring.slots();
      full.insert(id);
      again = full.size() < ring.nodes().size();
    }
  }
  std::map<NodeId, Bounds> bounds;
  for (auto& [id, s] : share) {
    s /= divide_by;
    bounds[id] = {static_cast<int64_t>(std::floor(s + 1e-9L)),
                  static_cast<int64_t>(std::ceil(s - 1e-9L))};
  }
  return bounds;
}

Counts ReplicasHeld(const Ring& ring) {
  Counts counts;
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    for (NodeIndex n : ring.Replicas(SlotId(slot))) ++counts[ring.member(n).id];
  }
  return counts;
}

void CheckBalance(const Ring& ring) {
  Counts held = ReplicasHeld(ring);
  for (auto [id, bounds] : FairBounds(ring, 1)) {
    RC_ASSERT(held[id] >= bounds.low);
    RC_ASSERT(held[id] <= bounds.high);
  }
  Counts primaries;
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const ReplicaRow row = ring.Replicas(SlotId(slot));
    RC_ASSERT(std::set<NodeIndex>(row.begin(), row.end()).size() == ring.replicas());
    ++primaries[ring.member(row[0]).id];
  }
  for (auto [id, bounds] : FairBounds(ring, ring.replicas())) {
    RC_ASSERT(primaries[id] >= bounds.low);
    RC_ASSERT(primaries[id] <= bounds.high);
  }
}

// The fewest replicas that nodes must gain so that all are within their bounds: what each lacks,
// and, where all together would still hold too few, the rest.
int64_t FewestCopies(const Ring& before, const Ring& after) {
  Counts held = ReplicasHeld(before);
  int64_t gained = 0, sum = 0;
  for (auto [id, bounds] : FairBounds(after, 1)) {
    gained += std::max<int64_t>(0, bounds.low - held[id]);
    sum += std::clamp(held[id], bounds.low, bounds.high);
  }
  return gained + std::max<int64_t>(0, int64_t{after.slots()} * after.replicas() - sum);
}

// The same with distinctness, by the textbook: a min-cost flow over an explicit graph, one unit at
// a time, by Bellman-Ford. Slow.
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

int64_t FewestCopiesByFlow(const Ring& before, const Ring& after) {
  constexpr int64_t kMust = 1 << 20;  // below what a node must hold, nothing is too dear
  const size_t slots = after.slots(), nodes = after.nodes().size();
  const size_t source = slots + nodes, sink = source + 1;
  DumbFlow flow(sink + 1);
  std::map<NodeId, Bounds> bounds = FairBounds(after, 1);
  int64_t floors = 0;
  for (size_t i = 0; i < nodes; ++i) {
    const Bounds b = bounds[after.member(after.nodes()[i]).id];
    flow.Edge(slots + i, sink, b.low, -kMust);
    flow.Edge(slots + i, sink, b.high - b.low, 0);
    floors += b.low;
  }
  for (size_t slot = 0; slot < slots; ++slot) {
    flow.Edge(source, slot, after.replicas(), 0);
    std::set<NodeId> held;
    for (NodeIndex n : before.Replicas(SlotId(slot))) held.insert(before.member(n).id);
    for (size_t i = 0; i < nodes; ++i) {
      flow.Edge(slot, slots + i, 1, held.contains(after.member(after.nodes()[i]).id) ? 0 : 1);
    }
  }
  return flow.CheapestFull(source, sink) + kMust * floors;
}

void CheckMoves(const Ring& before, const PlannedChange& plan) {
  const Ring& after = plan.next;
  std::vector<std::set<NodeIndex>> rows(before.slots());
  for (uint32_t slot = 0; slot < before.slots(); ++slot) {
    const ReplicaRow row = before.Replicas(SlotId(slot));
    rows[slot].insert(row.begin(), row.end());
  }
  int64_t copies = 0;
  for (const Move& move : plan.moves) {
    std::set<NodeIndex>& row = rows[move.slot.value()];
    RC_ASSERT(move.from || move.to);
    if (move.from) RC_ASSERT(row.erase(*move.from) == 1u);
    if (move.to) RC_ASSERT(row.insert(*move.to).second);
    copies += move.to ? 1 : 0;
  }
  for (uint32_t slot = 0; slot < after.slots(); ++slot) {
    const ReplicaRow row = after.Replicas(SlotId(slot));
    RC_ASSERT(rows[slot] == std::set<NodeIndex>(row.begin(), row.end()));
  }
  const int64_t fewest = FewestCopies(before, after);
  RC_ASSERT(copies >= fewest);
  if (copies > fewest) {
    // Distinctness may truly forbid it; a dumb solver decides.
    RC_TAG("detour");
    RC_ASSERT(copies == FewestCopiesByFlow(before, after));
  }
  RC_ASSERT((plan.moves.size() == plan.least_moves) == (copies == fewest));
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
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static const char* const kNames[] = {"add", "remove", "vnodes", "replicas"};
  return out << kNames[static_cast<int>(step.kind)] << " " << step.pick << " " << step.vnodes;
}

rc::Gen<std::vector<Step>> Steps(std::vector<Kind> kinds, std::vector<uint32_t> vnodes) {
  auto step =
      rc::gen::map(rc::gen::tuple(rc::gen::elementOf(kinds), rc::gen::inRange<uint32_t>(0, 1000),
                                  rc::gen::elementOf(vnodes)),
                   [](auto t) {
                     return Step{std::get<0>(t), std::get<1>(t), std::get<2>(t)};
                   });
  return rc::gen::container<std::vector<Step>>(step);
}

struct Run {
  Ring ring;
  uint32_t next_node;

  // Plans the step, or one like it where it would be refused; nullopt: nothing can be done.
  std::optional<PlannedChange> Plan(const Step& step) {
    const NodeId id = ring.member(ring.nodes()[step.pick % ring.nodes().size()]).id;
    const bool may_remove = ring.nodes().size() > ring.replicas();
    switch (step.kind) {
      case Kind::kAdd:
        if (ring.nodes().size() < 24) return AddNode(ring, Node(next_node++, step.vnodes)).value();
        return std::nullopt;
      case Kind::kRemove:
        if (may_remove) return RemoveNode(ring, id).value();
        RC_ASSERT(RemoveNode(ring, id).status().code() == StatusCode::kRefused);
        return std::nullopt;
      case Kind::kVnodes:
        return SetVnodes(ring, id, step.vnodes).value();
      case Kind::kReplicas:
        return SetReplicas(ring, 1 + step.pick % std::min<size_t>(5, ring.nodes().size())).value();
    }
    return std::nullopt;
  }
};

Run Start(const std::vector<uint32_t>& vnodes) {
  const auto replicas = *rc::gen::inRange<uint32_t>(1, 6);
  const auto slots = *rc::gen::element<uint32_t>(16, 32, 64, 128, 256);
  const auto nodes = *rc::gen::inRange<uint32_t>(replicas, 13);
  std::vector<Member> members;
  for (uint32_t i = 1; i <= nodes; ++i) members.push_back(Node(i, *rc::gen::elementOf(vnodes)));
  PlannedChange plan = FormRing(members, replicas, slots).value();
  CheckBalance(plan.next);
  return {std::move(plan.next), nodes + 1};
}

void Play(Run run, const std::vector<Step>& steps,
          const std::function<void(const Ring&, const PlannedChange&, const Step&)>& check) {
  for (const Step& step : steps) {
    std::optional<PlannedChange> plan = run.Plan(step);
    if (!plan) continue;
    CheckBalance(plan->next);
    CheckMoves(run.ring, *plan);
    check(run.ring, *plan, step);
    RC_ASSERT(DecodeRing(EncodeRing(plan->next)).value() == plan->next);
    run.ring = std::move(plan->next);
  }
}

RC_GTEST_PROP(Planner, KeepsItsPromisesWithEqualNodes, ()) {
  const std::vector<uint32_t> vnodes = {128};
  Run run = Start(vnodes);
  const auto steps = *Steps({Kind::kAdd, Kind::kRemove, Kind::kReplicas}, vnodes);
  Play(std::move(run), steps, [](const Ring& before, const PlannedChange& plan, const Step& step) {
    if (step.kind == Kind::kReplicas) return;
    // Only the node that comes or goes takes part.
    std::set<NodeId> givers, takers;
    for (const Move& move : plan.moves) {
      givers.insert(before.member(*move.from).id);
      takers.insert(plan.next.member(*move.to).id);
    }
    RC_ASSERT((step.kind == Kind::kAdd ? takers : givers).size() <= 1u);
  });
}

RC_GTEST_PROP(Planner, KeepsItsPromisesWithUnequalNodes, ()) {
  const std::vector<uint32_t> vnodes = {1, 2, 3, 64, 100, 128, 256, 1000, 4096};
  Run run = Start(vnodes);
  const auto steps = *Steps({Kind::kAdd, Kind::kRemove, Kind::kVnodes, Kind::kReplicas}, vnodes);
  Play(std::move(run), steps, [](const Ring&, const PlannedChange&, const Step&) {});
}

RC_GTEST_PROP(Planner, ShrinksToTheLastNodesThatTheReplicasAllow, ()) {
  Run run = Start({128});
  const auto picks = *rc::gen::container<std::vector<uint32_t>>(24, rc::gen::inRange(0u, 1000u));
  std::vector<Step> steps;
  for (uint32_t pick : picks) steps.push_back({Kind::kRemove, pick, 128});
  Play(run, steps, [](const Ring&, const PlannedChange&, const Step&) {});
}

}  // namespace
}  // namespace ringkv
