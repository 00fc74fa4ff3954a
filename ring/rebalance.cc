#include "ring/rebalance.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace ringkv {
namespace {

// How many (slot, node) choices are weighed for one hop. All of them in clusters of usual size; a
// sample where there are many hops or many choices, which spreads well enough: the more slots two
// nodes share, the less one more matters. The budget keeps a plan within some tens of milliseconds.
constexpr size_t kChoicesInAll = 1'500'000;
constexpr size_t kFewestCounted = 24;
constexpr size_t kFewestChoices = 4;  // where pairs are not counted: only the lacks are compared
constexpr size_t kMostChoices = 2048;
// Open slots, where nobody has to be in each of them; may be multiplied by replicas.
constexpr int64_t kNoMatterHowMany = int64_t{1} << 40;

// Who has too much and who has too little, by number; nobody, if at all, last.
struct Imbalance {
  std::vector<uint32_t> givers, takers;
  size_t hops = 0;  // that are needed at least
};

Imbalance Find(Placement& placement) {
  Imbalance found;
  const auto add = [&](uint32_t node) {
    const int64_t surplus = placement.surplus(node);
    if (surplus == 0) return;
    (surplus > 0 ? found.givers : found.takers).push_back(node);
    if (surplus > 0) found.hops += static_cast<size_t>(surplus);
  };
  for (uint32_t node : placement.TouchedNodes()) add(node);
  add(kNoNode);
  return found;
}

// Pseudo-random and the same everywhere: where to begin in a list of `size`.
size_t StartOf(uint32_t node, size_t size) {
  return size == 0 ? 0 : (uint64_t{node} + 1) * 0x9E3779B97F4A7C15 % size;
}

// ---- zones that hold too much of a slot -------------------------------------------

// Of the nodes in zones that have too much of the row, the one to leave it: among those with about
// the greatest surplus the one that meets the others too often. kNoNode: no zone has too much.
uint32_t LeastNeeded(const Placement& placement, const ReplicaRow& row) {
  const auto excessive = [&](uint32_t node) {
    return placement.InZone(row, placement.ZoneOf(node), kNoNode) > placement.per_zone();
  };
  int64_t greatest = INT64_MIN;
  for (NodeIndex n : row) {
    if (excessive(n.value())) greatest = std::max(greatest, placement.surplus(n.value()));
  }
  uint32_t worst = kNoNode;
  int64_t least_cost = INT64_MAX;
  for (NodeIndex n : row) {
    const uint32_t node = n.value();
    if (!excessive(node) || placement.surplus(node) < greatest - std::abs(greatest) / 4) continue;
    const int64_t cost = placement.pairs().ReplaceCost(row, node, kNoNode);
    if (worst != kNoNode && cost >= least_cost) continue;
    worst = node;
    least_cost = cost;
  }
  return worst;
}

// Rows may have more replicas in a zone than they must now: a zone has come, or the ring was not
// planned here. Those in excess leave, first of all of nodes that have too much anyway, and an
// empty place stays. Nothing is copied by that, so that the least is still to be had: what is
// evicted here and had better stayed finds its way back along a path that costs nothing. False:
// nobody left.
bool EvictExcess(Placement& placement) {
  bool evicted = false;
  for (uint32_t slot = 0; slot < placement.slots(); ++slot) {
    for (;;) {
      const uint32_t worst = LeastNeeded(placement, placement.Row(slot));
      if (worst == kNoNode) break;
      placement.Evict(slot, worst);
      evicted = true;
    }
  }
  return evicted;
}

// ---- stage 2: direct hops ------------------------------------------------------------------

class DirectHops {
 public:
  explicit DirectHops(Placement& placement)
      : placement_(placement), zone_lack_(placement.groups().zones(), 0) {
    Imbalance imbalance = Find(placement);
    left_ = imbalance.hops;
    givers_ = std::move(imbalance.givers);
    MixTakers(imbalance.takers);
    choices_ = kFewestChoices;
    if (placement.pairs().counting()) {
      choices_ =
          std::clamp(kChoicesInAll / std::max<size_t>(left_, 1), kFewestCounted, kMostChoices);
    }
  }

