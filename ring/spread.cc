#include "ring/spread.h"

#include <algorithm>
#include <utility>

namespace ringkv {
namespace {

constexpr int kPasses = 4;
constexpr size_t kTradesInAll = 500'000;  // about 30 ns each
constexpr size_t kFewestTradesPerCopy = 256;
constexpr size_t kMostTradesPerCopy = 1024;
constexpr size_t kOtherSlotsPerCopy = 512;  // of the same giver
constexpr size_t kMostGivers = 64;          // whose kept rows are looked at; else each gives little

struct Copy {
  uint32_t slot;
  uint32_t to;  // kNoNode: it has been traded away

  bool operator==(const Copy&) const = default;
};

struct Gift {
  uint32_t from;
  uint32_t slot;

  auto operator<=>(const Gift&) const = default;
};

class SpreadSearch {
 public:
  SpreadSearch(Placement& placement, uint32_t replicas)
      : placement_(placement), replicas_(replicas) {
    for (uint32_t slot : placement.TouchedSlots()) {
      for (NodeIndex node : placement.Row(slot)) {
        if (placement.CopiesFor(slot, node.value()) > 0) copies_.push_back({slot, node.value()});
      }
      for (NodeIndex node : placement.RowBefore(slot)) {
        if (node.value() != kNoNode && !placement.Holds(slot, node.value())) {
          gifts_.push_back({node.value(), slot});
        }
      }
    }
    std::sort(gifts_.begin(), gifts_.end());
    for (const Gift& gift : gifts_) {
      if (givers_.empty() || givers_.back() != gift.from) givers_.push_back(gift.from);
    }
    if (givers_.size() > kMostGivers) givers_.clear();
    trades_per_copy_ = std::clamp(kTradesInAll / 8 / std::max<size_t>(copies_.size(), 1),
                                  kFewestTradesPerCopy, kMostTradesPerCopy);
    // About the golden section of the list, so that a walk by it meets all parts alike.
    stride_ = copies_.size() * 618 / 1000 | 1;
  }

  void Run() {
    for (int pass = 0; pass < kPasses; ++pass) {
      size_t trades = 0;
      for (size_t i = 0; i < copies_.size() && trades_left_ > 0; ++i) {
        if (!MeetsTooOften(copies_[i])) continue;
        trades += TradeTakers(i) || TradeSlots(i);
      }
      trades += TakeBackCrowded();
      for (uint32_t giver : givers_) trades += GiveCrowded(giver);
      if (trades == 0) return;
    }
  }

 private:
  // Judges the copy's row as a whole: what a giver keeps can be too much too.
  bool MeetsTooOften(const Copy& copy) const {
    return placement_.pairs().Crowded(placement_.Row(copy.slot), copy.to, replicas_);
  }

  bool CouldTake(uint32_t slot, uint32_t from, uint32_t node) const {
    return placement_.CanReplace(slot, from, node) && !placement_.HeldBefore(slot, node);
  }

  // Two copies exchange their takers. Where the two rows share a node the estimate is too high,
  // never too low, so that no trade makes the spread worse.
  bool TradeTakers(size_t index) {
    const Copy mine = copies_[index];
    size_t best = index;
    int64_t best_cost = 0;
    for (size_t k = 1; k <= trades_per_copy_ && k < copies_.size() && trades_left_ > 0; ++k) {
      const size_t other = (index + k * stride_) % copies_.size();
      const Copy theirs = copies_[other];
      if (theirs.to == mine.to || theirs.to == kNoNode ||
          !CouldTake(mine.slot, mine.to, theirs.to) ||
          !CouldTake(theirs.slot, theirs.to, mine.to)) {
        continue;
      }
      --trades_left_;
      const int64_t cost = placement_.SpreadCost(mine.slot, mine.to, theirs.to) +
                           placement_.SpreadCost(theirs.slot, theirs.to, mine.to);
      if (cost >= best_cost) continue;
      best_cost = cost;
      best = other;
    }
    if (best == index) return false;
    const Copy theirs = copies_[best];
    placement_.Hop(mine.slot, mine.to, theirs.to);
    placement_.Hop(theirs.slot, theirs.to, mine.to);
    std::swap(copies_[index].to, copies_[best].to);
    return true;
  }

  // The giver keeps this slot and gives the taker another instead.
  bool TradeSlots(size_t index) {
    Copy& mine = copies_[index];
    for (NodeIndex node : placement_.RowBefore(mine.slot)) {
      const uint32_t giver = node.value();
      if (giver == kNoNode || !placement_.CanReplace(mine.slot, mine.to, giver)) continue;
      const std::vector<uint32_t>& slots = placement_.MaybeHeldBy(giver);
      const int64_t undo = placement_.SpreadCost(mine.slot, mine.to, giver);
      int64_t best_cost = 0;
      uint32_t best = mine.slot;
      for (size_t k = 0; k < std::min(slots.size(), kOtherSlotsPerCopy) && trades_left_ > 0; ++k) {
        const uint32_t slot = slots[(index * 37 + k) % slots.size()];
        if (!placement_.Holds(slot, giver) || !placement_.HeldBefore(slot, giver) ||
            !CouldTake(slot, giver, mine.to)) {
          continue;
        }
        --trades_left_;
        const int64_t cost = undo + placement_.SpreadCost(slot, giver, mine.to);
        if (cost >= best_cost) continue;
        best_cost = cost;
        best = slot;
      }
      if (best == mine.slot) continue;
      placement_.Hop(mine.slot, mine.to, giver);
      placement_.Hop(best, giver, mine.to);
      mine.slot = best;
      return true;
    }
    return false;
  }

