#include "ring/rebalance.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace ringkv {
namespace {

// How many (slot, node) choices are weighed for one hop. All of them in clusters of usual size; a
// sample where there are many hops or many choices, which spreads well enough: the more slots two
// nodes share, the less one more matters. The budget keeps a plan within some tens of milliseconds.
constexpr size_t kChoicesInAll = 1'500'000;
constexpr size_t kFewestChoices = 24;
constexpr size_t kMostChoices = 2048;

struct Choice {
  int64_t cost = INT64_MAX;
  uint32_t slot = 0;
  uint32_t to = kNoNode;
  bool found = false;
};

// Who has too much and who has too little, by number; nobody, if at all, last.
struct Imbalance {
  std::vector<uint32_t> givers, takers;
  size_t hops = 0;  // that are needed at least
};

Imbalance Find(const Placement& placement) {
  Imbalance found;
  const auto add = [&](uint32_t node) {
    const int64_t surplus = placement.surplus(node);
    if (surplus == 0) return;
    (surplus > 0 ? found.givers : found.takers).push_back(node);
    if (surplus > 0) found.hops += static_cast<size_t>(surplus);
  };
  for (uint32_t node = 0; node < placement.limit(); ++node) add(node);
  add(kNoNode);
  return found;
}

// Pseudo-random and the same everywhere: where to begin in a list of `size`.
size_t StartOf(uint32_t node, size_t size) {
  return size == 0 ? 0 : (uint64_t{node} + 1) * 0x9E3779B97F4A7C15 % size;
}

// ---- stage 1: zones that hold too much of a slot -------------------------------------------

// Rows may have more replicas in a zone than they must now: a zone has come, or the ring was not
// planned here. Those in excess leave, first of all of nodes that have too much anyway. Then nodes
// that lack slots take back what they have left, where one in the same row has too much: for that
// nothing is copied. Paths are found backwards by breadth-first search over the evicted only.
class ZoneRepair {
 public:
  explicit ZoneRepair(Placement& placement) : placement_(placement) {}

  void Run() {
    for (uint32_t slot = 0; slot < placement_.slots(); ++slot) EvictExcess(slot);
    std::vector<uint32_t> lacking;
    for (const auto& [node, slots] : evicted_) lacking.push_back(node);
    for (uint32_t node : lacking) {
      while (placement_.surplus(node) < 0 && TakeBack(node)) {
      }
    }
  }

 private:
  void EvictExcess(uint32_t slot) {
    for (bool again = true; again;) {
      again = false;
      const ReplicaRow row = placement_.Row(slot);
      uint32_t worst = kNoNode;
      for (NodeIndex n : row) {
        const uint32_t node = n.value();
        if (node == kNoNode) continue;
        const ZoneNumber zone = placement_.groups().zone_of(node);
        if (placement_.InZone(row, zone, kNoNode) <= placement_.per_zone()) continue;
        if (worst == kNoNode || placement_.surplus(node) > placement_.surplus(worst)) worst = node;
      }
      if (worst == kNoNode) return;
      placement_.Evict(slot, worst);
      evicted_[worst].push_back(slot);
      again = true;
    }
  }

  bool TakeBack(uint32_t lacking) {
    struct Step {
      uint32_t to, slot;  // who takes this node's place, and where
    };
    std::map<uint32_t, Step> steps = {{lacking, {kNoNode, 0}}};
    std::vector<uint32_t> queue = {lacking};
    for (size_t head = 0; head < queue.size(); ++head) {
      const uint32_t node = queue[head];
      const auto slots = evicted_.find(node);
      if (slots == evicted_.end()) continue;
      for (uint32_t slot : slots->second) {
        const ReplicaRow row = placement_.Row(slot);
        for (NodeIndex n : row) {
          const uint32_t from = n.value();
          if (steps.contains(from) || !placement_.CanReplace(row, from, node)) continue;
          steps[from] = {node, slot};
          if (placement_.surplus(from) > 0) {
            for (uint32_t at = from; at != lacking; at = steps[at].to) {
              placement_.Hop(steps[at].slot, at, steps[at].to);
            }
            return true;
          }
          if (from != kNoNode) queue.push_back(from);
        }
      }
    }
    return false;
  }

  Placement& placement_;
  std::map<uint32_t, std::vector<uint32_t>> evicted_;  // slots, by node
};

// ---- stage 2: direct hops ------------------------------------------------------------------

class DirectHops {
 public:
  explicit DirectHops(Placement& placement)
      : placement_(placement), zone_lack_(placement.groups().zones(), 0) {
    FillOvermuch();
    Imbalance imbalance = Find(placement);
    left_ = imbalance.hops;
    takers_ = std::move(imbalance.takers);
    givers_ = std::move(imbalance.givers);
    for (uint32_t node : takers_) ChangeZoneLack(node, -placement.surplus(node));
    choices_ = kFewestChoices;
    if (placement.pairs().counting()) {
      choices_ =
          std::clamp(kChoicesInAll / std::max<size_t>(left_, 1), kFewestChoices, kMostChoices);
    }
    stride_ = takers_.size() * 618 / 1000 + 1;
    while (std::gcd(stride_, takers_.size()) > 1) ++stride_;
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
    for (bool hopped = true; hopped;) {
      hopped = false;
      for (size_t i = 0; i < givers_.size(); ++i) {
        if (placement_.surplus(givers_[i]) <= 0) continue;
        hopped |= GiveOne(givers_[i], &starts[i]);
      }
    }
    return left_;
  }

