// The table that look-ups read: for each slot the nodes that hold it, packed, in pages that tables
// share.
//
// A row is one 64-bit word for up to three replicas (21 bits each, the primary lowest), two words
// up to six, three for seven: 8 bytes a slot up to RF 3, and one memory read for all of its
// replicas. Rows lie in pages, which a directory lists; a copy of a table shares both, and SetRow
// copies what it changes where somebody else still reads it. So a copy costs nothing, and changes
// of a huge table cost the pages that they touch and a copy of the directory (8 + 4 bytes a page).
// A table of up to kMostRowsOfOnePage is one page, which look-ups up to RF 3 find without the
// directory: there a change touches nearly every small page anyway.
//
// Memory comes in 2 MiB-aligned blocks from an arena that all copies share, and huge pages are
// asked for: a random read of a big table is dominated by the TLB otherwise.
//
// Thread-safety: const calls from any thread, also while copies are made, changed and destroyed in
// others; one table is changed by one thread at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"

namespace ringkv {

// A small number that a node keeps from its joining to its leaving (ring.h).
using NodeIndex = StrongId<struct NodeIndexTag, uint32_t>;

inline constexpr unsigned kNodeIndexBits = 21;
// The greatest that a row can hold stands for nobody.
inline constexpr uint32_t kNoNode = (uint32_t{1} << kNodeIndexBits) - 1;
inline constexpr uint32_t kMaxNodeIndexes = kNoNode;
inline constexpr unsigned kReplicasPerWord = 3;

constexpr uint32_t WordsPerRow(uint32_t replicas) {
  return (replicas + kReplicasPerWord - 1) / kReplicasPerWord;
}

// The nodes of one slot, the primary first: a value of a few words, unpacked as it is read.
class ReplicaRow {
 public:
  static constexpr uint32_t kMaxWords = WordsPerRow(kMaxReplicas);

  ReplicaRow() = default;
  explicit ReplicaRow(std::span<const NodeIndex> nodes)
      : size_(static_cast<uint32_t>(nodes.size())) {
    for (uint32_t i = 0; i < size_; ++i) Set(i, nodes[i]);
  }
  // `words`: WordsPerRow(size) of them.
  ReplicaRow(const uint64_t* words, uint32_t size) : size_(size) {
    words_[0] = words[0];
    if (size <= kReplicasPerWord) return;
    for (uint32_t i = 1; i < WordsPerRow(size); ++i) words_[i] = words[i];
  }

  uint32_t size() const { return size_; }
  NodeIndex operator[](uint32_t i) const {
    return NodeIndex(static_cast<uint32_t>(words_[i / kReplicasPerWord] >> Shift(i)) & kMask);
  }
  void Set(uint32_t i, NodeIndex node) {
    uint64_t& word = words_[i / kReplicasPerWord];
    word = (word & ~(uint64_t{kMask} << Shift(i))) | uint64_t{node.value()} << Shift(i);
  }
  bool Contains(NodeIndex node) const {
    for (uint32_t i = 0; i < size_; ++i) {
      if ((*this)[i] == node) return true;
    }
    return false;
  }
  // The same nodes with those at `a` and `b` exchanged.
  void Swap(uint32_t a, uint32_t b) {
    const NodeIndex node = (*this)[a];
    Set(a, (*this)[b]);
    Set(b, node);
  }
  uint64_t word(uint32_t i) const { return words_[i]; }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = NodeIndex;
    using difference_type = std::ptrdiff_t;
    using pointer = const NodeIndex*;
    using reference = NodeIndex;

    Iterator(const ReplicaRow* row, uint32_t place) : row_(row), place_(place) {}
    NodeIndex operator*() const { return (*row_)[place_]; }
    Iterator& operator++() { return ++place_, *this; }
    Iterator operator++(int) { return {row_, place_++}; }
    bool operator==(const Iterator& other) const { return place_ == other.place_; }

   private:
    const ReplicaRow* row_;
    uint32_t place_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size_}; }

  bool operator==(const ReplicaRow&) const = default;

 private:
  static constexpr uint32_t kMask = kNoNode;
  static constexpr unsigned Shift(uint32_t i) { return i % kReplicasPerWord * kNodeIndexBits; }

  std::array<uint64_t, kMaxWords> words_{};
  uint32_t size_ = 0;
};

class PageArena;

class SlotTable {
 public:
  static constexpr unsigned kRowsPerPageLog2 = 11;
  static constexpr uint32_t kRowsPerPage = uint32_t{1} << kRowsPerPageLog2;
  static constexpr unsigned kMostRowsOfOnePageLog2 = 17;
  static constexpr uint32_t kMostRowsOfOnePage = uint32_t{1} << kMostRowsOfOnePageLog2;

  SlotTable() = default;
  // All rows name index 0 throughout.
  SlotTable(uint32_t slots, uint32_t replicas);
  SlotTable(const SlotTable& other);
  SlotTable(SlotTable&& other) noexcept { Swap(other); }
  SlotTable& operator=(SlotTable other) noexcept { return Swap(other), *this; }
  ~SlotTable();

