#include "router/serving_gate.h"

#include "base/check.h"

namespace ringkv {

void ServingGate::Open(SlotLayout layout) {
  std::lock_guard lock(mutex_);
  if (stopped_.load(std::memory_order_relaxed)) return;
  if (layout_.slots == 0) layout_ = layout;
  RINGKV_CHECK(layout_.slots == layout.slots && layout_.groups == layout.groups,
               "the division of keys never changes");
  reason_.clear();
  open_.store(true, std::memory_order_seq_cst);
}

void ServingGate::Close(std::string reason) {
  std::lock_guard lock(mutex_);
  if (stopped_.load(std::memory_order_relaxed)) return;
  reason_ = std::move(reason);
  open_.store(false, std::memory_order_seq_cst);
}

void ServingGate::Stop(std::string reason) {
  Close(std::move(reason));
  stopped_.store(true, std::memory_order_release);
}

bool ServingGate::TryEnter(uint64_t calls) {
  // Counted first: whoever closes the gate and then finds nothing in flight can rely on it.
  in_flight_.fetch_add(calls, std::memory_order_seq_cst);
  if (open_.load(std::memory_order_seq_cst)) return true;
  Leave(calls);
  return false;
}

void ServingGate::Leave(uint64_t calls) {
  const uint64_t before = in_flight_.fetch_sub(calls, std::memory_order_seq_cst);
  if (before != calls || open_.load(std::memory_order_seq_cst)) return;
  std::lock_guard lock(mutex_);
  idle_.notify_all();
}

std::string ServingGate::why_closed() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

bool ServingGate::WaitForNoneInFlight(Duration at_most) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, at_most,
                        [this] { return in_flight_.load(std::memory_order_seq_cst) == 0; });
}

}  // namespace ringkv