 private:
  void ChangeZoneLack(uint32_t node, int64_t by) {
    if (node == kNoNode || placement_.groups().zone_of(node) == kOwnDomain) return;
    zone_lack_[placement_.groups().zone_of(node)] += by;
  }

  void Hop(uint32_t slot, uint32_t from, uint32_t to) {
    placement_.Hop(slot, from, to);
    ChangeZoneLack(to, -1);
    --left_;
  }

  // Rows with more empty places than they are to have get somebody, whoever it is.
  void FillOvermuch() {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(kNoNode);
    if (placement_.empty_places() == 0) return;  // all of them will be filled anyway
    for (uint32_t slot : slots) {
      while (placement_.EmptyPlaces(placement_.Row(slot)) > placement_.empty_places()) {
        uint32_t best = kNoNode;
        for (uint32_t node = 0; node < placement_.limit(); ++node) {
          if (!placement_.groups().Has(node) || !placement_.CanReplace(slot, kNoNode, node))
            continue;
          if (best == kNoNode || placement_.surplus(node) < placement_.surplus(best)) best = node;
        }
        RINGKV_CHECK(best != kNoNode, "somebody can always hold a slot");
        placement_.Hop(slot, kNoNode, best);
      }
    }
  }

  // Whether the node has to be in each of the slots still open, or its zone as often as it may.
  bool MustEnter(uint32_t node, int64_t lack, int64_t open_slots) const {
    if (lack >= open_slots) return true;
    if (node == kNoNode || placement_.groups().zone_of(node) == kOwnDomain) return false;
    const int64_t later = int64_t{placement_.per_zone()} * (open_slots - 1);
    return zone_lack_[placement_.groups().zone_of(node)] > later;
  }

  // Who takes the place of `from` in `slot`: one that must, or else the one that evens the spread
  // most; among these the one that lacks most for its size.
  Choice BestTaker(uint32_t slot, uint32_t from, int64_t open_slots) {
    const ReplicaRow row = placement_.Row(slot);
    const PairCounts& pairs = placement_.pairs();
    Choice best;
    best.slot = slot;
    int64_t best_lack = 0;
    size_t tried = 0;
    for (size_t i = 0; i < takers_.size() && tried < choices_; ++i) {
      const uint32_t node = takers_[next_taker_];
      next_taker_ += stride_;
      if (next_taker_ >= takers_.size()) next_taker_ %= takers_.size();
      const int64_t lack = -placement_.surplus(node);
      if (lack <= 0 || !placement_.CanReplace(row, from, node)) continue;
      ++tried;
      const int64_t cost =
          MustEnter(node, lack, open_slots) ? INT64_MIN : pairs.ReplaceCost(row, from, node);
      const int64_t weighed =
          node == kNoNode || !pairs.counting() ? lack : lack * pairs.lightness(node);
      if (cost < best.cost || (cost == best.cost && weighed > best_lack)) {
        best.cost = cost;
        best.to = node;
        best.found = true;
        best_lack = weighed;
      }
    }
    return best;
  }

  // Slot by slot.
  void FillEmptyPlaces() {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(kNoNode);
    for (size_t i = 0; i < slots.size(); ++i) {
      while (placement_.surplus(kNoNode) > 0 && placement_.Holds(slots[i], kNoNode)) {
        const Choice choice = BestTaker(slots[i], kNoNode, static_cast<int64_t>(slots.size() - i));
        if (!choice.found) break;
        Hop(slots[i], kNoNode, choice.to);
      }
    }
  }

  // Each of a node's slots finds a taker.
  void EmptyNode(uint32_t node) {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(node);
    for (uint32_t slot : slots) {
      const Choice choice = BestTaker(slot, node, INT64_MAX);
      if (choice.found) Hop(slot, node, choice.to);
    }
  }

  // One of the node's slots goes to one of the takers: the best of both, looked for from `start`
  // on. False: there is none.
  bool GiveOne(uint32_t node, size_t* start) {
    const std::vector<uint32_t>& slots = placement_.MaybeHeldBy(node);
    // Where pairs are not counted, one is as good as the other.
    const size_t wanted =
        placement_.pairs().counting() ? std::max<size_t>(choices_ / takers_.size() / 8, 4) : 1;
    Choice best;
    size_t weighed = 0;
    size_t i = 0;
    for (; i < slots.size() && weighed < wanted; ++i) {
      const uint32_t slot = slots[(*start + i) % slots.size()];
      if (!placement_.Holds(slot, node)) continue;
      const Choice choice = BestTaker(slot, node, INT64_MAX);
      if (!choice.found) continue;
      ++weighed;
      if (choice.cost < best.cost || !best.found) best = choice;
    }
    *start += i;
    if (!best.found) return false;
    Hop(best.slot, node, best.to);
    return true;
  }