  uint32_t slots() const { return slots_; }
  uint32_t replicas() const { return replicas_; }

  // Needs slot < slots().
  ReplicaRow Row(SlotId slot) const { return {WordsOf(slot), replicas_}; }
  NodeIndex Primary(SlotId slot) const {
    return NodeIndex(static_cast<uint32_t>(FirstWordOf(slot)) & kNoNode);
  }

  // Needs row.size() == replicas().
  void SetRow(SlotId slot, const ReplicaRow& row);

  // Calls visit(slot) for the slots whose rows differ, in their order; shared pages cost nothing.
  // Needs tables of the same slots and replicas.
  template <class Visit>
  static void ForEachDifference(const SlotTable& a, const SlotTable& b, Visit visit);

  // Of the rows themselves, as if nothing were shared.
  size_t bytes() const { return size_t{slots_} * words_per_row_ * sizeof(uint64_t); }
  // Of the page directory, which every copy has for itself.
  size_t directory_bytes() const { return page_count() * (sizeof(Origin) + sizeof(uint32_t)); }

  // Of the rows (fingerprint.h); kept up to date, O(1).
  uint64_t fingerprint() const { return fingerprint_; }

  // The same rows.
  bool operator==(const SlotTable& other) const;

 private:
  // Where a page's row 0 would lie if all pages before it lay before it: a row is found from there
  // by its slot alone, without masking it. A number, for it is no address of ours.
  using Origin = uintptr_t;
  static uint64_t* At(Origin origin, size_t word) {
    return reinterpret_cast<uint64_t*>(origin + word * sizeof(uint64_t));
  }

  // In as few instructions as may be: the fewer, the more look-ups the processor overlaps. Both are
  // read before any branch, so that a compiler reads them once for a loop of look-ups; and what is
  // done with the words is done on each branch, so that address and read are one instruction.
  template <class Use>
  auto WithWords(SlotId slot, Use use) const {
    const uint64_t* const flat = flat_;
    const Origin* const paged = paged_;
    if (flat != nullptr) [[likely]] {
      return use(flat + slot.value());
    }
    if (paged != nullptr) [[likely]] {
      return use(At(paged[slot.value() >> kRowsPerPageLog2], slot.value()));
    }
    return use(At(origins_[slot.value() >> page_log2_], size_t{slot.value()} * words_per_row_));
  }
  const uint64_t* WordsOf(SlotId slot) const {
    return WithWords(slot, [](const uint64_t* words) { return words; });
  }
  uint64_t FirstWordOf(SlotId slot) const {
    return WithWords(slot, [](const uint64_t* words) { return *words; });
  }
  bool one_page() const { return slots_ <= kMostRowsOfOnePage; }
  uint32_t rows_per_page() const { return one_page() ? slots_ : kRowsPerPage; }
  size_t words_per_page() const { return size_t{rows_per_page()} * words_per_row_; }
  size_t page_count() const { return slots_ == 0 ? 0 : slots_ / rows_per_page(); }
  Origin OriginOf(const uint64_t* page, size_t index) const;
  uint64_t* PageAt(size_t index) const { return At(origins_[index], index * words_per_page()); }
  struct Directory;
  void Show(std::shared_ptr<Directory> directory);
  void Swap(SlotTable& other) noexcept;
  // Copies directory and page where somebody else still reads them.
  void MakeOwn(uint32_t index);

  uint32_t slots_ = 0;
  uint32_t replicas_ = 0;
  uint32_t words_per_row_ = 1;
  uint32_t page_log2_ = kMostRowsOfOnePageLog2;  // of rows that a page has or could have
  uint64_t fingerprint_ = 0;
  const Origin* origins_ = nullptr;  // of directory_, by page
  const uint64_t* flat_ = nullptr;   // the page, where there is one only and rows are of one word
  const Origin* paged_ = nullptr;    // origins_, where there are several and rows are of one word
  std::shared_ptr<Directory> directory_;
  // What SetRow has made its own is still ours alone unless a copy was made since, which a copy
  // tells, also one of several made at a time: the directory, and the page changed last.
  mutable std::atomic<bool> own_directory_ = false;
  mutable std::atomic<uint32_t> own_page_ = UINT32_MAX;
};

template <class Visit>
void SlotTable::ForEachDifference(const SlotTable& a, const SlotTable& b, Visit visit) {
  for (size_t page = 0; page < a.page_count(); ++page) {
    if (a.origins_[page] == b.origins_[page]) continue;
    const uint32_t first = static_cast<uint32_t>(page) * a.rows_per_page();
    const uint32_t end = first + a.rows_per_page();
    for (uint32_t slot = first; slot < end; ++slot) {
      if (a.Row(SlotId(slot)) != b.Row(SlotId(slot))) visit(SlotId(slot));
    }
  }
}

}  // namespace ringkv