  // Returns how many hops are still wanting.
  size_t Run() {
    if (takers_.empty()) return left_;
    if (!givers_.empty() && givers_.back() == kNoNode) {
      FillEmptyPlaces();
      givers_.pop_back();
    }
    for (uint32_t node : givers_) {
      const size_t held = placement_.MaybeHeldBy(node).size();
      if (placement_.surplus(node) == static_cast<int64_t>(held)) EmptyNode(node);
    }
    // In turns, so that no giver is left with slots that the others have used up.
    std::vector<size_t> starts;
    for (uint32_t node : givers_) {
      starts.push_back(StartOf(node, placement_.MaybeHeldBy(node).size()));
    }
    for (bool hopped = true; hopped && !takers_.empty();) {
      hopped = false;
      for (size_t i = 0; i < givers_.size() && !takers_.empty(); ++i) {
        if (placement_.surplus(givers_[i]) <= 0) continue;
        hopped |= GiveOne(givers_[i], &starts[i]);
      }
    }
    return left_;
  }

 private:
  struct Taker {
    uint32_t node;
    ZoneNumber zone;
    int64_t lack;
    int64_t target;
  };
  struct Choice {
    int64_t cost = INT64_MAX;
    uint32_t slot = 0;
    size_t taker = 0;  // position in takers_
    bool must = false;
    bool found = false;
  };

  // In an order that has nothing to do with their numbers: whoever is met next is a sample.
  void MixTakers(const std::vector<uint32_t>& nodes) {
    size_t stride = nodes.size() * 618 / 1000 + 1;
    while (std::gcd(stride, nodes.size()) > 1) ++stride;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const uint32_t node = nodes[i * stride % nodes.size()];
      const int64_t lack = -placement_.surplus(node);
      Taker taker{node, kOwnDomain, lack, 0};
      if (node == kNoNode) {
        taker.target = int64_t{placement_.slots()} * placement_.empty_places();
      } else {
        taker.zone = placement_.ZoneOf(node);
        taker.target = lack + placement_.count(node);
        if (taker.zone != kOwnDomain) zone_lack_[taker.zone] += lack;
      }
      takers_.push_back(taker);
    }
  }

  // Where pairs are not counted, whom a node meets is left to chance, and the takers' turns come in
  // another order each time round. (In one order, neighbours in it would meet in all their slots.)
  void MixBeforeNextRound() {
    if (placement_.pairs().counting() || next_taker_ + choices_ <= takers_.size()) return;
    next_taker_ = 0;
    for (size_t i = takers_.size(); i > 1; --i) {
      std::swap(takers_[i - 1], takers_[random_.Below(i)]);
    }
  }

  void Hop(const Choice& choice, uint32_t from) {
    Taker& taker = takers_[choice.taker];
    placement_.Hop(choice.slot, from, taker.node);
    if (taker.zone != kOwnDomain) --zone_lack_[taker.zone];
    --left_;
    if (--taker.lack > 0) return;
    taker = takers_.back();
    takers_.pop_back();
  }

  // Whether the taker has to be in each of the slots still open, or its zone as often as it may.
  bool MustEnter(const Taker& taker, int64_t open_slots) const {
    if (taker.lack >= open_slots) return true;
    if (taker.zone == kOwnDomain) return false;
    return zone_lack_[taker.zone] > int64_t{placement_.per_zone()} * (open_slots - 1);
  }

  // Who takes the place of `from` in `slot`: one that must, or else the one that evens the spread
  // most; among these the one that lacks most for its size.
  Choice BestTaker(uint32_t slot, uint32_t from, int64_t open_slots) {
    MixBeforeNextRound();
    const ReplicaRow row = placement_.Row(slot);
    const Placement::Vacancy vacancy(placement_, row, from);
    Choice best;
    best.slot = slot;
    size_t tried = 0;
    for (size_t i = 0; i < takers_.size() && tried < choices_; ++i) {
      if (next_taker_ >= takers_.size()) next_taker_ = 0;
      const size_t at = next_taker_++;
      const Taker& taker = takers_[at];
      if (!vacancy.Admits(taker.node, taker.zone)) continue;
      ++tried;
      const bool must = MustEnter(taker, open_slots);
      if (best.must && !must) continue;
      const int64_t cost = placement_.pairs().ReplaceCost(row, from, taker.node);
      if (best.found && best.must == must) {
        const Taker& other = takers_[best.taker];
        if (cost > best.cost) continue;
        if (cost == best.cost && taker.lack * other.target <= other.lack * taker.target) continue;
      }
      best = {cost, slot, at, must, true};
    }
    return best;
  }

  // Slot by slot.
  void FillEmptyPlaces() {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(kNoNode);
    placement_.BeginFilling();
    for (size_t i = 0; i < slots.size(); ++i) {
      while (placement_.surplus(kNoNode) > 0 && placement_.Holds(slots[i], kNoNode)) {
        const Choice choice = BestTaker(slots[i], kNoNode, static_cast<int64_t>(slots.size() - i));
        if (!choice.found) break;
        Hop(choice, kNoNode);
      }
    }
    placement_.EndFilling();
  }

