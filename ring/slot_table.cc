#include "ring/slot_table.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "ring/fingerprint.h"
#include "ring/page_arena.h"

namespace ringkv {

namespace {

constexpr size_t kLineWords = 8;

// A page that is taken again mostly shows an earlier version of the same rows, which readers may
// still have in their caches. Only the lines that differ are written: the others stay there.
void CopyPage(const uint64_t* from, size_t words, uint64_t* to) {
  size_t at = 0;
  for (; at + kLineWords <= words; at += kLineWords) {
    if (std::memcmp(to + at, from + at, kLineWords * sizeof(uint64_t)) == 0) continue;
    std::copy_n(from + at, kLineWords, to + at);
  }
  std::copy(from + at, from + words, to + at);
}

}  // namespace

// A list of pages of one arena, each counted once for it there.
struct SlotTable::Directory {
  explicit Directory(std::shared_ptr<PageArena> source) : arena(std::move(source)) {}
  Directory(const Directory& other)
      : arena(other.arena), origins(other.origins), numbers(other.numbers) {
    arena->Share(numbers);
  }
  Directory& operator=(const Directory&) = delete;
  ~Directory() { arena->Drop(numbers); }

  std::shared_ptr<PageArena> arena;
  std::vector<Origin> origins;    // by page
  std::vector<uint32_t> numbers;  // of pages, as the arena counts them
};

SlotTable::SlotTable(uint32_t slots, uint32_t replicas)
    : slots_(slots),
      replicas_(replicas),
      words_per_row_(WordsPerRow(replicas)),
      page_log2_(one_page() ? kMostRowsOfOnePageLog2 : kRowsPerPageLog2) {
  RINGKV_CHECK(slots % rows_per_page() == 0, "slots are a power of two");
  auto directory =
      std::make_shared<Directory>(std::make_shared<PageArena>(words_per_page(), page_count()));
  for (size_t i = 0; i < page_count(); ++i) {
    const PageArena::Page page = directory->arena->Take();
    std::fill_n(page.words, words_per_page(), 0);
    directory->origins.push_back(OriginOf(page.words, i));
    directory->numbers.push_back(page.number);
  }
  Show(std::move(directory));
  own_directory_.store(true, std::memory_order_relaxed);
}

SlotTable::SlotTable(const SlotTable& other)
    : slots_(other.slots_),
      replicas_(other.replicas_),
      words_per_row_(other.words_per_row_),
      page_log2_(other.page_log2_),
      fingerprint_(other.fingerprint_),
      origins_(other.origins_),
      flat_(other.flat_),
      paged_(other.paged_),
      directory_(other.directory_) {
  other.own_directory_.store(false, std::memory_order_relaxed);
  other.own_page_.store(UINT32_MAX, std::memory_order_relaxed);
}

SlotTable::~SlotTable() = default;

SlotTable::Origin SlotTable::OriginOf(const uint64_t* page, size_t index) const {
  return reinterpret_cast<Origin>(page) - index * words_per_page() * sizeof(uint64_t);
}

void SlotTable::Show(std::shared_ptr<Directory> directory) {
  directory_ = std::move(directory);
  origins_ = directory_->origins.data();
  flat_ = one_page() && words_per_row_ == 1 ? PageAt(0) : nullptr;
  paged_ = !one_page() && words_per_row_ == 1 ? origins_ : nullptr;
}

void SlotTable::Swap(SlotTable& other) noexcept {
  std::swap(slots_, other.slots_);
  std::swap(replicas_, other.replicas_);
  std::swap(words_per_row_, other.words_per_row_);
  std::swap(page_log2_, other.page_log2_);
  std::swap(fingerprint_, other.fingerprint_);
  std::swap(origins_, other.origins_);
  std::swap(flat_, other.flat_);
  std::swap(paged_, other.paged_);
  directory_.swap(other.directory_);
  const bool own = own_directory_.load(std::memory_order_relaxed);
  own_directory_.store(other.own_directory_.load(std::memory_order_relaxed),
                       std::memory_order_relaxed);
  other.own_directory_.store(own, std::memory_order_relaxed);
  own_page_.store(UINT32_MAX, std::memory_order_relaxed);
  other.own_page_.store(UINT32_MAX, std::memory_order_relaxed);
}

void SlotTable::SetRow(SlotId slot, const ReplicaRow& row) {
  RINGKV_CHECK(slot.value() < slots_ && row.size() == replicas_, "no row of this table");
  const uint32_t index = slot.value() >> page_log2_;
  if (own_page_.load(std::memory_order_relaxed) != index) MakeOwn(index);
  uint64_t* words = At(origins_[index], size_t{slot.value()} * words_per_row_);
  const uint64_t place = uint64_t{slot.value()} * words_per_row_;
  for (uint32_t i = 0; i < words_per_row_; ++i) {
    const uint64_t word = row.word(i);
    fingerprint_ += EntryFingerprint(place + i, word) - EntryFingerprint(place + i, words[i]);
    words[i] = word;
  }
}

void SlotTable::MakeOwn(uint32_t index) {
  if (!own_directory_.load(std::memory_order_relaxed)) {
    Show(std::make_shared<Directory>(*directory_));
    own_directory_.store(true, std::memory_order_relaxed);
  }
  uint32_t& number = directory_->numbers[index];
  if (!directory_->arena->IsOwn(number)) {
    const PageArena::Page copy = directory_->arena->Take();
    CopyPage(PageAt(index), words_per_page(), copy.words);
    directory_->arena->Drop({&number, 1});
    directory_->origins[index] = OriginOf(copy.words, index);
    number = copy.number;
    if (flat_ != nullptr) flat_ = copy.words;
  }
  own_page_.store(index, std::memory_order_relaxed);
}

bool SlotTable::operator==(const SlotTable& other) const {
  if (slots_ != other.slots_ || replicas_ != other.replicas_) return false;
  if (fingerprint_ != other.fingerprint_) return false;
  for (size_t i = 0; i < page_count(); ++i) {
    if (origins_[i] != other.origins_[i] &&
        !std::equal(PageAt(i), PageAt(i) + words_per_page(), other.PageAt(i))) {
      return false;
    }
  }
  return true;
}

}  // namespace ringkv