  Placement& placement_;
  std::vector<int64_t> zone_lack_;
  std::vector<uint32_t> takers_;
  std::vector<uint32_t> givers_;
  size_t left_ = 0;
  size_t choices_ = 0;
  size_t stride_ = 1;      // coprime to the number of takers: a walk meets them all
  size_t next_taker_ = 0;  // goes on from hop to hop, so that samples differ
};

// ---- stage 3: shortest augmenting paths ----------------------------------------------------

// Shortest paths between nodes, where an edge a → b is a slot in which b can take a's place. Its
// length is the copies that this adds (-1, 0 or 1), or, for nothing, a share that is rounded up
// instead of another; among equal ones fewer hops win, which also keeps a path from using one slot
// twice. There are no negative cycles while the placement is optimal for what it has reached
// (direct hops are: no rounding gains fewer replicas in all than RoundShares'), and each
// augmentation keeps it so.
class PathSearch {
 public:
  explicit PathSearch(const Placement& placement)
      : placement_(placement), nodes_(placement.limit() + 1) {}

  // The nearest taker; false: there is none.
  bool Run() {
    const Imbalance imbalance = Find(placement_);
    for (uint32_t node : imbalance.givers) Reach(node, 0, kStart, 0);
    while (!queue_.empty()) {
      const uint32_t node = queue_.front();
      queue_.pop_front();
      At(node).queued = false;
      Expand(node);
    }
    for (uint32_t node : imbalance.takers) {
      if (At(node).distance == kFar) continue;
      if (found_ && At(node).distance >= At(nearest_).distance) continue;
      nearest_ = node;
      found_ = true;
    }
    return found_;
  }

  // Does what the path to the nearest says.
  void Apply(Placement& placement) const {
    for (uint32_t node = nearest_; At(node).from != kStart; node = At(node).from) {
      if (At(node).slot == kReround) {
        placement.Reround(At(node).from, node);
      } else {
        placement.Hop(At(node).slot, At(node).from, node);
      }
    }
  }

 private:
  static constexpr int64_t kFar = INT64_MAX / 2;
  static constexpr uint32_t kStart = UINT32_MAX;      // in place of a node
  static constexpr uint32_t kReround = UINT32_MAX;    // in place of a slot
  static constexpr int64_t kCopy = int64_t{1} << 32;  // outweighs any number of hops

  struct Node {
    int64_t distance = kFar;
    uint32_t from = kStart;
    uint32_t slot = 0;
    bool queued = false;
  };

  Node& At(uint32_t node) { return nodes_[node == kNoNode ? nodes_.size() - 1 : node]; }
  const Node& At(uint32_t node) const { return nodes_[node == kNoNode ? nodes_.size() - 1 : node]; }

  void Reach(uint32_t node, int64_t distance, uint32_t from, uint32_t slot) {
    Node& reached = At(node);
    if (distance >= reached.distance) return;
    if (!reached.queued) queue_.push_back(node);
    reached = {distance, from, slot, true};
  }

  void Expand(uint32_t node) {
    const int64_t here = At(node).distance;
    if (node != kNoNode && placement_.rounding(node) == Placement::Direction::kDown) {
      for (uint32_t other = 0; other < placement_.limit(); ++other) {
        if (placement_.rounding(other) != Placement::Direction::kUp) continue;
        Reach(other, here + 1, node, kReround);
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
      const ReplicaRow row = placement_.Row(slot);
      if (!row.Contains(NodeIndex(node))) continue;
      const int copies = placement_.CopiesFor(slot, node);
      const int64_t base = here - copies * kCopy + 1;
      if (placement_.CanReplace(row, node, kNoNode)) Reach(kNoNode, base, node, slot);
      for (NodeIndex n : placement_.RowBefore(slot)) {
        const uint32_t other = n.value();
        if (other == kNoNode || !placement_.groups().Has(other)) continue;
        if (placement_.CanReplace(row, node, other)) Reach(other, base, node, slot);
      }
      std::erase_if(hopeful[copies], [&](uint32_t other) {
        if (!placement_.CanReplace(row, node, other)) return false;
        Reach(other, base + kCopy, node, slot);
        return true;
      });
    }
  }

  const Placement& placement_;
  std::vector<Node> nodes_;  // nobody last
  std::deque<uint32_t> queue_;
  uint32_t nearest_ = 0;
  bool found_ = false;
};

}  // namespace

void Rebalance(Placement& placement, bool repair_zones) {
  if (repair_zones) ZoneRepair(placement).Run();
  if (DirectHops(placement).Run() == 0) return;
  while (!Find(placement).takers.empty()) {
    PathSearch search(placement);
    RINGKV_CHECK(search.Run(), "the targets cannot be reached");
    search.Apply(placement);
  }
}

}  // namespace ringkv
