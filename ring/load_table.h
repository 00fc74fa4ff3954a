// The worktable of load_rebalance.h: who holds which slot at what cost, while slots change hands.
//
// Nodes are known by their index in the ring. Besides its cost, a node has two counts that are to
// stay what balance by numbers needs (shares.h): its replicas and, of them, its primaries.
//
// Thread-compatible. Memory: about 4 bytes a replica, and 100 a node; of the ring's own table only
// the pages that change are copied.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ring/load_rebalance.h"
#include "ring/node_groups.h"
#include "ring/ring.h"
#include "ring/slot_table.h"

namespace ringkv {

class LoadTable {
 public:
  enum class Role : uint8_t { kPrimary, kOther };

  struct Count {
    uint32_t held = 0;
    uint32_t least = 0;  // its fair share, rounded down
    uint32_t most = 0;   // and up
  };

  struct Node {
    uint64_t cost = 0;
    double fair_cost = 0;
    uint64_t low = 0;  // costs from low to high are within the bound
    uint64_t high = 0;
    Count replicas;
    Count primaries;

    double relative_cost() const { return static_cast<double>(cost) / fair_cost; }
    uint64_t excess() const { return cost > high ? cost - high : 0; }
    uint64_t lack() const { return cost < low ? low - cost : 0; }
  };

  // `costs`: one for each slot, not all 0. The sum of what replicas cost fits 63 bits.
  LoadTable(const Ring& ring, std::span<const uint64_t> costs, const LoadOptions& options);

  const Node& node(NodeIndex node) const { return nodes_[node.value()]; }
  // In the order of (cost, number).
  std::span<const SlotId> SlotsOf(NodeIndex node, Role role) const {
    return slots_of_[node.value()][static_cast<size_t>(role)];
  }
  uint64_t CostOf(SlotId slot) const { return costs_[slot.value()]; }
  bool Holds(SlotId slot, NodeIndex node) const { return table_.Row(slot).Contains(node); }
  const SlotTable& table() const { return table_; }

  // Whether `entering` can have the place of `leaving`, which is in the row: it is not there yet,
  // and no more replicas come to be in one zone than there were.
  bool CanReplace(SlotId slot, NodeIndex leaving, NodeIndex entering) const;

  // Whether the counts allow that `giver` hands one place of this role to `taker` and gets none
  // back. `copies`: a replica goes with it, not the role alone.
  bool CanGiveAlone(NodeIndex giver, NodeIndex taker, Role role, bool copies) const;

  // `entering` gets the place of `leaving`, which is in the row; where it is in the row too, both
  // change places.
  void Replace(SlotId slot, NodeIndex leaving, NodeIndex entering);

 private:
  void SetFairParts(const Ring& ring, double bound);
  void Put(SlotId slot, NodeIndex node, Role role);
  void Take(SlotId slot, NodeIndex node, Role role);
  void CountIn(SlotId slot, NodeIndex node, Role role);
  static Role RoleAt(uint32_t place) { return place == 0 ? Role::kPrimary : Role::kOther; }
  std::vector<SlotId>& ListOf(NodeIndex node, Role role) {
    return slots_of_[node.value()][static_cast<size_t>(role)];
  }
  // The order of the lists.
  auto Cheaper() const {
    return [this](SlotId a, SlotId b) {
      return CostOf(a) < CostOf(b) || (CostOf(a) == CostOf(b) && a < b);
    };
  }
  uint64_t CostIn(SlotId slot, Role role) const {
    return role == Role::kPrimary || on_ == LoadOn::kAllReplicas ? CostOf(slot) : 0;
  }
  // How many others of the row are in the zone of `node`; `leaving` is as if gone.
  uint32_t ZoneMates(const ReplicaRow& row, NodeIndex node, NodeIndex leaving) const;

  const std::span<const uint64_t> costs_;
  const LoadOn on_;
  SlotTable table_;
  const NodeGroups groups_;
  std::vector<Node> nodes_;                                   // by index
  std::vector<std::array<std::vector<SlotId>, 2>> slots_of_;  // by index, then role
};

}  // namespace ringkv
