// The ring: which nodes hold which slot. An immutable value, shared as std::shared_ptr<const Ring>
// and replaced as a whole; a change is a pure function that returns the next one (planner.h).
//
// Guarantees, checked by Make whatever the source: Q slots (a power of two, kMinSlots to
// kMaxSlots), each held by RF (1 to kMaxReplicas) distinct members, the primary first; members with
// valid, unique ids, valid addresses and 1 to kMaxVnodes vnodes.
//
// A row names nodes by NodeIndex, a small number that a node keeps from AddNode to RemoveNode, over
// all epochs between; then it may be given to another. Indexes of removed nodes leave gaps: walk
// nodes(), never 0 to index_limit().
//
// Thread-safety: const readers from any thread. Memory: 4 bytes a replica, and the members. Copying
// copies the table. Only rows are contiguous for readers, not the table, so that a later version
// may keep it in pages that rings share.
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

namespace ringkv {

using NodeIndex = StrongId<struct NodeIndexTag, uint32_t>;

inline constexpr size_t kMaxZoneBytes = 63;

struct Member {
  NodeId id;
  std::string address;    // host:port
  std::string zone;       // failure domain; may be empty; at most kMaxZoneBytes
  uint32_t vnodes = 128;  // weight relative to the others', 1 to kMaxVnodes

  bool operator==(const Member&) const = default;
};

// Each: ok, or InvalidArgument that names what is wrong and with whom.
Status CheckMember(const Member& member);
Status CheckVnodes(const NodeId& id, uint32_t vnodes);
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

  Epoch epoch() const { return epoch_; }
  uint32_t slots() const { return slots_; }
  uint32_t replicas() const { return replicas_; }

  // RF distinct nodes, the primary first. The slot must be below slots(). Valid while the ring is.
  std::span<const NodeIndex> Replicas(SlotId slot) const {
    return {rows_.data() + size_t{slot.value()} * replicas_, replicas_};
  }
  std::span<const NodeIndex> ReplicasOfKey(std::string_view key) const {
    return Replicas(SlotOf(TokenOf(key), slots_));
  }

  // The members, in the order of their ids.
  std::span<const NodeIndex> nodes() const { return nodes_; }
  bool Has(NodeIndex node) const {
    return node.value() < members_.size() && !members_[node.value()].id.empty();
  }
  // Needs Has(node).
  const Member& member(NodeIndex node) const { return members_[node.value()]; }
  std::optional<NodeIndex> Find(const NodeId& id) const;
  // Every index in use is below this.
  uint32_t index_limit() const { return static_cast<uint32_t>(members_.size()); }

  // The parts again, to make a changed ring from. O(slots × replicas).
  Parts ToParts() const;

  bool operator==(const Ring&) const = default;

 private:
  Ring() = default;

  Epoch epoch_;
  uint32_t slots_ = 0;
  uint32_t replicas_ = 0;
  std::vector<Member> members_;   // by NodeIndex; the last one is never a gap
  std::vector<NodeIndex> nodes_;  // in use, by id
  std::vector<NodeIndex> rows_;   // slots_ × replicas_
};

}  // namespace ringkv