  // The node leaves the slot for one that it has given away, and one from there comes here instead,
  // where that needs no more copies than before.
  bool TakeBack(uint32_t slot, uint32_t node) {
    Copy best{slot, node};
    int64_t best_cost = 0;
    for (auto gift = std::lower_bound(gifts_.begin(), gifts_.end(), Gift{node, 0});
         gift != gifts_.end() && gift->from == node && trades_left_ > 0; ++gift) {
      if (placement_.Holds(gift->slot, node)) continue;
      for (NodeIndex n : placement_.Row(gift->slot)) {
        const uint32_t other = n.value();
        if (other == kNoNode ||
            placement_.CopiesFor(slot, other) >
                placement_.CopiesFor(slot, node) + placement_.CopiesFor(gift->slot, other)) {
          continue;
        }
        if (!placement_.CanReplace(slot, node, other) ||
            !placement_.CanReplace(gift->slot, other, node)) {
          continue;
        }
        --trades_left_;
        const int64_t cost = placement_.SpreadCost(slot, node, other) +
                             placement_.SpreadCost(gift->slot, other, node);
        if (cost >= best_cost || trades_left_ == 0) continue;
        best_cost = cost;
        best = {gift->slot, other};
      }
    }
    if (best_cost == 0) return false;
    placement_.Hop(slot, node, best.to);
    placement_.Hop(best.slot, best.to, node);
    Recount({slot, node}, best);
    return true;
  }

  // The list of copies, after two nodes have traded their slots.
  void Recount(const Copy& one, const Copy& other) {
    Copy* free = nullptr;
    for (Copy& copy : copies_) {
      if (copy != one && copy != other) continue;
      copy.to = kNoNode;
      free = &copy;
    }
    if (free != nullptr && placement_.CopiesFor(one.slot, other.to) > 0) {
      *free = {one.slot, other.to};
    }
  }

  size_t TakeBackCrowded() {
    size_t trades = 0;
    const std::span<const uint32_t> touched = placement_.TouchedSlots();
    for (uint32_t slot : std::vector<uint32_t>(touched.begin(), touched.end())) {
      for (NodeIndex node : placement_.Row(slot)) {
        if (trades_left_ == 0) return trades;
        if (!placement_.pairs().Crowded(placement_.Row(slot), node.value(), replicas_)) continue;
        if (!placement_.Holds(slot, node.value())) continue;  // has just left
        trades += TakeBack(slot, node.value()) ? 1 : 0;
      }
    }
    return trades;
  }

  // Slots that the giver keeps and shares with one that it meets too often go away instead of
  // others. Returns how many.
  size_t GiveCrowded(uint32_t giver) {
    size_t trades = 0;
    const std::vector<uint32_t> slots = placement_.MaybeHeldBy(giver);
    for (uint32_t slot : slots) {
      if (trades_left_ == 0) return trades;
      if (!placement_.Holds(slot, giver) || !placement_.HeldBefore(slot, giver)) continue;
      if (!placement_.pairs().Crowded(placement_.Row(slot), giver, replicas_)) continue;
      trades += GiveInstead(giver, slot) ? 1 : 0;
    }
    return trades;
  }

  bool GiveInstead(uint32_t giver, uint32_t slot) {
    Copy* best = nullptr;
    int64_t best_cost = 0;
    for (Copy& copy : copies_) {
      if (trades_left_ == 0) break;
      if (copy.to == kNoNode || !placement_.HeldBefore(copy.slot, giver) ||
          !CouldTake(slot, giver, copy.to) || !placement_.CanReplace(copy.slot, copy.to, giver)) {
        continue;
      }
      --trades_left_;
      const int64_t cost = placement_.SpreadCost(copy.slot, copy.to, giver) +
                           placement_.SpreadCost(slot, giver, copy.to);
      if (cost >= best_cost) continue;
      best_cost = cost;
      best = &copy;
    }
    if (best == nullptr) return false;
    placement_.Hop(best->slot, best->to, giver);
    placement_.Hop(slot, giver, best->to);
    best->slot = slot;
    return true;
  }

  Placement& placement_;
  const uint32_t replicas_;
  std::vector<Copy> copies_;
  std::vector<uint32_t> givers_;  // unless they are many
  std::vector<Gift> gifts_;       // of this change, as planned at first
  size_t stride_ = 1;
  size_t trades_per_copy_ = 0;
  size_t trades_left_ = kTradesInAll;
};

}  // namespace

void EvenSpread(Placement& placement, uint32_t replicas) {
  if (replicas < 2 || !placement.pairs().counting()) return;
  SpreadSearch(placement, replicas).Run();
}

}  // namespace ringkv
