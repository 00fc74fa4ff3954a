// The nodes of a ring as the planner's arithmetic sees them: by weight and failure domain.
//
// A failure domain is a zone; a node without one is a domain of its own. Nodes of one zone and one
// weight form a group: they have the same fair share, so that a change in a ring of a million nodes
// computes a handful of shares. Numbers of zones and groups are internal and depend on history;
// nothing that is decided may depend on them.
//
// Thread-compatible. Memory: 12 bytes a node, and the names of zones.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ring/member_table.h"

namespace ringkv {

using ZoneNumber = uint32_t;
// Of every node without a zone; it is no zone, and two such nodes have nothing in common.
inline constexpr ZoneNumber kOwnDomain = UINT32_MAX;

struct NodeGroup {
  ZoneNumber zone = kOwnDomain;
  uint32_t weight = 0;
  uint32_t nodes = 0;
};

class NodeGroups {
 public:
  static constexpr uint32_t kNoGroup = UINT32_MAX;

  NodeGroups() = default;
  explicit NodeGroups(const MemberTable& members);

  // Needs a node that is not there.
  void Add(uint32_t node, const Member& member);
  // Needs a node that is there.
  void Remove(uint32_t node);

  // Every node's number is below.
  uint32_t limit() const { return static_cast<uint32_t>(group_of_.size()); }
  bool Has(uint32_t node) const { return node < limit() && group_of_[node] != kNoGroup; }

  // kNoGroup: not there.
  uint32_t group_of(uint32_t node) const { return group_of_[node]; }
  // Also of a node that has been removed, until its number is used again.
  ZoneNumber zone_of(uint32_t node) const { return zone_of_[node]; }
  // Has the node's zone fetched into the cache.
  void Prefetch(uint32_t node) const { __builtin_prefetch(&zone_of_[node]); }
  // A pseudo-random number of the node's id: which of many equal nodes are rounded up.
  uint32_t phase_of(uint32_t node) const { return phase_of_[node]; }

  // Some may have come to have no nodes.
  std::span<const NodeGroup> groups() const { return groups_; }
  // Every zone's number is below; zones of old may have come to have no nodes.
  uint32_t zones() const { return static_cast<uint32_t>(zone_names_.size()); }
  // Some node has a zone.
  bool zoned() const;

 private:
  std::unordered_map<std::string, ZoneNumber> zone_names_;
  std::map<std::pair<ZoneNumber, uint32_t>, uint32_t> group_numbers_;
  std::vector<NodeGroup> groups_;
  std::vector<uint32_t> group_of_;   // by node
  std::vector<ZoneNumber> zone_of_;  // by node
  std::vector<uint32_t> phase_of_;   // by node
};

// The most replicas of one slot that a zone has to hold: the least c such that zones that hold at
// most c each can hold `replicas` distinct ones. 1 where there are as many domains as replicas.
uint32_t ReplicasPerZone(const NodeGroups& groups, uint32_t replicas);

}  // namespace ringkv
