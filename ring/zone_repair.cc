#include "ring/zone_repair.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/check.h"
#include "ring/path_search.h"

namespace ringkv {
namespace {

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

bool RepairZones(Placement& placement) {
  if (!EvictExcess(placement)) return false;
  FillOvermuch(placement);
  return true;
}

}  // namespace ringkv
