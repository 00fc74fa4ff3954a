// Node indexes in the order of the nodes' ids: a sorted list in chunks that copies share, so that a
// change of a million nodes copies one chunk and a list of some thousand pointers.
//
// Thread-safety: as of a standard container, copies being independent of each other.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <vector>

#include "ring/slot_table.h"

namespace ringkv {

class IdOrder {
 public:
  IdOrder() = default;
  explicit IdOrder(const std::vector<NodeIndex>& nodes);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Needs place < size(). O(log size).
  NodeIndex operator[](size_t place) const;
  // Needs !empty().
  NodeIndex back() const { return chunks_.back()->back(); }

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = NodeIndex;
    using difference_type = std::ptrdiff_t;
    using pointer = const NodeIndex*;
    using reference = NodeIndex;

    Iterator() = default;
    Iterator(const IdOrder* order, size_t chunk) : order_(order), chunk_(chunk) {}
    NodeIndex operator*() const { return (*order_->chunks_[chunk_])[place_]; }
    Iterator& operator++() {
      if (++place_ == order_->chunks_[chunk_]->size()) {
        ++chunk_;
        place_ = 0;
      }
      return *this;
    }
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const IdOrder* order_ = nullptr;
    size_t chunk_ = 0;
    size_t place_ = 0;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, chunks_.size()}; }

  // Where a node would stand: before the first of which `before(node)` does not hold. Needs nodes
  // of which it holds first and of which it does not after them.
  struct Place {
    size_t chunk = 0;
    size_t offset = 0;
  };
  template <class Before>
  Place Search(Before before) const;
  // Whether a node stands there.
  bool Holds(Place place) const { return place.chunk < chunks_.size(); }
  // Needs Holds(place).
  NodeIndex At(Place place) const { return (*chunks_[place.chunk])[place.offset]; }

  // Before the node that stands there, if one does, else last.
  void Insert(Place place, NodeIndex node);
  // Needs Holds(place).
  void Erase(Place place);

 private:
  static constexpr size_t kChunk = 512;  // nodes; a full chunk of twice as many is split
  using Chunk = std::vector<NodeIndex>;

  void CountStarts();

  std::vector<std::shared_ptr<const Chunk>> chunks_;  // none is empty
  std::vector<size_t> starts_;                        // places of their first nodes
  size_t size_ = 0;
};

template <class Before>
IdOrder::Place IdOrder::Search(Before before) const {
  // The first chunk whose last node is not before.
  size_t low = 0, high = chunks_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (before(chunks_[middle]->back())) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == chunks_.size()) return {low, 0};
  const Chunk& chunk = *chunks_[low];
  size_t first = 0, last = chunk.size() - 1;
  while (first < last) {
    const size_t middle = (first + last) / 2;
    if (before(chunk[middle])) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return {low, first};
}

}  // namespace ringkv
