// HugePages: an allocator that puts large tables on 2 MiB pages where the kernel gives them
// (madvise), so that a random read costs a miss of the cache and not of the TLB too. For
// containers; stateless, thread-safe.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace ringkv::bench {

inline constexpr size_t kHugePageBytes = size_t{2} << 20;

template <class T>
struct HugePages {
  using value_type = T;

  HugePages() = default;
  template <class U>
  HugePages(const HugePages<U>&) {}  // NOLINT: containers rebind it

  T* allocate(size_t count) {
    const bool large = count * sizeof(T) >= kHugePageBytes;
    const size_t unit = large ? kHugePageBytes : size_t{64};  // a line of the cache
    const size_t bytes = (count * sizeof(T) + unit - 1) / unit * unit;
    void* memory = std::aligned_alloc(unit, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    if (large) madvise(memory, bytes, MADV_HUGEPAGE);  // advice: without it, small pages
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }

  bool operator==(const HugePages&) const = default;
};

template <class T>
using HugeTable = std::vector<T, HugePages<T>>;

}  // namespace ringkv::bench