  // Each of a node's slots finds a taker.
  void EmptyNode(uint32_t node) {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(node);
    for (uint32_t slot : slots) {
      const Choice choice = BestTaker(slot, node, kNoMatterHowMany);
      if (choice.found) Hop(choice, node);
    }
  }

  // One of the node's slots goes to one of the takers: the best of both, looked for from `start`
  // on. False: there is none.
  bool GiveOne(uint32_t node, size_t* start) {
    const std::vector<uint32_t>& slots = placement_.MaybeHeldBy(node);
    // Where pairs are not counted, one is as good as the other.
    const size_t wanted =
        placement_.pairs().counting() ? std::max<size_t>(choices_ / takers_.size() / 32, 4) : 1;
    Choice best;
    size_t weighed = 0;
    size_t i = 0;
    for (; i < slots.size() && weighed < wanted; ++i) {
      const uint32_t slot = slots[(*start + i) % slots.size()];
      if (!placement_.Holds(slot, node)) continue;
      const Choice choice = BestTaker(slot, node, kNoMatterHowMany);
      if (!choice.found) continue;
      ++weighed;
      if (choice.cost < best.cost || !best.found) best = choice;
    }
    *start += i;
    if (!best.found) return false;
    Hop(best, node);
    return true;
  }

  Placement& placement_;
  std::vector<int64_t> zone_lack_;
  std::vector<Taker> takers_;  // those that still lack something
  std::vector<uint32_t> givers_;
  size_t left_ = 0;
  size_t choices_ = 0;
  size_t next_taker_ = 0;  // goes on from hop to hop, so that samples differ
  Random random_{1};       // the same plan on every machine
};

// ---- stage 3: rearranging what is copied anyway --------------------------------------------

// Where the last givers and takers do not fit each other: paths giver → a → … → taker along which
// each between passes on what it has only got in this change, so that one more copy is made in all,
// the least there can be. Breadth-first. This alone settles nearly all that direct hops leave, and
// looks at what the change has touched only.
class Rearrangement {
 public:
  explicit Rearrangement(Placement& placement) : placement_(placement) {
    Imbalance imbalance = Find(placement);
    givers_ = std::move(imbalance.givers);
    takers_ = std::move(imbalance.takers);
  }

  // False: something is left.
  bool Run() {
    bool done = true;
    for (uint32_t giver : givers_) {
      while (placement_.surplus(giver) > 0) {
        if (Give(giver) || GiveInstead(giver)) continue;
        done = false;
        break;
      }
    }
    return done;
  }

 private:
  struct Step {
    uint32_t from, slot;
  };

  bool Give(uint32_t giver) {
    steps_.clear();
    steps_[giver] = {giver, 0};
    std::vector<uint32_t> queue = {giver};
    const std::vector<uint32_t> gainers = placement_.Gainers();
    for (size_t head = 0; head < queue.size(); ++head) {
      const uint32_t node = queue[head];
      for (uint32_t slot : placement_.MaybeHeldBy(node)) {
        const ReplicaRow row = placement_.Row(slot);
        if (!row.Contains(NodeIndex(node))) continue;
        if (node != giver && placement_.CopiesFor(slot, node) == 0) continue;
        const Placement::Vacancy vacancy(placement_, row, node);
        for (uint32_t taker : takers_) {
          if (placement_.surplus(taker) >= 0 || steps_.contains(taker)) continue;
          if (!vacancy.Admits(taker, placement_.ZoneOf(taker))) continue;
          steps_[taker] = {node, slot};
          Apply(giver, taker);
          return true;
        }
        for (uint32_t other : gainers) {
          if (!vacancy.Admits(other, placement_.ZoneOf(other))) continue;
          if (steps_.try_emplace(other, Step{node, slot}).second) queue.push_back(other);
        }
      }
    }
    return false;
  }

  void Apply(uint32_t giver, uint32_t taker) {
    for (uint32_t node = taker; node != giver; node = steps_[node].from) {
      placement_.Hop(steps_[node].slot, steps_[node].from, node);
    }
  }

  // The giver's share is rounded up, and another's down that can give.
  bool GiveInstead(uint32_t giver) {
    if (giver == kNoNode || placement_.rounding(giver) != Placement::Direction::kDown) return false;
    size_t tried = 0;
    const uint32_t limit = placement_.limit();
    const auto start = static_cast<uint32_t>(StartOf(giver, limit));
    for (uint32_t i = 0; i < limit && tried < kInstead; ++i) {
      const uint32_t other = (start + i) % limit;
      if (placement_.rounding(other) != Placement::Direction::kUp) continue;
      if (placement_.surplus(other) != 0) continue;
      ++tried;
      placement_.Reround(giver, other);
      if (Give(other)) return true;
      placement_.Reround(other, giver);
    }
    return false;
  }

