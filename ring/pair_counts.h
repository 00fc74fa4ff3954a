// How often any two nodes hold the same slot, and what one more or less would do to the evenness of
// that: the yardstick by which the planner chooses among placements that are equal otherwise, so
// that a dead node's load goes to all others alike.
//
// What is minimised is the sum over pairs of count² / (weight of a × weight of b), the weights
// being what the nodes are to hold. Whole numbers only. Thread-compatible. Memory: nodes² × 4 bytes
// up to kMaxNodes nodes; above it counts nothing, and every choice looks alike.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ringkv {

class PairCounts {
 public:
  static constexpr uint32_t kMaxNodes = 2048;

  // `expected`: what each node is to hold. Numbers from expected.size() up in a row are nobody.
  explicit PairCounts(std::span<const uint32_t> expected);

  bool counting() const { return !counts_.empty(); }

  // `node` enters or leaves a slot that the others in `row` hold; `node` itself in it is skipped.
  void Enter(std::span<const uint32_t> row, uint32_t node) { Change(row, node, 1); }
  void Leave(std::span<const uint32_t> row, uint32_t node) { Change(row, node, UINT32_MAX); }

  // How much the sum would grow if `leaving` were replaced by `entering`; either may be nobody.
  // Negative: the spread gets more even.
  int64_t ReplaceCost(std::span<const uint32_t> row, uint32_t leaving, uint32_t entering) const;

  // Whether `node` meets another in `row` on more slots than its fair part, by more than a tenth
  // and more than rounding explains, in a ring of `replicas` a slot.
  bool Crowded(std::span<const uint32_t> row, uint32_t node, uint32_t replicas) const;

  // Mean / expected of a node, in 1/256.
  int64_t lightness(uint32_t node) const { return lightness_[node]; }

 private:
  uint32_t at(uint32_t a, uint32_t b) const { return counts_[size_t{a} * nodes_ + b]; }
  void Change(std::span<const uint32_t> row, uint32_t node, uint32_t by);

  const uint32_t nodes_;
  uint64_t total_ = 0;  // of expected
  std::vector<uint32_t> expected_;
  std::vector<int64_t> lightness_;  // mean / expected, in 1/256, 1 to 65535
  std::vector<uint32_t> counts_;    // nodes_ × nodes_, symmetric; empty: too many nodes
};

}  // namespace ringkv
