// The transactions by which rows of slots change (docs/protocol.md, "Replace"), as pure functions
// of the state. Each is conditional on the rows that it changes and on the ownership of their
// groups, and raises the epoch of each row and that of the ring, which puts all of them in one line
// (ClusterState::RaiseEpoch).
//
// Thread-safe. What a caller asks must fit the state: a slot with a learner for Flip, and so on.
#pragma once

#include <span>

#include "migration/move_choice.h"
#include "router/cluster_state.h"
#include "router/shard.h"

namespace ringkv {

// Each slot gets a learner, under an incarnation that was never used.
MetadataTxn RecordLearners(const ClusterState& state, std::span<const Replacement> replacements);

// Each learner becomes a replica in place of the one that it replaces, which retires.
MetadataTxn FlipRows(const ClusterState& state, std::span<const SlotId> slots);

// The learners retire; the replicas stay.
MetadataTxn AbandonLearners(const ClusterState& state, std::span<const SlotId> slots);

// The rows get the order that is wished for.
MetadataTxn ReorderRows(const ClusterState& state, std::span<const SlotId> slots);

struct RetiredInstance {
  SlotId slot;
  std::string node;
  Incarnation inc;
};
// Their nodes know: the rows need not name them any more.
MetadataTxn ForgetRetired(const ClusterState& state, std::span<const RetiredInstance> instances);

}  // namespace ringkv
