#include "ring/rebalance.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <span>
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
  uint32_t to = UINT32_MAX;
};

std::vector<uint32_t> NodesThat(const Placement& placement, bool give) {
  std::vector<uint32_t> nodes;
  for (uint32_t node = 0; node <= placement.nodes(); ++node) {
    const int64_t surplus = placement.surplus(node);
    if (give ? surplus > 0 : surplus < 0) nodes.push_back(node);
  }
  return nodes;
}

// ---- stage 1: direct hops ------------------------------------------------------------------

class DirectHops {
 public:
  explicit DirectHops(Placement& placement)
      : placement_(placement),
        takers_(NodesThat(placement, false)),
        givers_(NodesThat(placement, true)) {
    size_t hops = 0;
    for (uint32_t node : givers_) hops += static_cast<size_t>(placement.surplus(node));
    choices_ = std::clamp(kChoicesInAll / std::max<size_t>(hops, 1), kFewestChoices, kMostChoices);
    stride_ = takers_.size() * 618 / 1000 + 1;
    while (std::gcd(stride_, takers_.size()) > 1) ++stride_;
  }

  void Run() {
    if (takers_.empty()) return;
    if (!givers_.empty() && givers_.back() == placement_.nobody()) {
      FillEmptyPlaces();
      givers_.pop_back();
    }
    for (uint32_t node : givers_) {
      const size_t held = placement_.MaybeHeldBy(node).size();
      if (placement_.surplus(node) == static_cast<int64_t>(held)) EmptyNode(node);
    }
    // In turns, so that no giver is left with slots that the others have used up.
    std::vector<size_t> starts(givers_.size(), 0);
    for (bool hopped = true; hopped;) {
      hopped = false;
      for (size_t i = 0; i < givers_.size(); ++i) {
        if (placement_.surplus(givers_[i]) <= 0) continue;
        hopped |= GiveOne(givers_[i], &starts[i]);
      }
    }
  }

 private:
  // Who takes the place of `from` in `slot`: one that must be in each of the slots still open, or
  // else the one that evens the spread most; among these the one that lacks most for its size.
  Choice BestTaker(uint32_t slot, uint32_t from, int64_t open_slots) {
    Choice best;
    best.slot = slot;
    int64_t best_lack = 0;
    size_t tried = 0;
    for (size_t i = 0; i < takers_.size() && tried < choices_; ++i) {
      const uint32_t node = takers_[next_taker_];
      next_taker_ += stride_;
      if (next_taker_ >= takers_.size()) next_taker_ %= takers_.size();
      const int64_t lack = -placement_.surplus(node);
      if (lack <= 0 || !placement_.CanEnter(slot, node)) continue;
      ++tried;
      const int64_t cost = lack >= open_slots ? INT64_MIN : placement_.SpreadCost(slot, from, node);
      const int64_t weighed =
          node == placement_.nobody() ? lack : lack * placement_.pairs().lightness(node);
      if (cost < best.cost || (cost == best.cost && weighed > best_lack)) {
        best.cost = cost;
        best.to = node;
        best_lack = weighed;
      }
    }
    return best;
  }

  // Slot by slot.
  void FillEmptyPlaces() {
    const uint32_t nobody = placement_.nobody();
    for (uint32_t slot = 0; slot < placement_.slots(); ++slot) {
      while (placement_.surplus(nobody) > 0 && placement_.Holds(slot, nobody)) {
        const Choice choice = BestTaker(slot, nobody, placement_.slots() - slot);
        if (choice.to == UINT32_MAX) break;
        placement_.Hop(slot, nobody, choice.to);
      }
    }
  }

  // Each of a node's slots finds a taker.
  void EmptyNode(uint32_t node) {
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(node);
    for (uint32_t slot : slots) {
      const Choice choice = BestTaker(slot, node, INT64_MAX);
      if (choice.to != UINT32_MAX) placement_.Hop(slot, node, choice.to);
    }
  }

  // One of the node's slots goes to one of the takers: the best of both, looked for from `start`
  // on. False: there is none.
  bool GiveOne(uint32_t node, size_t* start) {
    const std::vector<uint32_t>& slots = placement_.MaybeHeldBy(node);
    const size_t wanted = std::max<size_t>(choices_ / takers_.size() / 8, 4);
    Choice best;
    size_t weighed = 0;
    size_t i = 0;
    for (; i < slots.size() && weighed < wanted; ++i) {
      const uint32_t slot = slots[(*start + i) % slots.size()];
      if (!placement_.Holds(slot, node)) continue;
      const Choice choice = BestTaker(slot, node, INT64_MAX);
      if (choice.to == UINT32_MAX) continue;
      ++weighed;
      if (choice.cost < best.cost || best.to == UINT32_MAX) best = choice;
    }
    *start += i;
    if (best.to == UINT32_MAX) return false;
    placement_.Hop(best.slot, node, best.to);
    return true;
  }

