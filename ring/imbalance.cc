#include "ring/imbalance.h"

namespace ringkv {

Imbalance FindImbalance(Placement& placement) {
  Imbalance found;
  const auto add = [&](uint32_t node) {
    const int64_t surplus = placement.surplus(node);
    if (surplus == 0) return;
    (surplus > 0 ? found.givers : found.takers).push_back(node);
    if (surplus > 0) found.hops += static_cast<size_t>(surplus);
  };
  for (uint32_t node : placement.TouchedNodes()) add(node);
  add(kNoNode);
  return found;
}

}  // namespace ringkv
