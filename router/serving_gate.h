// Whether this router takes calls, and if not, why; counts those that it has taken, so that a stop
// can let them finish.
//
// Thread-safe. TryEnter costs one atomic addition and one load.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "ring/hash.h"

namespace ringkv {

// How keys are divided; fixed once the gate has opened for the first time.
struct SlotLayout {
  uint32_t slots = 0;
  uint32_t groups = 0;
  SlotId SlotOfKey(std::string_view key) const { return SlotOf(TokenOf(key), slots); }
};

class ServingGate {
 public:
  // From now on calls are taken. Does nothing once stopped.
  void Open(SlotLayout layout);
  // Calls are refused with this reason.
  void Close(std::string reason);
  // Likewise, for good.
  void Stop(std::string reason);

  // Counts `calls` as in flight if the gate is open; each is taken back by Leave.
  bool TryEnter(uint64_t calls);
  void Leave(uint64_t calls);

  bool open() const { return open_.load(std::memory_order_acquire); }
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  std::string why_closed() const;
  uint64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  // Valid once the gate has been open.
  const SlotLayout& layout() const { return layout_; }

  // After Close or Stop. False: some are still in flight after so long.
  bool WaitForNoneInFlight(Duration at_most);

 private:
  std::atomic<bool> open_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> in_flight_{0};
  SlotLayout layout_;  // written before open_ is set for the first time, never after
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::string reason_ = "starting";  // guarded by mutex_
};

}  // namespace ringkv
