// The planner's worktable: the rows of a ring while they change, what they were before, and who
// holds what. It is kept from change to change, so that one costs what it touches.
//
// Nodes are the numbers of their NodeIndex; kNoNode stands for an empty place in a row, of which a
// row may have several. The one operation is Hop: in one row, one node takes the place of another.
// A hop keeps every row's length, no row ever holds a node twice, and none more of a zone than
// allowed.
//
// A change: BeginChange, any hops, reorderings and reroundings, then EndChange. Thread-compatible.
// Memory: 4 bytes a replica for the lists by node, some 60 bytes a node, and the pair counts; the
// rows are shared with the rings made of them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ring/node_groups.h"
#include "ring/node_targets.h"
#include "ring/pair_counts.h"
#include "ring/shares.h"
#include "ring/slot_table.h"

namespace ringkv {

class Placement {
 public:
  // `rows` name nodes below `limit`, or nobody.
  Placement(SlotTable rows, uint32_t limit);

  // What a change aims at. `groups` and `targets` must live until EndChange.
  struct Aim {
    const NodeGroups* groups = nullptr;
    NodeTargets* targets = nullptr;
    uint32_t replicas = 0;     // that a row is to have in the end; the rest is empty
    uint32_t per_zone = 1;     // replicas of a slot that one zone may hold
    uint32_t limit = 0;        // every node of before and after is below
    uint32_t about = kNoNode;  // the node that the change is about, if it is one
  };
  void BeginChange(const Aim& aim);

  // `left` was replaced by `entered` in the slot; either may be nobody.
  struct Replacement {
    uint32_t slot, left, entered;
  };
  // What BeginChange's rows and today's differ in, by slot, paired in the row's order. The
  // worktable is ready for the next change.
  std::vector<Replacement> EndChange();

  // Every node of the change is below. Says nothing of changes before.
  uint32_t limit() const { return aim_.limit; }
  uint32_t slots() const { return rows_.slots(); }
  uint32_t width() const { return rows_.replicas(); }
  const SlotTable& rows() const { return rows_; }
  const NodeGroups& groups() const { return *aim_.groups; }

  ReplicaRow Row(uint32_t slot) const { return rows_.Row(SlotId(slot)); }
  ReplicaRow RowBefore(uint32_t slot) const { return before_.Row(SlotId(slot)); }
  bool Holds(uint32_t slot, uint32_t node) const { return Row(slot).Contains(NodeIndex(node)); }
  bool HeldBefore(uint32_t slot, uint32_t node) const {
    return RowBefore(slot).Contains(NodeIndex(node));
  }
  // Who may take the place of `leaving` in a row; to be asked about many.
  class Vacancy {
   public:
    Vacancy(const Placement& placement, const ReplicaRow& row, uint32_t leaving);
    bool Admits(uint32_t entering, ZoneNumber zone) const {
      if (entering == kNoNode) return admits_nobody_;
      if (row_.Contains(NodeIndex(entering))) return false;
      if (zone == kOwnDomain) return true;
      uint32_t found = 0;
      for (uint32_t i = 0; i < zones_size_; ++i) found += zones_[i] == zone ? 1 : 0;
      return found < per_zone_;
    }

   private:
    const ReplicaRow row_;
    const uint32_t per_zone_;
    bool admits_nobody_;
    uint32_t zones_size_ = 0;
    std::array<ZoneNumber, kMaxReplicas> zones_;  // of those that stay
  };

  // Whether `entering` may take the place of `leaving`, which is in the row.
  bool CanReplace(const ReplicaRow& row, uint32_t leaving, uint32_t entering) const {
    return Vacancy(*this, row, leaving).Admits(entering, ZoneOf(entering));
  }
  bool CanReplace(uint32_t slot, uint32_t leaving, uint32_t entering) const {
    return CanReplace(Row(slot), leaving, entering);
  }
  ZoneNumber ZoneOf(uint32_t node) const {
    return node == kNoNode ? kOwnDomain : groups().zone_of(node);
  }
  // Nodes of `zone` in the row, `besides` not counted. 0 for kOwnDomain.
  uint32_t InZone(const ReplicaRow& row, ZoneNumber zone, uint32_t besides) const;
  uint32_t EmptyPlaces(const ReplicaRow& row) const;
  // How many a row is to have.
  uint32_t empty_places() const { return width() - aim_.replicas; }
  uint32_t per_zone() const { return aim_.per_zone; }