  Placement& placement_;
  const std::vector<uint32_t> takers_;
  std::vector<uint32_t> givers_;
  size_t choices_ = 0;
  size_t stride_ = 1;      // coprime to the number of takers: a walk meets them all
  size_t next_taker_ = 0;  // goes on from hop to hop, so that samples differ
};

// ---- stage 2: shortest augmenting paths ----------------------------------------------------

// Shortest paths between nodes, where an edge a → b is a slot in which b can take a's place. Its
// length is the copies that this adds (-1, 0 or 1), or, for nothing, a share that is rounded up
// instead of another; among equal ones fewer hops win, which also keeps a path from using one slot
// twice. There are no negative cycles while the placement is optimal for what it has reached
// (direct hops are: no rounding gains fewer replicas in all than RoundShares'), and each
// augmentation keeps it so.
class PathSearch {
 public:
  explicit PathSearch(const Placement& placement)
      : placement_(placement),
        distance_(placement.nodes() + 1, kFar),
        from_(placement.nodes() + 1),
        slot_(placement.nodes() + 1),
        queued_(placement.nodes() + 1, false) {}

  // The nearest taker, or UINT32_MAX.
  uint32_t Run() {
    for (uint32_t node : NodesThat(placement_, true)) Reach(node, 0, UINT32_MAX, 0);
    while (!queue_.empty()) {
      const uint32_t node = queue_.front();
      queue_.pop_front();
      queued_[node] = false;
      Expand(node);
    }
    uint32_t nearest = UINT32_MAX;
    for (uint32_t node : NodesThat(placement_, false)) {
      if (distance_[node] == kFar) continue;
      if (nearest == UINT32_MAX || distance_[node] < distance_[nearest]) nearest = node;
    }
    return nearest;
  }

  // Does what the path to `node` says.
  void Apply(uint32_t node, Placement& placement) const {
    for (; from_[node] != UINT32_MAX; node = from_[node]) {
      if (slot_[node] == kReround) {
        placement.Reround(from_[node], node);
      } else {
        placement.Hop(slot_[node], from_[node], node);
      }
    }
  }

 private:
  static constexpr int64_t kFar = INT64_MAX / 2;
  static constexpr uint32_t kReround = UINT32_MAX;    // in place of a slot
  static constexpr int64_t kCopy = int64_t{1} << 32;  // outweighs any number of hops

  void Reach(uint32_t node, int64_t distance, uint32_t from, uint32_t slot) {
    if (distance >= distance_[node]) return;
    distance_[node] = distance;
    from_[node] = from;
    slot_[node] = slot;
    if (!queued_[node]) queue_.push_back(node);
    queued_[node] = true;
  }

  void Expand(uint32_t node) {
    if (placement_.rounding(node) == Placement::Rounding::kDown) {
      for (uint32_t other = 0; other < placement_.nodes(); ++other) {
        if (placement_.rounding(other) != Placement::Rounding::kUp) continue;
        Reach(other, distance_[node] + 1, node, kReround);
      }
    }
    // Those that a full-price hop would still bring nearer; nearly all leave at the first slot.
    std::vector<uint32_t> hopeful[2];
    for (int copies : {0, 1}) {
      const int64_t length = distance_[node] + (1 - copies) * kCopy + 1;
      for (uint32_t other = 0; other < placement_.nodes(); ++other) {
        if (distance_[other] > length) hopeful[copies].push_back(other);
      }
    }
    for (uint32_t slot : placement_.MaybeHeldBy(node)) {
      if (!placement_.Holds(slot, node)) continue;
      const int copies = placement_.CopiesFor(slot, node);
      const int64_t base = distance_[node] - copies * kCopy + 1;
      if (placement_.CanEnter(slot, placement_.nobody())) {
        Reach(placement_.nobody(), base, node, slot);
      }
      for (uint32_t other : placement_.RowBefore(slot)) {
        if (other != placement_.nobody() && placement_.CanEnter(slot, other)) {
          Reach(other, base, node, slot);
        }
      }
      std::erase_if(hopeful[copies], [&](uint32_t other) {
        if (!placement_.CanEnter(slot, other)) return false;
        Reach(other, base + kCopy, node, slot);
        return true;
      });
    }
  }

  const Placement& placement_;
  std::vector<int64_t> distance_;
  std::vector<uint32_t> from_;
  std::vector<uint32_t> slot_;
  std::vector<bool> queued_;
  std::deque<uint32_t> queue_;
};

}  // namespace

void Rebalance(Placement& placement) {
  DirectHops(placement).Run();
  while (!NodesThat(placement, false).empty()) {
    PathSearch search(placement);
    const uint32_t taker = search.Run();
    RINGKV_CHECK(taker != UINT32_MAX, "the targets cannot be reached");
    search.Apply(taker, placement);
  }
}

}  // namespace ringkv
