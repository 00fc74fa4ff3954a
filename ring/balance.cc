#include "ring/balance.h"

#include <algorithm>
#include <cmath>

#include "ring/shares.h"

namespace ringkv {

RingBalance MeasureBalance(const Ring& ring) {
  std::vector<NodeLoad> by_index(ring.index_limit());
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const ReplicaRow row = ring.Replicas(SlotId(slot));
    for (NodeIndex node : row) ++by_index[node.value()].replicas;
    ++by_index[row[0].value()].primaries;
  }
  const NodeGroups groups(ring.members());
  const std::vector<Share> shares =
      FairShares(groups, ring.slots(), ring.replicas(), ReplicasPerZone(groups, ring.replicas()));

  RingBalance balance;
  const double all = static_cast<double>(ring.slots()) * ring.replicas();
  double squares = 0;
  balance.max_over_mean = balance.primaries_max_over_mean = 0;
  for (NodeIndex node : ring.nodes()) {
    NodeLoad load = by_index[node.value()];
    load.node = node;
    load.share = load.replicas / all;
    load.fair_replicas = shares[groups.group_of(node.value())].value();
    const double off = load.replicas - load.fair_replicas;
    squares += off * off;
    balance.max_over_mean = std::max(balance.max_over_mean, load.replicas / load.fair_replicas);
    balance.primaries_max_over_mean =
        std::max(balance.primaries_max_over_mean,
                 load.primaries * static_cast<double>(ring.replicas()) / load.fair_replicas);
    balance.nodes.push_back(load);
  }
  balance.stddev = std::sqrt(squares / static_cast<double>(ring.nodes().size()));
  return balance;
}

RingSpread MeasureSpread(const Ring& ring) {
  const size_t limit = ring.index_limit();
  RingSpread spread;
  if (ring.replicas() < 2 || ring.nodes().size() < 3) return spread;
  std::vector<uint32_t> met(limit * limit);
  std::vector<uint32_t> held(limit);
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    for (NodeIndex a : ring.Replicas(SlotId(slot))) {
      ++held[a.value()];
      for (NodeIndex b : ring.Replicas(SlotId(slot))) ++met[a.value() * limit + b.value()];
    }
  }
  const NodeGroups groups(ring.members());
  const bool apart = ReplicasPerZone(groups, ring.replicas()) == 1;
  std::vector<double> zone_held(groups.zones());
  auto zone_of = [&](NodeIndex n) { return apart ? groups.zone_of(n.value()) : kOwnDomain; };
  for (NodeIndex n : ring.nodes()) {
    if (zone_of(n) != kOwnDomain) zone_held[zone_of(n)] += held[n.value()];
  }
  const double all = static_cast<double>(ring.slots()) * ring.replicas();
  spread.min_pair = UINT32_MAX;
  for (NodeIndex a : ring.nodes()) {
    const ZoneNumber zone = zone_of(a);
    const double elsewhere = all - (zone == kOwnDomain ? held[a.value()] : zone_held[zone]);
    const double meetings = static_cast<double>(held[a.value()]) * (ring.replicas() - 1);
    for (NodeIndex b : ring.nodes()) {
      if (a == b || (zone != kOwnDomain && zone_of(b) == zone)) continue;
      const uint32_t pair = met[a.value() * limit + b.value()];
      const double fair = meetings * held[b.value()] / elsewhere;
      if (fair > 0) spread.max_over_mean = std::max(spread.max_over_mean, pair / fair);
      if (fair > 0)
        spread.max_over_ceiling = std::max(spread.max_over_ceiling, pair / std::ceil(fair));
      spread.max_pair = std::max(spread.max_pair, pair);
      spread.min_pair = std::min(spread.min_pair, pair);
    }
  }
  return spread;
}

}  // namespace ringkv
