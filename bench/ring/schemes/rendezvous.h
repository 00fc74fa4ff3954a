// Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
// 1998): every node's hash with the token is a bid, and the highest bids win. No table, nothing to
// balance, and a look-up asks every node. Plain, without weights. Thread-compatible.
#pragma once

#include <algorithm>
#include <vector>

#include "bench/ring/schemes/arithmetic.h"
#include "bench/ring/schemes/three_nodes.h"

namespace ringkv::bench {

class Rendezvous {
 public:
  explicit Rendezvous(uint32_t nodes) : next_node_(nodes) {
    for (uint32_t node = 0; node < nodes; ++node) nodes_.emplace_back(node);
  }

  NodeIndex Primary(Token token) const {
    uint64_t best = 0;
    NodeIndex winner = nodes_.front();
    for (NodeIndex node : nodes_) {
      const uint64_t bid = Bid(token, node);
      if (bid > best) {
        best = bid;
        winner = node;
      }
    }
    return winner;
  }

  // Needs three nodes.
  ThreeNodes Replicas(Token token) const {
    std::array<uint64_t, 3> bids{};  // in descending order
    ThreeNodes winners{};
    for (NodeIndex node : nodes_) {
      const uint64_t bid = Bid(token, node);
      if (bid <= bids.back()) continue;
      size_t place = bids.size() - 1;
      for (; place > 0 && bid > bids[place - 1]; --place) {
        bids[place] = bids[place - 1];
        winners[place] = winners[place - 1];
      }
      bids[place] = bid;
      winners[place] = node;
    }
    return winners;
  }

  NodeIndex Add() { return nodes_.emplace_back(next_node_++); }
  void Remove(NodeIndex node) { std::erase(nodes_, node); }

 private:
  static uint64_t Bid(Token token, NodeIndex node) { return Mix(token.value(), node.value()); }

  std::vector<NodeIndex> nodes_;
  uint32_t next_node_;
};

}  // namespace ringkv::bench
