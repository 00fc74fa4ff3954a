// Jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm",
// 2014): no table at all. A token jumps from bucket to bucket, each time to the one whose addition
// would have moved it, until past the end. Only the last bucket can leave, and none has a weight.
// Thread-compatible.
#pragma once

#include "base/check.h"
#include "base/ids.h"
#include "ring/ring.h"

namespace ringkv::bench {

class JumpHash {
 public:
  explicit JumpHash(uint32_t nodes) : nodes_(nodes) {}

  NodeIndex Primary(Token token) const {
    uint64_t state = token.value();
    int64_t bucket = 0;
    for (int64_t next = 0; next < nodes_;) {
      bucket = next;
      state = state * 2862933555777941757ULL + 1;
      const double unit = static_cast<double>((state >> 33) + 1) * 0x1.0p-31;  // (0, 1]
      next = static_cast<int64_t>(static_cast<double>(bucket + 1) / unit);
    }
    return NodeIndex(static_cast<uint32_t>(bucket));
  }

  NodeIndex Add() { return NodeIndex(nodes_++); }
  void Remove(NodeIndex node) {
    RINGKV_CHECK(node.value() + 1 == nodes_, "jump hash can only lose its last node");
    --nodes_;
  }

 private:
  uint32_t nodes_;
};

}  // namespace ringkv::bench
