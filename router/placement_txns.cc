#include "router/placement_txns.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "ring/hash.h"

namespace ringkv {
namespace {

// Rows that change together.
class RowsTxn {
 public:
  explicit RowsTxn(const ClusterState& state) : state_(state) {}

  v1::SlotPlacement& Edit(SlotId slot) {
    auto [at, fresh] = rows_.try_emplace(slot.value());
    if (fresh) {
      at->second = state_.slots()[slot.value()];
      at->second.set_epoch(at->second.epoch() + 1);
    }
    return at->second;
  }

  MetadataTxn Make() const {
    MetadataTxn txn;
    const v1::ClusterIdentity& cluster = state_.identity();
    std::set<uint32_t> groups;
    for (const auto& [slot, row] : rows_) {
      groups.insert(GroupOf(SlotId(slot), cluster.slots(), cluster.groups()).value());
      const std::string name = SlotName(SlotId(slot));
      state_.Expect(name, &txn);
      txn.puts.emplace_back(name, row.SerializeAsString());
    }
    for (uint32_t group : groups) state_.Expect(GroupName(GroupId(group)), &txn);
    state_.RaiseEpoch(&txn);
    return txn;
  }

 private:
  const ClusterState& state_;
  std::map<uint32_t, v1::SlotPlacement> rows_;
};

const v1::DesiredRow* WishFor(const ClusterState& state, SlotId slot) {
  auto found = state.desired().find(slot.value());
  return found == state.desired().end() ? nullptr : &found->second;
}

// The same replicas, in this order.
void Order(const std::vector<std::string>& nodes, v1::SlotPlacement* row) {
  std::map<std::string, v1::ReplicaRef> by_node;
  for (const v1::ReplicaRef& replica : row->replicas()) by_node[replica.node()] = replica;
  RINGKV_CHECK(by_node.size() == nodes.size(), "an order is of all replicas of a row");
  row->clear_replicas();
  for (const std::string& node : nodes) *row->add_replicas() = by_node.at(node);
}

}  // namespace

MetadataTxn RecordLearners(const ClusterState& state, std::span<const Replacement> replacements) {
  RowsTxn txn(state);
  for (const Replacement& replacement : replacements) {
    v1::SlotPlacement& row = txn.Edit(replacement.slot);
    RINGKV_CHECK(!row.has_learner(), "one change of a slot at a time");
    row.set_last_inc(row.last_inc() + 1);
    row.mutable_learner()->set_node(replacement.in);
    row.mutable_learner()->set_inc(row.last_inc());
    for (const v1::ReplicaRef& replica : row.replicas()) {
      if (replica.node() == replacement.out) *row.mutable_replaced() = replica;
    }
    RINGKV_CHECK(row.has_replaced(), "whoever leaves a row is in it");
  }
  return txn.Make();
}

MetadataTxn FlipRows(const ClusterState& state, std::span<const SlotId> slots) {
  RowsTxn txn(state);
  for (SlotId slot : slots) {
    v1::SlotPlacement& row = txn.Edit(slot);
    RINGKV_CHECK(row.has_learner() && row.has_replaced(), "a flip is of a learner");
    const std::vector<std::string> order = OrderAfterFlip(row, WishFor(state, slot));
    for (v1::ReplicaRef& replica : *row.mutable_replicas()) {
      if (replica.node() != row.replaced().node()) continue;
      *row.add_retiring() = replica;
      replica = row.learner();
    }
    row.clear_learner();
    row.clear_replaced();
    Order(order, &row);
  }
  return txn.Make();
}

MetadataTxn AbandonLearners(const ClusterState& state, std::span<const SlotId> slots) {
  RowsTxn txn(state);
  for (SlotId slot : slots) {
    v1::SlotPlacement& row = txn.Edit(slot);
    RINGKV_CHECK(row.has_learner(), "only a learner is given up");
    *row.add_retiring() = row.learner();
    row.clear_learner();
    row.clear_replaced();
  }
  return txn.Make();
}

MetadataTxn ReorderRows(const ClusterState& state, std::span<const SlotId> slots) {
  RowsTxn txn(state);
  for (SlotId slot : slots) {
    const v1::DesiredRow* wish = WishFor(state, slot);
    RINGKV_CHECK(wish != nullptr, "an order is wished for");
    Order({wish->nodes().begin(), wish->nodes().end()}, &txn.Edit(slot));
  }
  return txn.Make();
}

MetadataTxn ForgetRetired(const ClusterState& state, std::span<const RetiredInstance> instances) {
  RowsTxn txn(state);
  for (const RetiredInstance& instance : instances) {
    auto* retiring = txn.Edit(instance.slot).mutable_retiring();
    auto gone = std::remove_if(retiring->begin(), retiring->end(), [&](const v1::ReplicaRef& r) {
      return r.node() == instance.node && r.inc() == instance.inc.value();
    });
    retiring->erase(gone, retiring->end());
  }
  return txn.Make();
}

}  // namespace ringkv
