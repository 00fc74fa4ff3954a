// UntakenAnswers: bytes of answers that wait for clients to take them, over all calls and streams
// of the router. Beyond the bound, what a read has found is dropped and the client is told to try
// again. Answers up to kSmallAnswerBytes are not judged: they are bounded by their number.
// Thread-safe; the bound may be passed by a few answers that come at the same time.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "ringkv/v1/kv.pb.h"

namespace ringkv {

class UntakenAnswers {
 public:
  static constexpr size_t kSmallAnswerBytes = 4096;

  explicit UntakenAnswers(size_t most) : most_(most) {}

  // One goes in any case.
  bool HasRoomFor(size_t bytes) const {
    const size_t waiting = this->bytes();
    return waiting == 0 || waiting + bytes <= most_;
  }
  void Add(size_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void Remove(size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  const size_t most_;
  std::atomic<size_t> bytes_{0};
};

// Bytes that the answer keeps waiting, if it can be dropped: of a get or a page of a scan. Else 0.
size_t DroppableBytes(const v1::OpResult& result);

// OVERLOADED in place of what was read. `cursor`: where a scan goes on, the one it came with.
void DropAnswer(const std::string& cursor, v1::OpResult* result);

}  // namespace ringkv
