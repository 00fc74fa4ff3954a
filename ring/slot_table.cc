#include "ring/slot_table.h"

#include <algorithm>

#include "base/check.h"
#include "ring/page_arena.h"

namespace ringkv {

SlotTable::SlotTable(uint32_t slots, uint32_t replicas)
    : slots_(slots), replicas_(replicas), words_per_row_(WordsPerRow(replicas)) {
  const size_t pages = (size_t{slots} + kRowsPerPage - 1) / kRowsPerPage;
  arena_ = std::make_shared<PageArena>(std::min(words_per_page(), size_t{slots} * words_per_row_),
                                       pages);
  for (size_t i = 0; i < pages; ++i) {
    const PageArena::Page page = arena_->Take();
    const size_t rows = std::min<size_t>(kRowsPerPage, slots - i * kRowsPerPage);
    std::fill_n(page.words, rows * words_per_row_, 0);
    pages_.push_back(page.words);
    page_numbers_.push_back(page.number);
  }
}

SlotTable::SlotTable(const SlotTable& other)
    : slots_(other.slots_),
      replicas_(other.replicas_),
      words_per_row_(other.words_per_row_),
      pages_(other.pages_),
      page_numbers_(other.page_numbers_),
      arena_(other.arena_) {
  if (arena_ != nullptr) arena_->Share(page_numbers_);
  other.own_page_.store(UINT32_MAX, std::memory_order_relaxed);
}

SlotTable::~SlotTable() {
  if (arena_ != nullptr) arena_->Drop(page_numbers_);
}

void SlotTable::Swap(SlotTable& other) noexcept {
  std::swap(slots_, other.slots_);
  std::swap(replicas_, other.replicas_);
  std::swap(words_per_row_, other.words_per_row_);
  pages_.swap(other.pages_);
  page_numbers_.swap(other.page_numbers_);
  arena_.swap(other.arena_);
  own_page_.store(UINT32_MAX, std::memory_order_relaxed);
  other.own_page_.store(UINT32_MAX, std::memory_order_relaxed);
}

void SlotTable::SetRow(SlotId slot, const ReplicaRow& row) {
  RINGKV_CHECK(slot.value() < slots_ && row.size() == replicas_, "no row of this table");
  const uint32_t index = slot.value() >> kRowsPerPageLog2;
  if (own_page_.load(std::memory_order_relaxed) != index) MakeOwn(index);
  uint64_t* words = pages_[index] + size_t{slot.value() & (kRowsPerPage - 1)} * words_per_row_;
  for (uint32_t i = 0; i < words_per_row_; ++i) words[i] = row.word(i);
}

void SlotTable::MakeOwn(uint32_t index) {
  if (!arena_->IsOwn(page_numbers_[index])) {
    const PageArena::Page copy = arena_->Take();
    const size_t rows = std::min<size_t>(kRowsPerPage, slots_ - size_t{index} * kRowsPerPage);
    std::copy_n(pages_[index], rows * words_per_row_, copy.words);
    arena_->Drop({&page_numbers_[index], 1});
    pages_[index] = copy.words;
    page_numbers_[index] = copy.number;
  }
  own_page_.store(index, std::memory_order_relaxed);
}

bool SlotTable::operator==(const SlotTable& other) const {
  if (slots_ != other.slots_ || replicas_ != other.replicas_) return false;
  for (size_t i = 0; i < pages_.size(); ++i) {
    const size_t rows = std::min<size_t>(kRowsPerPage, slots_ - i * kRowsPerPage);
    if (pages_[i] != other.pages_[i] &&
        !std::equal(pages_[i], pages_[i] + rows * words_per_row_, other.pages_[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace ringkv
