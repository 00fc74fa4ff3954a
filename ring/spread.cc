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

struct Copy {
  uint32_t slot;
  uint32_t to;
};

class SpreadSearch {
 public:
  SpreadSearch(Placement& placement, uint32_t replicas)
      : placement_(placement), replicas_(replicas) {
    for (uint32_t slot : placement.TouchedSlots()) {
      for (NodeIndex node : placement.Row(slot)) {
        if (placement.CopiesFor(slot, node.value()) > 0) copies_.push_back({slot, node.value()});
      }
    }
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
      if (theirs.to == mine.to || !CouldTake(mine.slot, mine.to, theirs.to) ||
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

  Placement& placement_;
  const uint32_t replicas_;
  std::vector<Copy> copies_;
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