  // Replicas that have to be copied because `node` is in the row: 0 or 1.
  int CopiesFor(uint32_t slot, uint32_t node) const {
    return node != kNoNode && !HeldBefore(slot, node) ? 1 : 0;
  }

  // What each node still has to give (positive) or to take (negative).
  int64_t surplus(uint32_t node) const {
    if (node == kNoNode)
      return static_cast<int64_t>(empty_now_ - uint64_t{slots()} * empty_places());
    return int64_t{counts_[node]} - (*aim_.targets)[node];
  }
  uint32_t count(uint32_t node) const { return counts_[node]; }
  std::span<const uint32_t> counts() const { return counts_; }

  // As NodeTargets'.
  using Direction = NodeTargets::Direction;
  Direction rounding(uint32_t node) const { return aim_.targets->rounding(node); }
  void Reround(uint32_t up, uint32_t down);

  // Nodes whose count, target or primaries this change has touched, and whom it is about, by
  // number: whoever has a surplus is among them. Valid until the next hop or reordering.
  std::span<const uint32_t> TouchedNodes();

  // Slots that the node holds or has held, those from before the change first, by number; who asks
  // checks with Holds. May name one twice. For nobody: slots that have had empty places.
  const std::vector<uint32_t>& MaybeHeldBy(uint32_t node) const {
    return node == kNoNode ? empty_ : held_[node];
  }

  // Between these a change of an empty table fills places only (Hop with nobody leaving), and the
  // lists by node and slot are made at the end at once, which is much quicker.
  void BeginFilling();
  void EndFilling();

  // Nodes that have got slots in this change, by number.
  std::vector<uint32_t> Gainers() const;

  // Has what a hop reads of a node that enters fetched into the cache. Changes nothing.
  void Prefetch(uint32_t node) const {
    if (node == kNoNode) return;
    __builtin_prefetch(&counts_[node], 1);
    __builtin_prefetch(&primaries_[node], 1);
    groups().Prefetch(node);
  }

  // Needs Holds(slot, leaving) and CanReplace(slot, leaving, entering).
  void Hop(uint32_t slot, uint32_t leaving, uint32_t entering);
  // A node leaves the row, and an empty place stays, whatever empty_places says.
  void Evict(uint32_t slot, uint32_t leaving);

  // The slots of this change's hops so far, by number. Valid until the next hop.
  std::span<const uint32_t> TouchedSlots();

  // How the hop would change the evenness of the spread; negative is better.
  int64_t SpreadCost(uint32_t slot, uint32_t leaving, uint32_t entering) const {
    if (!pairs_.counting()) return 0;
    return pairs_.ReplaceCost(Row(slot), leaving, entering);
  }
  const PairCounts& pairs() const { return pairs_; }

  // Puts empty places last in the row; the order of the others stays.
  void PackRow(uint32_t slot);

  // Puts the row's `place` first; it moves no data.
  void MakeFirst(uint32_t slot, uint32_t place);

  // Slots that the node is first of; empty places first count for nobody.
  uint32_t primaries(uint32_t node) const { return primaries_[node]; }

  // The most replicas that any row has in one zone of `groups`. O(slots × RF).
  uint32_t MostInOneZone(const NodeGroups& groups) const;

  size_t bytes() const;

 private:
  void CountPairs();
  void ListSlots();
  void Touch(uint32_t node) {
    if (is_touched_[node]) return;
    is_touched_[node] = true;
    touched_nodes_.push_back(node);
  }
  void Replace(uint32_t slot, uint32_t leaving, uint32_t entering);
  // Brings the lists of what nodes hold up to date.
  void SettleLists(std::span<const Replacement> replacements);
  void Settle(uint32_t node, std::span<const uint32_t> lost, std::span<const uint32_t> gained);

  SlotTable rows_;
  SlotTable before_;  // while a change is on; shares its pages with the ring's
  Aim aim_;
  uint64_t empty_now_ = 0;  // places in all rows
  bool filling_ = false;
  std::vector<uint32_t> counts_;             // by node
  std::vector<uint32_t> primaries_;          // by node
  std::vector<std::vector<uint32_t>> held_;  // by node; sorted between changes
  std::vector<uint32_t> empty_;
  std::vector<uint32_t> touched_;  // slots
  std::vector<uint32_t> touched_nodes_;
  std::vector<bool> is_touched_;  // by node
  // Length of a node's list before the change, where it has gained slots; else kUnchanged.
  std::vector<uint32_t> held_before_;
  std::vector<uint32_t> gainers_;  // of this change
  PairCounts pairs_;
};

}  // namespace ringkv
