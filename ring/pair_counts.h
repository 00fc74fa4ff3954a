// How often any two nodes hold the same slot, and what one more or less would do to the evenness of
// that: the yardstick by which the planner chooses among placements that are equal otherwise, so
// that a dead node's load goes to all others alike.
//
// What is minimised is the sum over pairs of count² / what is fair: in proportion to what both are
// to hold, and, with zones, to how often their zones should meet (fair_meetings.h; not with more
// than kMaxZones). Costs are whole numbers. Thread-compatible. Memory: 4 bytes a pair
// up to kMaxNodes nodes; above it nothing is counted, and every choice looks alike: there two nodes
// meet so seldom that choosing at random spreads as well.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/fair_meetings.h"
#include "ring/node_groups.h"
#include "ring/slot_table.h"

namespace ringkv {

class PairCounts {
 public:
  static constexpr uint32_t kMaxNodes = 2048;

  static constexpr uint32_t kMaxZones = 64;

  static constexpr bool Counts(uint32_t limit) { return limit <= kMaxNodes; }

  // Room for node numbers below `limit` and some more; nothing is counted yet.
  explicit PairCounts(uint32_t limit);

  bool counting() const { return Counts(nodes_); }
  // Node numbers that there is room for are below.
  uint32_t limit() const { return nodes_; }
  size_t bytes() const;

  // What each node is to hold, by number, to be kept alive by the caller: `replicas` a slot, at
  // most `per_zone` of them in one zone.
  void SetExpected(std::span<const uint32_t> expected, const NodeGroups& groups, uint32_t replicas,
                   uint32_t per_zone);

  // `node` enters or leaves a slot that the others in `row` hold; `node` itself in it is skipped.
  void Enter(const ReplicaRow& row, uint32_t node) {
    if (counting()) Change(row, node, 1);
  }
  void Leave(const ReplicaRow& row, uint32_t node) {
    if (counting()) Change(row, node, UINT32_MAX);
  }

  // How much the sum would grow if `leaving` were replaced by `entering`; either may be nobody.
  // Negative: the spread gets more even.
  int64_t ReplaceCost(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const {
    if (!counting()) return 0;
    return by_domain_ ? CostByDomain(row, leaving, entering) : CountedCost(row, leaving, entering);
  }

  // Whether `node` meets another in `row` on more slots than its fair part, by more than a tenth
  // and more than rounding explains, in a ring of `replicas` a slot.
  bool Crowded(const ReplicaRow& row, uint32_t node, uint32_t replicas) const;

  // Mean / expected of a node, in 1/256. Needs counting().
  int64_t lightness(uint32_t node) const { return lightness_[node]; }

 private:
  uint32_t at(uint32_t a, uint32_t b) const { return counts_[size_t{a} * nodes_ + b]; }
  void Change(const ReplicaRow& row, uint32_t node, uint32_t by);
  int64_t CountedCost(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const;
  int64_t CostByDomain(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const;
  bool CrowdedByDomain(const ReplicaRow& row, uint32_t node) const;
  void SetRarities(uint32_t replicas);

  uint32_t nodes_;
  uint64_t total_ = 0;  // of expected_
  std::span<const uint32_t> expected_;
  bool by_domain_ = false;  // what is fair depends on zones
  FairMeetings fair_;       // where by_domain_
  // Where by_domain_, by domain × domain: how seldom their nodes should meet for what they hold,
  // against a ring without zones, in 1/16.
  std::vector<int64_t> rarities_;
  std::vector<int64_t> lightness_;  // mean / expected, in 1/256, 1 to 65535
  std::vector<uint32_t> counts_;    // nodes_ × nodes_, symmetric; empty: too many nodes
};

}  // namespace ringkv
