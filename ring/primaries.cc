#include "ring/primaries.h"

#include <algorithm>

#include "base/check.h"

namespace ringkv {
namespace {

class PrimaryBalance {
 public:
  PrimaryBalance(Placement& placement, std::span<const Share> shares, uint32_t replicas)
      : placement_(placement), replicas_(replicas), slots_of_(shares.size()) {
    for (const Share& share : shares) {
      const bool whole = share.floor % replicas == 0 && share.remainder == 0;
      low_.push_back(share.floor / replicas);
      high_.push_back(share.floor / replicas + (whole ? 0 : 1));
    }
  }

  void Run() {
    Start();
    auto above = [this](uint32_t n) { return count(n) > high_[n]; };
    auto below = [this](uint32_t n) { return count(n) < low_[n]; };
    // Best is to mend an excess and a lack at once; then what is left of either.
    while (Shift(above, below)) {
    }
    while (Shift(above, [this](uint32_t n) { return count(n) < high_[n]; })) {
    }
    while (Shift([this](uint32_t n) { return count(n) > low_[n]; }, below)) {
    }
    for (uint32_t n = 0; n < slots_of_.size(); ++n) {
      RINGKV_CHECK(!above(n) && !below(n), "primaries can always be balanced");
    }
  }

 private:
  uint32_t count(uint32_t node) const { return static_cast<uint32_t>(slots_of_[node].size()); }
  std::span<const uint32_t> Row(uint32_t slot) const {
    return placement_.Row(slot).first(replicas_);
  }

  // Primaries that stayed keep their role; the others' slots go to who lacks most.
  void Start() {
    std::vector<uint32_t> vacant;
    for (uint32_t slot = 0; slot < placement_.slots(); ++slot) {
      const uint32_t old = placement_.RowBefore(slot)[0];
      std::span<const uint32_t> row = Row(slot);
      const auto place = std::find(row.begin(), row.end(), old);
      if (old == placement_.nobody() || place == row.end()) {
        vacant.push_back(slot);
        continue;
      }
      placement_.MakeFirst(slot, static_cast<uint32_t>(place - row.begin()));
      slots_of_[old].push_back(slot);
    }
    auto lack = [this](uint32_t n) { return int64_t{high_[n]} - count(n); };
    for (uint32_t slot : vacant) {
      std::span<const uint32_t> row = Row(slot);
      const auto heir = std::max_element(row.begin(), row.end(),
                                         [&](uint32_t a, uint32_t b) { return lack(a) < lack(b); });
      const uint32_t node = *heir;
      placement_.MakeFirst(slot, static_cast<uint32_t>(heir - row.begin()));
      slots_of_[node].push_back(slot);
    }
  }

  // Moves one primary role along a shortest path from a node that `gives` to one that `takes`, by
  // breadth-first search; an edge a → b is a slot with primary a that b holds too. False: no path.
  template <class Gives, class Takes>
  bool Shift(Gives gives, Takes takes) {
    constexpr uint32_t kUnseen = UINT32_MAX;
    constexpr uint32_t kSource = UINT32_MAX - 1;
    std::vector<uint32_t> from(slots_of_.size(), kUnseen);
    std::vector<uint32_t> by_slot(slots_of_.size());
    std::vector<uint32_t> queue;
    for (uint32_t n = 0; n < slots_of_.size(); ++n) {
      if (!gives(n)) continue;
      from[n] = kSource;
      queue.push_back(n);
    }
    for (size_t head = 0; head < queue.size(); ++head) {
      const uint32_t node = queue[head];
      for (uint32_t slot : slots_of_[node]) {
        for (uint32_t other : Row(slot)) {
          if (from[other] != kUnseen) continue;
          from[other] = node;
          by_slot[other] = slot;
          queue.push_back(other);
          if (!takes(other)) continue;
          for (uint32_t n = other; from[n] != kSource; n = from[n]) {
            MovePrimary(by_slot[n], from[n], n);
          }
          return true;
        }
      }
    }
    return false;
  }

  void MovePrimary(uint32_t slot, uint32_t from, uint32_t to) {
    std::erase(slots_of_[from], slot);
    slots_of_[to].push_back(slot);
    std::span<const uint32_t> row = Row(slot);
    placement_.MakeFirst(
        slot, static_cast<uint32_t>(std::find(row.begin(), row.end(), to) - row.begin()));
  }

  Placement& placement_;
  const uint32_t replicas_;
  std::vector<uint32_t> low_, high_;
  std::vector<std::vector<uint32_t>> slots_of_;  // that each node is primary of
};

}  // namespace

void AssignPrimaries(Placement& placement, std::span<const Share> shares, uint32_t replicas) {
  PrimaryBalance(placement, shares, replicas).Run();
}

}  // namespace ringkv
