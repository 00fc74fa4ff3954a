#include "ring/path_search.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "ring/imbalance.h"

namespace ringkv {

PathSearch::PathSearch(Placement& placement)
    : placement_(placement), nodes_(placement.limit() + 1) {}

bool PathSearch::Run(std::optional<uint32_t> must_fill) {
  Imbalance imbalance = FindImbalance(placement_);
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

void PathSearch::Augment() {
  for (uint32_t giver : givers_) {
    while (placement_.surplus(giver) > 0 && Descend(giver)) {
    }
  }
}

void PathSearch::Fill(uint32_t slot) {
  RINGKV_CHECK(DescendAt(kNoNode, slot, 0), "a path that was found is there");
}

void PathSearch::Reach(uint32_t node, int64_t distance) {
  Node& reached = At(node);
  if (distance >= reached.distance) return;
  if (!reached.queued) queue_.push_back(node);
  reached = {distance, true, false};
}

void PathSearch::Expand(uint32_t node) {
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

std::vector<uint32_t> PathSearch::Everybody() const {
  std::vector<uint32_t> nodes;
  for (uint32_t node = 0; node < placement_.limit(); ++node) {
    if (placement_.groups().Has(node)) nodes.push_back(node);
  }
  return nodes;
}

void PathSearch::ExpandAt(uint32_t node, uint32_t slot, int64_t here,
                          std::vector<uint32_t> (&hopeful)[2]) {
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

bool PathSearch::Descend(uint32_t node) {
  const int64_t here = At(node).distance;
  if (here == nearest_) return placement_.surplus(node) < 0;
  if (At(node).dead || here > nearest_) return false;
  At(node).dead = true;  // until proved otherwise; and no path meets a node twice
  const bool found = DescendByRounding(node) || DescendBySlot(node);
  At(node).dead = !found;
  return found;
}

bool PathSearch::DescendByRounding(uint32_t node) {
  if (node == kNoNode || placement_.rounding(node) != Placement::Direction::kDown) return false;
  for (uint32_t other : by_distance_[At(node).distance + 1]) {
    if (placement_.rounding(other) != Placement::Direction::kUp) continue;
    if (!Descend(other)) continue;
    placement_.Reround(node, other);
    return true;
  }
  return false;
}

bool PathSearch::DescendBySlot(uint32_t node) {
  const std::vector<uint32_t> slots = placement_.MaybeHeldBy(node);
  for (uint32_t slot : slots) {
    if (!placement_.Holds(slot, node)) continue;
    if (DescendAt(node, slot, At(node).distance)) return true;
  }
  return false;
}

bool PathSearch::DescendAt(uint32_t node, uint32_t slot, int64_t here) {
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

}  // namespace ringkv
