// What each node is to hold: its fair share (shares.h), rounded down or up to whole replicas. Kept
// from change to change, so that a change costs what it touches, whatever the number of nodes.
//
// The targets sum to slots × replicas, no zone gets more than slots × per_zone, and the fewest
// replicas are gained over what nodes hold: what stays within its share stays. Among equals the
// node that the change is about is rounded up first, then those where the share's remainder exceeds
// the node's phase (node_groups.h) most. So of a million equal nodes some are rounded up and some
// down, the same ones as long as the shares hardly change, and one by one as they do.
//
// Thread-compatible. Deterministic, and the same with a history as without, provided that between
// changes every node holds its target. Memory: 8 bytes a node, and some 50 a node whose share is
// not whole.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "ring/node_groups.h"
#include "ring/shares.h"

namespace ringkv {

class NodeTargets {
 public:
  struct Limits {
    uint32_t slots = 0;
    uint32_t replicas = 0;
    uint32_t per_zone = 1;  // replicas of a slot that one zone may hold
  };

  // Begins a change. `shares` by group; `counts`: what nodes hold, by number, 0 for those beyond.
  // `about`: the node that has come, gone or changed, if it is one. The first time, or where a
  // group's share has passed a whole number, it looks at all nodes, else at those that change.
  // `groups` and `shares` must live until the next call.
  void Update(const NodeGroups& groups, std::span<const Share> shares, const Limits& limits,
              std::span<const uint32_t> counts, uint32_t about);

  // 0 for who is not there. Needs node < all().size().
  uint32_t operator[](uint32_t node) const { return targets_[node]; }
  std::span<const uint32_t> all() const { return targets_; }
  // Room for node numbers below `limit`.
  void Reserve(size_t limit) {
    if (targets_.size() < limit) targets_.resize(limit, 0);
  }

  // Nodes whose targets this change has set, in any order, some twice; all whose targets are not
  // what they held are among them.
  std::span<const uint32_t> changed() const { return changed_; }

  // Which way a node's share is rounded; kWhole: there is nothing to round.
  enum class Direction : uint8_t { kWhole, kDown, kUp };
  Direction rounding(uint32_t node) const;
  // Rounds `up` up and `down` down, which were the other way round.
  void Reround(uint32_t up, uint32_t down);

  size_t bytes() const;

 private:
  // The rounded shares of a group. The sets are in the order in which nodes are chosen to be
  // rounded the other way: by phase, ascending or descending, then by number.
  struct Group {
    uint32_t floor = 0;
    bool whole = true;
    std::set<uint64_t> down;  // phase, node
    std::set<uint64_t> up;    // ~phase, node
  };

  uint64_t DownKey(uint32_t node) const { return uint64_t{groups_->phase_of(node)} << 32 | node; }
  uint64_t UpKey(uint32_t node) const { return uint64_t{~groups_->phase_of(node)} << 32 | node; }
  uint32_t Clamped(uint32_t node, const Group& group) const;
  // Groups whose bounds are others than before get the new ones. Returns which, by number, if their
  // nodes must be looked at.
  std::vector<bool> TakeBounds(uint32_t about);
  void Rebuild(const std::vector<bool>& stale);
  void Leave(uint32_t node);
  void Enter(uint32_t node);
  void AddToSums(uint32_t node, int64_t by);
  void Step(uint32_t node, int by);
  int64_t Reluctance(uint32_t group, uint64_t key, int by) const;
  template <class Eligible>
  std::vector<uint32_t> MostWilling(int by, uint64_t count, Eligible eligible) const;
  void EmptyZones();
  void Lower(uint64_t count);
  void Raise(uint64_t count);

  const NodeGroups* groups_ = nullptr;
  std::span<const Share> shares_;
  std::span<const uint32_t> counts_;
  Limits limits_;
  uint32_t about_ = NodeGroups::kNoGroup;
  std::vector<uint32_t> targets_;   // by node
  std::vector<uint32_t> group_of_;  // by node; kNoGroup: its target is 0
  std::vector<Group> by_group_;
  std::vector<uint64_t> zone_sums_;  // of targets
  std::vector<int64_t> fractions_;   // of each share's remainder, in 2^-32
  uint64_t sum_ = 0;
  std::vector<uint32_t> changed_;
};

}  // namespace ringkv
