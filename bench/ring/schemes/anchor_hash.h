// AnchorHash (Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda, "AnchorHash: A Scalable
// Consistent Hash", 2020; the in-place variant of its section 4): buckets up to a fixed capacity,
// of which some work. A token that falls on one that left is hashed again among those that worked
// when it left, so that nothing else moves. No weights. Thread-compatible.
#pragma once

#include <vector>

#include "base/ids.h"
#include "bench/ring/schemes/arithmetic.h"
#include "bench/ring/schemes/huge_pages.h"
#include "ring/ring.h"

namespace ringkv::bench {

class AnchorHash {
 public:
  // `capacity`: the nodes there can ever be at once; at least `nodes`.
  AnchorHash(uint32_t nodes, uint32_t capacity);

  NodeIndex Primary(Token token) const {
    auto bucket = static_cast<uint32_t>(BinOf(token.value(), buckets_.size()));
    while (const uint32_t left_among = buckets_[bucket].left_among) {
      auto other = static_cast<uint32_t>(BinOf(Mix(token.value(), bucket), left_among));
      // One that left before `bucket` was not there to choose: who took its place then?
      while (buckets_[other].left_among >= left_among) other = buckets_[other].successor;
      bucket = other;
    }
    return NodeIndex(bucket);
  }

  NodeIndex Add();              // needs room
  void Remove(NodeIndex node);  // needs another node

 private:
  struct Bucket {
    uint32_t left_among;  // how many worked after it left; 0: it works
    uint32_t successor;   // who stood in its place after it left; itself while it works
  };

  uint32_t working_;
  HugeTable<Bucket> buckets_;
  std::vector<uint32_t> at_;     // by place: the bucket that stands there, as far as they work
  std::vector<uint32_t> place_;  // by bucket: its latest place
  std::vector<uint32_t> left_;   // a stack: the last to leave is the first to come back
};

}  // namespace ringkv::bench
