// Which changes of rows are to begin next (docs/protocol.md, "Replace"): what the rows are, what
// they are wished to be, and how much may be under way, in; decisions out. It rests on nothing
// else, so that it may be asked at any time, by a router that knows nothing of what came before.
//
// Guarantees
//  1. One change of a slot at a time, and nobody leaves before somebody has come.
//  2. Never more than `per_node` slots on their way from a node, or to one. What begins, begins in
//     lots of slots with the same source and destination.
//  3. No node gets a learner of a slot of which it still has a retiring instance.
//
// Pure; thread-safe.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "ringkv/v1/cluster.pb.h"

namespace ringkv {

struct MoveLimits {
  size_t per_node = 64;       // slots under way from a node, and to one
  size_t lot = 32;            // of one pair of nodes, begun together
  size_t rows_at_once = 256;  // written by one transaction
};

struct Replacement {
  SlotId slot;
  std::string out;  // leaves
  std::string in;   // comes
  bool operator==(const Replacement&) const = default;
};

struct MoveChoice {
  std::vector<Replacement> begin;  // of one pair of nodes
  std::vector<SlotId> abandon;     // their learners are not wished for
  std::vector<SlotId> reorder;     // have the nodes that are wished for, in another order
  // Rows that are not as wished yet, whatever is done about them.
  size_t unfinished = 0;
};

using DesiredRowMap = std::map<uint32_t, v1::DesiredRow>;  // by slot; absent: as it is

// `may_begin`: new replacements too, not only what brings those under way to their end.
MoveChoice ChooseMoves(const std::vector<v1::SlotPlacement>& rows, const DesiredRowMap& desired,
                       const MoveLimits& limits, bool may_begin);

// The row as it is written when its learner takes its place.
std::vector<std::string> OrderAfterFlip(const v1::SlotPlacement& row, const v1::DesiredRow* wish);

}  // namespace ringkv
