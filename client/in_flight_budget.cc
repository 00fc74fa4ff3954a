#include "client/in_flight_budget.h"

#include "base/check.h"

namespace ringkv {

bool InFlightBudget::Fits(size_t bytes) const {
  return calls_ < max_calls_ && (bytes_ + bytes <= max_bytes_ || calls_ == 0);
}

bool InFlightBudget::TryTake(size_t bytes) {
  std::lock_guard lock(mutex_);
  if (!Fits(bytes)) return false;
  ++calls_;
  bytes_ += bytes;
  return true;
}

bool InFlightBudget::Take(size_t bytes, Duration patience) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  const bool fits = freed_.wait_for(lock, patience, [&] { return Fits(bytes); });
  --waiting_;
  if (!fits) return false;
  ++calls_;
  bytes_ += bytes;
  return true;
}

void InFlightBudget::Give(size_t bytes) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    RINGKV_CHECK(calls_ > 0 && bytes_ >= bytes, "only what was taken is given back");
    --calls_;
    bytes_ -= bytes;
    wake = waiting_ > 0;
  }
  // All: the ones that wait may be of different sizes, and the first woken may not fit yet.
  if (wake) freed_.notify_all();
}

}  // namespace ringkv
