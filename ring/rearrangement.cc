#include "ring/rearrangement.h"

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ring/imbalance.h"

namespace ringkv {
namespace {

// Where the last givers and takers do not fit each other: paths giver → a → … → taker along which
// each between passes on what it has only got in this change, so that one more copy is made in all,
// the least there can be. Breadth-first. This alone settles nearly all that direct hops leave, and
// looks at what the change has touched only.
class Rearrangement {
 public:
  explicit Rearrangement(Placement& placement) : placement_(placement) {
    Imbalance imbalance = FindImbalance(placement);
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
    std::vector<uint32_t> unseen = placement_.Gainers();
    std::erase(unseen, giver);
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
        // Nearly all leave the list at the first slots, so that the later ones cost little.
        std::erase_if(unseen, [&](uint32_t other) {
          if (!vacancy.Admits(other, placement_.ZoneOf(other))) return false;
          steps_[other] = {node, slot};
          queue.push_back(other);
          return true;
        });
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

}  // namespace

bool Rearrange(Placement& placement) { return Rearrangement(placement).Run(); }

}  // namespace ringkv
