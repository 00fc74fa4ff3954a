// The exact search of a rebalancing: shortest augmenting paths. An edge a → b is a slot in which b
// can take a's place. Its length is the copies that this adds (-1, 0 or 1), or, for nothing, a
// share that is rounded up instead of another; among equal ones fewer hops win, which also keeps a
// path from using one slot twice. There are no negative cycles while the placement is optimal for
// what it has reached (direct hops are: no rounding gains fewer replicas in all than RoundShares'),
// and each augmentation keeps it so.
//
// One search, then what is found is applied; both look at every node and slot in reach. Works on
// the placement handed in, which nobody else may change meanwhile; deterministic.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "ring/placement.h"

namespace ringkv {

class PathSearch {
 public:
  explicit PathSearch(Placement& placement);

  // Distances from the givers, or from an empty place that must be filled in one slot. False: no
  // taker can be reached.
  bool Run(std::optional<uint32_t> must_fill = std::nullopt);

  // After Run. Augments along shortest paths, as many as there are, each by depth first search over
  // edges that lie on some; distances never shrink meanwhile, so that each is a shortest one when
  // it is used (Dinic's blocking flow). At least one is found.
  void Augment();

  // After Run(slot). The same for the empty place; one path.
  void Fill(uint32_t slot);

 private:
  static constexpr int64_t kFar = INT64_MAX / 2;
  static constexpr int64_t kCopy = int64_t{1} << 32;  // outweighs any number of hops

  struct Node {
    int64_t distance = kFar;
    bool queued = false;
    bool dead = false;  // leads to no taker any more
  };

  Node& At(uint32_t node) { return nodes_[node == kNoNode ? nodes_.size() - 1 : node]; }
  void Reach(uint32_t node, int64_t distance);
  void Expand(uint32_t node);
  std::vector<uint32_t> Everybody() const;
  // `hopeful`: whom a hop at full price would bring nearer, where the node costs no copy in the
  // slot and where it costs one. Those that it does leave the list.
  void ExpandAt(uint32_t node, uint32_t slot, int64_t here, std::vector<uint32_t> (&hopeful)[2]);
  // A shortest path from the node to a taker, applied from its end on. False: there is none.
  bool Descend(uint32_t node);
  bool DescendByRounding(uint32_t node);
  bool DescendBySlot(uint32_t node);
  bool DescendAt(uint32_t node, uint32_t slot, int64_t here);

  Placement& placement_;
  std::vector<Node> nodes_;  // nobody last
  std::deque<uint32_t> queue_;
  std::vector<uint32_t> givers_;
  int64_t nearest_ = kFar;
  std::map<int64_t, std::vector<uint32_t>> by_distance_;  // nodes on the way
};

}  // namespace ringkv
