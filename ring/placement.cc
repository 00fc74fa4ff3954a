#include "ring/placement.h"

#include <algorithm>

#include "base/check.h"

namespace ringkv {

Placement::Placement(std::vector<uint32_t> rows, uint32_t width, uint32_t empty_places,
                     std::span<const Share> shares, std::span<const uint32_t> targets)
    : nodes_(static_cast<uint32_t>(targets.size())),
      slots_(static_cast<uint32_t>(rows.size() / width)),
      width_(width),
      empty_places_(empty_places),
      rows_(std::move(rows)),
      before_(rows_),
      surplus_(nodes_ + 1),
      rounding_(nodes_ + 1, Rounding::kWhole),
      held_(nodes_ + 1),
      pairs_(targets) {
  // Nobody is to hold what is left of the places.
  surplus_[nodes_] = -static_cast<int64_t>(rows_.size());
  for (uint32_t node = 0; node < nodes_; ++node) {
    surplus_[node] = -int64_t{targets[node]};
    surplus_[nodes_] += targets[node];
    if (shares[node].remainder == 0) continue;
    rounding_[node] = targets[node] > shares[node].floor ? Rounding::kUp : Rounding::kDown;
  }
  for (uint32_t node : rows_) ++surplus_[node];
  for (uint32_t node = 0; node < nodes_; ++node) {
    held_[node].reserve(
        static_cast<size_t>(std::max<int64_t>(surplus_[node] + targets[node], targets[node])));
  }
  for (uint32_t slot = 0; slot < slots_; ++slot) {
    std::span<const uint32_t> row = Row(slot);
    for (uint32_t place = 0; place < width_; ++place) {
      pairs_.Enter(row.first(place), row[place]);
      std::vector<uint32_t>& held = held_[row[place]];
      if (held.empty() || held.back() != slot) held.push_back(slot);
    }
  }
}

bool Placement::CanEnter(uint32_t slot, uint32_t node) const {
  std::span<const uint32_t> row = Row(slot);
  if (node != nobody()) return !Contains(row, node);
  return std::count(row.begin(), row.end(), node) < static_cast<std::ptrdiff_t>(empty_places_);
}

void Placement::Hop(uint32_t slot, uint32_t leaving, uint32_t entering) {
  RINGKV_CHECK(CanEnter(slot, entering), "a slot would be on one node twice");
  uint32_t* begin = rows_.data() + size_t{slot} * width_;
  uint32_t* place = std::find(begin, begin + width_, leaving);
  RINGKV_CHECK(place != begin + width_, "a node cannot leave a slot that it does not hold");
  pairs_.Leave(Row(slot), leaving);
  *place = entering;
  pairs_.Enter(Row(slot), entering);
  --surplus_[leaving];
  ++surplus_[entering];
  held_[entering].push_back(slot);
}

void Placement::Reround(uint32_t up, uint32_t down) {
  RINGKV_CHECK(rounding_[up] == Rounding::kDown && rounding_[down] == Rounding::kUp,
               "only what is rounded can be rounded the other way");
  rounding_[up] = Rounding::kUp;
  rounding_[down] = Rounding::kDown;
  --surplus_[up];
  ++surplus_[down];
}

void Placement::PackRows() {
  for (auto row = rows_.begin(); row != rows_.end(); row += width_) {
    std::stable_partition(row, row + width_, [this](uint32_t node) { return node != nobody(); });
  }
}

void Placement::MakeFirst(uint32_t slot, uint32_t place) {
  uint32_t* begin = rows_.data() + size_t{slot} * width_;
  std::swap(*begin, begin[place]);
}

}  // namespace ringkv
