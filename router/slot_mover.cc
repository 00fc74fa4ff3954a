#include "router/slot_mover.h"

#include <algorithm>

#include "ring/hash.h"
#include "router/migration_txns.h"
#include "router/placement_txns.h"

namespace ringkv {

void SlotMover::Take(const RowRequest& request, const std::string& node) {
  switch (request.kind) {
    case RowRequest::Kind::kFlip:
      flips_[request.slot.value()] = {request.term, request.epoch};
      return;
    case RowRequest::Kind::kAbandon:
      abandons_[request.slot.value()] = {request.term, request.epoch};
      return;
    case RowRequest::Kind::kRetired:
      retired_.emplace(request.slot.value(), node, request.replica.inc.value());
      return;
  }
}

std::vector<SlotId> SlotMover::Current(const ClusterState& state,
                                       std::map<uint32_t, Wish>* requests) {
  const v1::ClusterIdentity& cluster = state.identity();
  std::erase_if(*requests, [&](const auto& request) {
    const auto& [slot, wish] = request;
    const v1::SlotPlacement& row = state.slots()[slot];
    const GroupId group = GroupOf(SlotId(slot), cluster.slots(), cluster.groups());
    return Term(state.groups()[group.value()].term()) != wish.term || row.epoch() != wish.epoch ||
           !row.has_learner();
  });
  std::vector<SlotId> slots;
  for (const auto& [slot, wish] : *requests) {
    if (slots.size() < limits_.rows_at_once) slots.push_back(SlotId(slot));
  }
  return slots;
}

std::optional<MetadataTxn> SlotMover::NextRetired(const ClusterState& state) {
  std::vector<RetiredInstance> known;
  for (auto it = retired_.begin(); it != retired_.end();) {
    const auto& [slot, node, inc] = *it;
    const auto& retiring = state.slots()[slot].retiring();
    const bool named = std::any_of(
        retiring.begin(), retiring.end(),
        [&, n = node, i = inc](const v1::ReplicaRef& r) { return r.node() == n && r.inc() == i; });
    if (!named) {
      it = retired_.erase(it);
      continue;
    }
    if (known.size() < limits_.rows_at_once)
      known.push_back({SlotId(slot), node, Incarnation(inc)});
    ++it;
  }
  if (known.empty()) return std::nullopt;
  return ForgetRetired(state, known);
}

// What brings something to its end comes first; what begins waits for it.
std::optional<MetadataTxn> SlotMover::Next(const ClusterState& state, uint64_t now_ms) {
  const v1::MigrationRecord* migration = state.CurrentMigration();
  const bool may_begin = migration != nullptr && migration->state() != v1::MIGRATION_STATE_PAUSED;
  const MoveChoice choice = ChooseMoves(state.slots(), state.desired(), limits_, may_begin);
  std::vector<SlotId> abandon = choice.abandon;
  for (SlotId slot : Current(state, &abandons_)) {
    if (std::find(abandon.begin(), abandon.end(), slot) == abandon.end()) abandon.push_back(slot);
  }
  if (!abandon.empty()) {
    abandon.resize(std::min(abandon.size(), limits_.rows_at_once));
    return AbandonLearners(state, abandon);
  }
  if (const std::vector<SlotId> flips = Current(state, &flips_); !flips.empty()) {
    return FlipRows(state, flips);
  }
  if (auto retired = NextRetired(state)) return retired;
  if (!choice.begin.empty()) return RecordLearners(state, choice.begin);
  if (may_begin && !choice.reorder.empty()) return ReorderRows(state, choice.reorder);
  if (migration == nullptr || choice.unfinished > 0) return std::nullopt;
  return FinishMigration(state, now_ms);
}

}  // namespace ringkv