  static constexpr size_t kInstead = 16;

  Placement& placement_;
  std::vector<uint32_t> givers_, takers_;
  std::unordered_map<uint32_t, Step> steps_;
};

// ---- stage 4: shortest augmenting paths ----------------------------------------------------

// Shortest paths between nodes, where an edge a → b is a slot in which b can take a's place. Its
// length is the copies that this adds (-1, 0 or 1), or, for nothing, a share that is rounded up
// instead of another; among equal ones fewer hops win, which also keeps a path from using one slot
// twice. There are no negative cycles while the placement is optimal for what it has reached
// (direct hops are: no rounding gains fewer replicas in all than RoundShares'), and each
// augmentation keeps it so.
class PathSearch {
 public:
  explicit PathSearch(Placement& placement)
      : placement_(placement), nodes_(placement.limit() + 1) {}

  // Distances from the givers, or from an empty place that must be filled in one slot. False: no
  // taker can be reached.
  bool Run(std::optional<uint32_t> must_fill = std::nullopt) {
    Imbalance imbalance = Find(placement_);
    givers_ = std::move(imbalance.givers);
    if (must_fill) {
      std::vector<uint32_t> hopeful[2] = {Everybody(), {}};
      ExpandAt(kNoNode, *must_fill, 0, hopeful);
    } else {
      for (uint32_t node : givers_) Reach(node, 0);
    }
    while (!queue_.empty()) {
      const uint32_t node = queue_.front();
      queue_.pop_front();
      At(node).queued = false;
      Expand(node);
    }
    nearest_ = kFar;
    for (uint32_t node : imbalance.takers) nearest_ = std::min(nearest_, At(node).distance);
    for (uint32_t node = 0; node < placement_.limit(); ++node) {
      if (At(node).distance <= nearest_) by_distance_[At(node).distance].push_back(node);
    }
    return nearest_ != kFar;
  }

  // Augments along shortest paths, as many as there are, each by depth first search over edges that
  // lie on some; distances never shrink meanwhile, so that each is a shortest one when it is used
  // (Dinic's blocking flow). At least one is found.
  void Augment() {
    for (uint32_t giver : givers_) {
      while (placement_.surplus(giver) > 0 && Descend(giver)) {
      }
    }
  }

  // The same for the empty place; one path.
  void Fill(uint32_t slot) {
    RINGKV_CHECK(DescendAt(kNoNode, slot, 0), "a path that was found is there");
  }

 private:
  static constexpr int64_t kFar = INT64_MAX / 2;
  static constexpr int64_t kCopy = int64_t{1} << 32;  // outweighs any number of hops

  struct Node {
    int64_t distance = kFar;
    bool queued = false;
    bool dead = false;  // leads to no taker any more
  };

  Node& At(uint32_t node) { return nodes_[node == kNoNode ? nodes_.size() - 1 : node]; }

  void Reach(uint32_t node, int64_t distance) {
    Node& reached = At(node);
    if (distance >= reached.distance) return;
    if (!reached.queued) queue_.push_back(node);
    reached = {distance, true, false};
  }

  void Expand(uint32_t node) {
    const int64_t here = At(node).distance;
    if (node != kNoNode && placement_.rounding(node) == Placement::Direction::kDown) {
      for (uint32_t other = 0; other < placement_.limit(); ++other) {
        if (placement_.rounding(other) == Placement::Direction::kUp) Reach(other, here + 1);
      }
    }
    // Those that a full-price hop would still bring nearer; nearly all leave at the first slot.
    std::vector<uint32_t> hopeful[2];
    for (int copies : {0, 1}) {
      const int64_t length = here + (1 - copies) * kCopy + 1;
      for (uint32_t other = 0; other < placement_.limit(); ++other) {
        if (placement_.groups().Has(other) && At(other).distance > length) {
          hopeful[copies].push_back(other);
        }
      }
    }
    for (uint32_t slot : placement_.MaybeHeldBy(node)) {
      if (placement_.Holds(slot, node)) ExpandAt(node, slot, here, hopeful);
    }
  }

  std::vector<uint32_t> Everybody() const {
    std::vector<uint32_t> nodes;
    for (uint32_t node = 0; node < placement_.limit(); ++node) {
      if (placement_.groups().Has(node)) nodes.push_back(node);
    }
    return nodes;
  }

