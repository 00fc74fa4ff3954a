#include "ring/page_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace ringkv {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kCacheLineBytes = 64;

}  // namespace

void PageArena::Free::operator()(uint64_t* block) const { std::free(block); }

PageArena::PageArena(size_t words_per_page, size_t pages) : words_per_page_(words_per_page) {
  Grow(pages);
}

PageArena::~PageArena() {
  for (uint64_t* page : address_) {
    ASAN_UNPOISON_MEMORY_REGION(page, words_per_page_ * sizeof(uint64_t));
  }
}

void PageArena::Grow(size_t pages) {
  size_t bytes = pages * words_per_page_ * sizeof(uint64_t);
  const bool huge = bytes >= kHugePageBytes;
  const size_t alignment = huge ? kHugePageBytes : kCacheLineBytes;
  bytes = (bytes + alignment - 1) / alignment * alignment;
  auto* block = static_cast<uint64_t*>(std::aligned_alloc(alignment, bytes));
  RINGKV_CHECK(block != nullptr, "out of memory for a ring's table");
  blocks_.emplace_back(block);
  // Advice only: without huge pages the table works as well, and more slowly.
  if (huge) madvise(block, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < pages; ++i) {
    address_.push_back(block + i * words_per_page_);
    counts_.push_back(0);
    ASAN_POISON_MEMORY_REGION(address_.back(), words_per_page_ * sizeof(uint64_t));
  }
  // The lowest are taken first, so that a new table lies in one piece.
  for (size_t i = 0; i < pages; ++i) {
    free_.push_back(static_cast<uint32_t>(address_.size() - 1 - i));
  }
}

PageArena::Page PageArena::Take() {
  std::lock_guard lock(mutex_);
  // An eighth more at a time: few blocks, little waste.
  if (free_.empty()) Grow(std::max<size_t>(address_.size() / 8, 1));
  const uint32_t number = free_.back();
  free_.pop_back();
  counts_[number] = 1;
  ASAN_UNPOISON_MEMORY_REGION(address_[number], words_per_page_ * sizeof(uint64_t));
  return {address_[number], number};
}

void PageArena::Share(std::span<const uint32_t> numbers) {
  std::lock_guard lock(mutex_);
  for (uint32_t number : numbers) ++counts_[number];
}

void PageArena::Drop(std::span<const uint32_t> numbers) {
  std::lock_guard lock(mutex_);
  for (uint32_t number : numbers) {
    if (--counts_[number] > 0) continue;
    free_.push_back(number);
    ASAN_POISON_MEMORY_REGION(address_[number], words_per_page_ * sizeof(uint64_t));
  }
}

bool PageArena::IsOwn(uint32_t number) const {
  std::lock_guard lock(mutex_);
  return counts_[number] == 1;
}

}  // namespace ringkv
