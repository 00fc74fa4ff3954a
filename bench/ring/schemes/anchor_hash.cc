#include "bench/ring/schemes/anchor_hash.h"

#include "base/check.h"

namespace ringkv::bench {

AnchorHash::AnchorHash(uint32_t nodes, uint32_t capacity)
    : working_(capacity), buckets_(capacity), at_(capacity), place_(capacity) {
  for (uint32_t bucket = 0; bucket < capacity; ++bucket) {
    buckets_[bucket] = {0, bucket};
    at_[bucket] = place_[bucket] = bucket;
  }
  while (working_ > nodes) Remove(NodeIndex(working_ - 1));
}

NodeIndex AnchorHash::Add() {
  RINGKV_CHECK(!left_.empty(), "no bucket is left for another node");
  const uint32_t bucket = left_.back();
  left_.pop_back();
  buckets_[bucket] = {0, bucket};
  place_[at_[working_]] = working_;
  at_[place_[bucket]] = bucket;
  ++working_;
  return NodeIndex(bucket);
}

void AnchorHash::Remove(NodeIndex node) {
  RINGKV_CHECK(working_ > 1, "the last node cannot leave");
  const uint32_t bucket = node.value();
  --working_;
  const uint32_t last = at_[working_];
  at_[place_[bucket]] = last;
  place_[last] = place_[bucket];
  buckets_[bucket] = {working_, last};
  left_.push_back(bucket);
}

}  // namespace ringkv::bench