  // `hopeful`: whom a hop at full price would bring nearer, where the node costs no copy in the
  // slot and where it costs one. Those that it does leave the list.
  void ExpandAt(uint32_t node, uint32_t slot, int64_t here, std::vector<uint32_t> (&hopeful)[2]) {
    const ReplicaRow row = placement_.Row(slot);
    const Placement::Vacancy vacancy(placement_, row, node);
    const int copies = placement_.CopiesFor(slot, node);
    const int64_t base = here - copies * kCopy + 1;
    if (vacancy.Admits(kNoNode, kOwnDomain)) Reach(kNoNode, base);
    for (NodeIndex n : placement_.RowBefore(slot)) {
      const uint32_t other = n.value();
      if (other == kNoNode || !placement_.groups().Has(other)) continue;
      if (vacancy.Admits(other, placement_.ZoneOf(other))) Reach(other, base);
    }
    std::erase_if(hopeful[copies], [&](uint32_t other) {
      if (!vacancy.Admits(other, placement_.ZoneOf(other))) return false;
      Reach(other, base + kCopy);
      return true;
    });
  }

  // A shortest path from the node to a taker, applied from its end on. False: there is none.
  bool Descend(uint32_t node) {
    const int64_t here = At(node).distance;
    if (here == nearest_) return placement_.surplus(node) < 0;
    if (At(node).dead || here > nearest_) return false;
    At(node).dead = true;  // until proved otherwise; and no path meets a node twice
    const bool found = DescendByRounding(node) || DescendBySlot(node);
    At(node).dead = !found;
    return found;
  }

  bool DescendByRounding(uint32_t node) {
    if (node == kNoNode || placement_.rounding(node) != Placement::Direction::kDown) return false;
    for (uint32_t other : by_distance_[At(node).distance + 1]) {
      if (placement_.rounding(other) != Placement::Direction::kUp) continue;
      if (!Descend(other)) continue;
      placement_.Reround(node, other);
      return true;
    }
    return false;
  }

  bool DescendBySlot(uint32_t node) {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(node);
    for (uint32_t slot : slots) {
      if (!placement_.Holds(slot, node)) continue;
      if (DescendAt(node, slot, At(node).distance)) return true;
    }
    return false;
  }

  bool DescendAt(uint32_t node, uint32_t slot, int64_t here) {
    const int64_t base = here - placement_.CopiesFor(slot, node) * kCopy + 1;
    const auto leads = [&](uint32_t other, int64_t distance) {
      return At(other).distance == distance && placement_.CanReplace(slot, node, other) &&
             Descend(other);
    };
    const auto hop = [&](uint32_t other) {
      placement_.Hop(slot, node, other);
      return true;
    };
    if (leads(kNoNode, base)) return hop(kNoNode);
    for (NodeIndex n : placement_.RowBefore(slot)) {
      const uint32_t other = n.value();
      if (other == kNoNode || !placement_.groups().Has(other)) continue;
      if (leads(other, base)) return hop(other);
    }
    for (uint32_t other : by_distance_[base + kCopy]) {
      if (!placement_.HeldBefore(slot, other) && leads(other, base + kCopy)) return hop(other);
    }
    return false;
  }

  Placement& placement_;
  std::vector<Node> nodes_;  // nobody last
  std::deque<uint32_t> queue_;
  std::vector<uint32_t> givers_;
  int64_t nearest_ = kFar;
  std::map<int64_t, std::vector<uint32_t>> by_distance_;  // nodes on the way
};

// Rows with more empty places than any is to have: each such place is filled along a shortest path.
void FillOvermuch(Placement& placement) {
  const std::vector<uint32_t> slots = placement.MaybeHeldBy(kNoNode);
  if (placement.empty_places() == 0) return;  // all of them will be filled anyway
  for (uint32_t slot : slots) {
    while (placement.EmptyPlaces(placement.Row(slot)) > placement.empty_places()) {
      PathSearch search(placement);
      RINGKV_CHECK(search.Run(slot), "somebody can always hold a slot");
      search.Fill(slot);
    }
  }
}

}  // namespace

void Rebalance(Placement& placement, bool repair_zones) {
  // After evictions there are ways back that cost nothing, and only the exact search knows them.
  if (repair_zones && EvictExcess(placement)) {
    FillOvermuch(placement);
  } else {
    if (DirectHops(placement).Run() == 0) return;
    // Where nodes have only dropped slots, a way back costs less than one copy.
    if (placement.empty_places() == 0 && Rearrangement(placement).Run()) return;
  }
  while (!Find(placement).takers.empty()) {
    PathSearch search(placement);
    RINGKV_CHECK(search.Run(), "the targets cannot be reached");
    search.Augment();
  }
}

}  // namespace ringkv
