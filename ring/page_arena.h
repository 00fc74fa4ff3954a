// Pages of 64-bit words, all of one size, each counted by the tables that show it (slot_table.h).
//
// The counts lie side by side, apart from the pages: to share or drop a whole table walks one small
// array instead of touching every page. Blocks of pages are never given back before the arena ends;
// what the next version of a ring needs is what the last one dropped.
//
// Thread-safe: a mutex guards counts and free list; nobody takes it to read a page. Under
// AddressSanitizer a page that nobody shows is poisoned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace ringkv {

class PageArena {
 public:
  // Room for `pages` at once; more is found when needed.
  PageArena(size_t words_per_page, size_t pages);
  ~PageArena();
  PageArena(const PageArena&) = delete;
  PageArena& operator=(const PageArena&) = delete;

  struct Page {
    uint64_t* words = nullptr;
    uint32_t number = 0;
  };

  // A page counted once; its words are whatever they were.
  Page Take();
  // Counts each once more.
  void Share(std::span<const uint32_t> numbers);
  // Counts each once less; what nobody counts any more is free.
  void Drop(std::span<const uint32_t> numbers);
  // Nobody but the caller counts it.
  bool IsOwn(uint32_t number) const;

 private:
  struct Free {
    void operator()(uint64_t* block) const;
  };

  void Grow(size_t pages);

  const size_t words_per_page_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<std::unique_ptr<uint64_t[], Free>> blocks_;
  std::vector<uint64_t*> address_;  // by page number
  std::vector<uint32_t> counts_;    // by page number
  std::vector<uint32_t> free_;      // page numbers
};

}  // namespace ringkv
