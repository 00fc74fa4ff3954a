#include "ring/direct_hops.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "base/random.h"
#include "ring/imbalance.h"

namespace ringkv {
namespace {

// How many (slot, node) choices are weighed for one hop. All of them in clusters of usual size; a
// sample where there are many hops or many choices, which spreads well enough: the more slots two
// nodes share, the less one more matters. The budget keeps a plan within some tens of milliseconds.
constexpr size_t kChoicesInAll = 1'500'000;
constexpr size_t kFewestCounted = 24;
constexpr size_t kFewestChoices = 4;  // where pairs are not counted: only the lacks are compared
constexpr size_t kMostChoices = 2048;
constexpr size_t kPrefetched = 16;  // takers ahead; of a million nodes each is a miss of the cache
constexpr size_t kMixedAtOnce = 4096;  // takers; 64 KiB
// Open slots, where nobody has to be in each of them; may be multiplied by replicas.
constexpr int64_t kNoMatterHowMany = int64_t{1} << 40;

class DirectHops {
 public:
  explicit DirectHops(Placement& placement)
      : placement_(placement), zone_lack_(placement.groups().zones(), 0) {
    Imbalance imbalance = FindImbalance(placement);
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
    int32_t lack;
    int32_t target;
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
      const auto lack = static_cast<int32_t>(-placement_.surplus(node));
      Taker taker{node, kOwnDomain, lack, 0};
      if (node == kNoNode) {
        taker.target = static_cast<int32_t>(placement_.slots() * placement_.empty_places());
      } else {
        taker.zone = placement_.ZoneOf(node);
        taker.target = lack + static_cast<int32_t>(placement_.count(node));
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
    // A million takers are more than the cache holds, and exchanging any two of them would miss it
    // each time. So each goes to a bucket drawn for it, and the buckets are mixed one by one
    // (Sandelius, "A simple randomization procedure", 1962).
    buckets_.resize(takers_.size() / kMixedAtOnce + 1);
    for (const Taker& taker : takers_) buckets_[Draw(buckets_.size())].push_back(taker);
    auto next = takers_.begin();
    for (std::vector<Taker>& bucket : buckets_) {
      for (size_t i = bucket.size(); i > 1; --i) std::swap(bucket[i - 1], bucket[Draw(i)]);
      next = std::copy(bucket.begin(), bucket.end(), next);
      bucket.clear();
    }
  }

  // Below `bound`, which is small: without a division.
  size_t Draw(size_t bound) { return (random_.Next() >> 32) * bound >> 32; }

  void Hop(const Choice& choice, uint32_t from) {
    Taker& taker = takers_[choice.taker];
    placement_.Hop(choice.slot, from, taker.node);
    if (taker.zone != kOwnDomain) --zone_lack_[taker.zone];
    --left_;
    if (--taker.lack > 0) return;
    taker = takers_.back();
    takers_.pop_back();
  }

  // For what they are to hold.
  static bool LacksMore(const Taker& one, const Taker& other) {
    return int64_t{one.lack} * other.target > int64_t{other.lack} * one.target;
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
      if (at + kPrefetched < takers_.size()) placement_.Prefetch(takers_[at + kPrefetched].node);
      const Taker& taker = takers_[at];
      if (!vacancy.Admits(taker.node, taker.zone)) continue;
      ++tried;
      const bool must = MustEnter(taker, open_slots);
      if (best.must && !must) continue;
      const int64_t cost = placement_.pairs().ReplaceCost(row, from, taker.node);
      if (best.found && best.must == must) {
        const Taker& other = takers_[best.taker];
        if (cost > best.cost) continue;
        if (cost == best.cost && !LacksMore(taker, other)) continue;
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
  std::vector<Taker> takers_;                // those that still lack something
  std::vector<std::vector<Taker>> buckets_;  // empty but in MixBeforeNextRound
  std::vector<uint32_t> givers_;
  size_t left_ = 0;
  size_t choices_ = 0;
  size_t next_taker_ = 0;  // goes on from hop to hop, so that samples differ
  Random random_{1};       // the same plan on every machine
};

}  // namespace

size_t HopDirectly(Placement& placement) { return DirectHops(placement).Run(); }

}  // namespace ringkv
