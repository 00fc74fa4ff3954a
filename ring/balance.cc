#include "ring/balance.h"

#include <algorithm>
#include <cmath>

#include "ring/fair_meetings.h"
#include "ring/shares.h"

namespace ringkv {
namespace {

constexpr double kBound = 1.25;
constexpr double kRounding = 1e-3;  // so near to a whole number, that is meant

}  // namespace

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
  const FairMeetings fair(held, groups, ring.replicas(), ReplicasPerZone(groups, ring.replicas()));
  spread.min_pair = UINT32_MAX;
  for (NodeIndex a : ring.nodes()) {
    for (NodeIndex b : ring.nodes()) {
      if (!(a < b) || held[a.value()] == 0 || held[b.value()] == 0) continue;
      const double mean = fair.Between(a.value(), b.value(), held[a.value()], held[b.value()]);
      if (mean <= 0) continue;
      const uint32_t pair = met[a.value() * limit + b.value()];
      const double bound = std::ceil(kBound * mean - kRounding);
      spread.max_over_mean = std::max(spread.max_over_mean, pair / mean);
      spread.max_over_bound = std::max(spread.max_over_bound, pair / bound);
      spread.max_pair = std::max(spread.max_pair, pair);
      spread.min_pair = std::min(spread.min_pair, pair);
    }
  }
  return spread;
}

}  // namespace ringkv
