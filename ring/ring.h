// The ring: which nodes hold which slot. An immutable value; a change is a pure function that
// returns the next one (planner.h), and readers are given it by a swap (ring_publisher.h).
//
// Guarantees, checked by Make and RingEditor whatever the source: Q slots (a power of two,
// kMinSlots to kMaxSlots), each held by RF (1 to kMaxReplicas) distinct members, the primary first;
// members with valid, unique ids, valid addresses and 1 to kMaxVnodes vnodes. Balance and zones are
// the planner's promise, not the ring's: a ring from elsewhere may lack them.
//
// A row names nodes by NodeIndex, a small number that a node keeps from AddNode to RemoveNode, over
// all epochs between; then it may be given to another. Indexes of removed nodes leave gaps: walk
// nodes(), never 0 to index_limit().
//
// Thread-safety: const readers from any thread. Memory: 8 bytes a slot up to RF 3 (slot_table.h),
// and the members. A copy shares both; it costs a page directory and does not touch the pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/status.h"
#include "ring/hash.h"
#include "ring/member_table.h"
#include "ring/slot_table.h"

namespace ringkv {

// Each: ok, or InvalidArgument that names what is wrong.
Status CheckSlotCount(uint64_t slots);
Status CheckReplicaCount(uint64_t replicas);

class Ring {
 public:
  // What a ring is made of, before it is judged.
  struct Parts {
    Epoch epoch;
    uint32_t slots = 0;
    uint32_t replicas = 0;
    std::vector<Member> members;  // position = NodeIndex; an empty id is a gap
    std::vector<NodeIndex> rows;  // slots × replicas, slot by slot, primary first
  };

  // InvalidArgument, with the first fault found, where `parts` is no ring. O(slots × replicas).
  static Result<Ring> Make(Parts parts);

  // From what the caller knows to be a ring's: nothing is judged. For the planner.
  Ring(Epoch epoch, MemberTable members, SlotTable table)
      : epoch_(epoch), members_(std::move(members)), table_(std::move(table)) {}

  Epoch epoch() const { return epoch_; }
  uint32_t slots() const { return table_.slots(); }
  uint32_t replicas() const { return table_.replicas(); }

  // RF distinct nodes, the primary first. The slot must be below slots().
  ReplicaRow Replicas(SlotId slot) const { return table_.Row(slot); }
  NodeIndex Primary(SlotId slot) const { return table_.Primary(slot); }
  ReplicaRow ReplicasOfKey(std::string_view key) const {
    return Replicas(SlotOf(TokenOf(key), slots()));
  }

  // The members, in the order of their ids.
  const IdOrder& nodes() const { return members_.by_id(); }
  bool Has(NodeIndex node) const { return members_.Has(node); }
  // Needs Has(node).
  const Member& member(NodeIndex node) const { return members_[node]; }
  std::optional<NodeIndex> Find(const NodeId& id) const { return members_.Find(id); }
  // Every index in use is below this.
  uint32_t index_limit() const { return members_.limit(); }

  const MemberTable& members() const { return members_; }
  const SlotTable& table() const { return table_; }

  // Of slots, replicas, rows and members, not of the epoch: the same for equal ones on every
  // machine, and another for others but for a chance of 2^-64 (fingerprint.h). O(1).
  uint64_t fingerprint() const;

  // The parts again. O(slots × replicas).
  Parts ToParts() const;

  bool operator==(const Ring&) const = default;

 private:
  Epoch epoch_;
  MemberTable members_;
  SlotTable table_;
};

// A changed copy of a ring, which judges only what changed.
//   RingEditor editor(ring); editor.SetEpoch(…); editor.SetRow(…); editor.Finish()
class RingEditor {
 public:
  explicit RingEditor(const Ring& base)
      : epoch_(base.epoch()), members_(base.members()), table_(base.table()) {}

  void SetEpoch(Epoch epoch) { epoch_ = epoch; }
  // As MemberTable::Set.
  Status SetMember(NodeIndex node, Member member) { return members_.Set(node, std::move(member)); }
  // NotFound: there is none.
  Status RemoveMember(NodeIndex node);
  // InvalidArgument: no such slot, or another number of replicas. Whom the row names is judged at
  // the end.
  Status SetRow(SlotId slot, const ReplicaRow& row);

  // InvalidArgument where the result is no ring. O(changes); where members were removed, one quick
  // look at every row, for none may name them any more. The editor is used up.
  Result<Ring> Finish();

 private:
  Status CheckRemoved() const;

  Epoch epoch_;
  MemberTable members_;
  SlotTable table_;
  std::vector<SlotId> changed_;
  std::vector<bool> removed_;  // by node; as long as the highest that was removed
};

}  // namespace ringkv
