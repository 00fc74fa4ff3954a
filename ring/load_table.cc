#include "ring/load_table.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ring/shares.h"

namespace ringkv {

LoadTable::LoadTable(const Ring& ring, std::span<const uint64_t> costs, const LoadOptions& options)
    : costs_(costs),
      on_(options.on),
      table_(ring.table()),
      groups_(ring.members()),
      nodes_(ring.index_limit()),
      slots_of_(ring.index_limit()) {
  for (uint32_t slot = 0; slot < ring.slots(); ++slot) {
    const auto row = table_.Row(SlotId(slot));
    for (uint32_t i = 0; i < row.size(); ++i) {
      ListOf(row[i], RoleAt(i)).push_back(SlotId(slot));
      CountIn(SlotId(slot), row[i], RoleAt(i));
    }
  }
  for (std::array<std::vector<SlotId>, 2>& lists : slots_of_) {
    for (std::vector<SlotId>& slots : lists) std::sort(slots.begin(), slots.end(), Cheaper());
  }
  SetFairParts(ring, options.bound);
}

void LoadTable::SetFairParts(const Ring& ring, double bound) {
  uint64_t total = 0;
  for (const Node& node : nodes_) total += node.cost;
  const double replicas = static_cast<double>(ring.slots()) * ring.replicas();
  const std::vector<Share> shares =
      FairShares(groups_, ring.slots(), ring.replicas(), ReplicasPerZone(groups_, ring.replicas()));
  for (NodeIndex index : ring.nodes()) {
    const Share& share = shares[groups_.group_of(index.value())];
    Node& node = nodes_[index.value()];
    node.fair_cost = static_cast<double>(total) * (share.value() / replicas);
    node.low = static_cast<uint64_t>(std::ceil(node.fair_cost * std::max(0.0, 1 - bound)));
    node.high = static_cast<uint64_t>(node.fair_cost * (1 + bound));
    node.replicas.least = share.floor;
    node.replicas.most = share.ceiling();
    node.primaries.least = share.floor / ring.replicas();
    const bool whole = share.floor % ring.replicas() == 0 && share.remainder == 0;
    node.primaries.most = node.primaries.least + (whole ? 0 : 1);
  }
}

uint32_t LoadTable::ZoneMates(const ReplicaRow& row, NodeIndex node, NodeIndex leaving) const {
  const ZoneNumber zone = groups_.zone_of(node.value());
  if (zone == kOwnDomain) return 0;
  uint32_t mates = 0;
  for (NodeIndex other : row) {
    if (other != leaving && other != node && groups_.zone_of(other.value()) == zone) ++mates;
  }
  return mates;
}

bool LoadTable::CanReplace(SlotId slot, NodeIndex leaving, NodeIndex entering) const {
  const auto row = table_.Row(slot);
  return !row.Contains(entering) &&
         ZoneMates(row, entering, leaving) <= ZoneMates(row, leaving, leaving);
}

bool LoadTable::CanGiveAlone(NodeIndex giver, NodeIndex taker, Role role, bool copies) const {
  auto can = [](const Count& gives, const Count& takes) {
    return gives.held > gives.least && takes.held < takes.most;
  };
  const Node& from = node(giver);
  const Node& to = node(taker);
  return (!copies || can(from.replicas, to.replicas)) &&
         (role != Role::kPrimary || can(from.primaries, to.primaries));
}

void LoadTable::Replace(SlotId slot, NodeIndex leaving, NodeIndex entering) {
  ReplicaRow row = table_.Row(slot);
  auto place_of = [&row](NodeIndex node) {
    uint32_t place = 0;
    while (place < row.size() && row[place] != node) ++place;
    return place;
  };
  const uint32_t place = place_of(leaving);
  const uint32_t other = place_of(entering);
  RINGKV_CHECK(place < row.size(), "only who is in a row can leave it");
  Take(slot, leaving, RoleAt(place));
  if (other < row.size()) {
    Take(slot, entering, RoleAt(other));
    Put(slot, leaving, RoleAt(other));
    row.Set(other, leaving);
  }
  Put(slot, entering, RoleAt(place));
  row.Set(place, entering);
  table_.SetRow(slot, row);
}

void LoadTable::Put(SlotId slot, NodeIndex node, Role role) {
  std::vector<SlotId>& slots = ListOf(node, role);
  slots.insert(std::lower_bound(slots.begin(), slots.end(), slot, Cheaper()), slot);
  CountIn(slot, node, role);
}

void LoadTable::Take(SlotId slot, NodeIndex index, Role role) {
  std::vector<SlotId>& slots = ListOf(index, role);
  slots.erase(std::lower_bound(slots.begin(), slots.end(), slot, Cheaper()));
  Node& node = nodes_[index.value()];
  node.cost -= CostIn(slot, role);
  --node.replicas.held;
  if (role == Role::kPrimary) --node.primaries.held;
}

void LoadTable::CountIn(SlotId slot, NodeIndex index, Role role) {
  Node& node = nodes_[index.value()];
  node.cost += CostIn(slot, role);
  ++node.replicas.held;
  if (role == Role::kPrimary) ++node.primaries.held;
}

}  // namespace ringkv
