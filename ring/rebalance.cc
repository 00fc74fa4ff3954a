#include "ring/rebalance.h"

#include "base/check.h"
#include "ring/direct_hops.h"
#include "ring/imbalance.h"
#include "ring/path_search.h"
#include "ring/rearrangement.h"
#include "ring/zone_repair.h"

namespace ringkv {

void Rebalance(Placement& placement, bool repair_zones) {
  // After evictions there are ways back that cost nothing, and only the exact search knows them.
  if (!repair_zones || !RepairZones(placement)) {
    if (HopDirectly(placement) == 0) return;
    // Where nodes have only dropped slots, a way back costs less than one copy.
    if (placement.empty_places() == 0 && Rearrange(placement)) return;
  }
  while (!FindImbalance(placement).takers.empty()) {
    PathSearch search(placement);
    RINGKV_CHECK(search.Run(), "the targets cannot be reached");
    search.Augment();
  }
}

}  // namespace ringkv
