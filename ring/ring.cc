#include "ring/ring.h"

#include <algorithm>

#include "ring/fingerprint.h"

namespace ringkv {
namespace {

Status CheckRow(const MemberTable& members, SlotId slot, const ReplicaRow& row) {
  auto bad = [&](const std::string& why) {
    return Status::InvalidArgument("slot " + std::to_string(slot.value()) + " " + why);
  };
  for (uint32_t i = 0; i < row.size(); ++i) {
    if (!members.Has(row[i])) {
      return bad("names a node that is no member: " + std::to_string(row[i].value()));
    }
    for (uint32_t j = 0; j < i; ++j) {
      if (row[j] == row[i]) return bad("is twice on node '" + members[row[i]].id.value() + "'");
    }
  }
  return Status::Ok();
}

}  // namespace

Status CheckSlotCount(uint64_t slots) {
  if (IsSlotCount(slots)) return Status::Ok();
  return Status::InvalidArgument("there cannot be " + std::to_string(slots) +
                                 " slots; slots are a power of two from " +
                                 std::to_string(kMinSlots) + " to " + std::to_string(kMaxSlots));
}

Status CheckReplicaCount(uint64_t replicas) {
  if (replicas >= 1 && replicas <= kMaxReplicas) return Status::Ok();
  return Status::InvalidArgument("there cannot be " + std::to_string(replicas) +
                                 " replicas; replicas are 1 to " + std::to_string(kMaxReplicas));
}

Result<Ring> Ring::Make(Parts parts) {
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(parts.slots));
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(parts.replicas));
  Result<MemberTable> members = MemberTable::Make(std::move(parts.members));
  if (!members.ok()) return members.status();
  if (parts.rows.size() != size_t{parts.slots} * parts.replicas) {
    return Status::InvalidArgument("a ring of " + std::to_string(parts.slots) + " slots x " +
                                   std::to_string(parts.replicas) + " replicas cannot have " +
                                   std::to_string(parts.rows.size()) + " entries");
  }
  SlotTable table(parts.slots, parts.replicas);
  const std::span<const NodeIndex> rows = parts.rows;
  for (uint32_t slot = 0; slot < parts.slots; ++slot) {
    const std::span<const NodeIndex> nodes =
        rows.subspan(size_t{slot} * parts.replicas, parts.replicas);
    // Before it is packed: a number beyond the packed width would come out as another's.
    for (NodeIndex node : nodes) {
      if (node.value() >= kMaxNodeIndexes) {
        return Status::InvalidArgument(
            "slot " + std::to_string(slot) +
            " names a node that is no member: " + std::to_string(node.value()));
      }
    }
    const ReplicaRow row(nodes);
    RINGKV_RETURN_IF_ERROR(CheckRow(*members, SlotId(slot), row));
    table.SetRow(SlotId(slot), row);
  }
  return Ring(parts.epoch, std::move(members).value(), std::move(table));
}

uint64_t Ring::fingerprint() const {
  const uint64_t shape = Mixed(uint64_t{slots()} << 8 | replicas());
  return Mixed(table_.fingerprint() + Mixed(members_.fingerprint() + shape));
}

Ring::Parts Ring::ToParts() const {
  Parts parts{epoch_, slots(), replicas(), members_.ToVector(), {}};
  parts.rows.reserve(size_t{slots()} * replicas());
  for (uint32_t slot = 0; slot < slots(); ++slot) {
    for (NodeIndex node : Replicas(SlotId(slot))) parts.rows.push_back(node);
  }
  return parts;
}

Status RingEditor::RemoveMember(NodeIndex node) {
  if (!members_.Has(node)) {
    return Status::NotFound("there is no node with index " + std::to_string(node.value()));
  }
  members_.Remove(node);
  if (node.value() >= removed_.size()) removed_.resize(node.value() + 1, false);
  removed_[node.value()] = true;
  return Status::Ok();
}

Status RingEditor::SetRow(SlotId slot, const ReplicaRow& row) {
  if (slot.value() >= table_.slots()) {
    return Status::InvalidArgument("there is no slot " + std::to_string(slot.value()));
  }
  if (row.size() != table_.replicas()) {
    return Status::InvalidArgument("slot " + std::to_string(slot.value()) + " has " +
                                   std::to_string(row.size()) + " replicas, not " +
                                   std::to_string(table_.replicas()));
  }
  table_.SetRow(slot, row);
  changed_.push_back(slot);
  return Status::Ok();
}

// No row names a member that was removed and is not there again.
Status RingEditor::CheckRemoved() const {
  for (uint32_t slot = 0; slot < table_.slots() && !removed_.empty(); ++slot) {
    const ReplicaRow row = table_.Row(SlotId(slot));
    for (NodeIndex node : row) {
      if (node.value() >= removed_.size() || !removed_[node.value()]) continue;
      RINGKV_RETURN_IF_ERROR(CheckRow(members_, SlotId(slot), row));
    }
  }
  return Status::Ok();
}

Result<Ring> RingEditor::Finish() {
  RINGKV_RETURN_IF_ERROR(CheckRemoved());
  for (SlotId slot : changed_) {
    RINGKV_RETURN_IF_ERROR(CheckRow(members_, slot, table_.Row(slot)));
  }
  return Ring(epoch_, std::move(members_), std::move(table_));
}

}  // namespace ringkv
