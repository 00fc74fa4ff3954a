// Maglev's table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// 2016, section 3.4): each node has a pseudo-random preference list of the table's entries, and the
// nodes take turns to claim the next free entry on theirs. Even within one entry; a change builds
// the table anew and moves more than it must. Thread-compatible.
#pragma once

#include <vector>

#include "bench/ring/schemes/arcs.h"
#include "bench/ring/schemes/arithmetic.h"
#include "bench/ring/schemes/huge_pages.h"

namespace ringkv::bench {

class Maglev {
 public:
  // `entries`: a prime, at least the nodes.
  Maglev(uint32_t nodes, uint32_t entries);

  NodeIndex Primary(Token token) const { return entries_[BinOf(token.value(), entries_.size())]; }

  NodeIndex Add();
  void Remove(NodeIndex node);
  Arcs OwnedArcs() const;

 private:
  void Fill();

  std::vector<NodeIndex> nodes_;
  uint32_t next_node_;
  HugeTable<NodeIndex> entries_;
};

// The smallest prime from `number` on.
uint32_t PrimeFrom(uint32_t number);

}  // namespace ringkv::bench
