#include "bench/path/operations.h"

#include <utility>

namespace ringkv::bench {

Operations::Operations(OpMix mix, KeySpace space, const std::atomic<bool>* interrupted)
    : mix_(std::move(mix)), space_(space), interrupted_(interrupted) {
  Random random(4711);
  bytes_.resize(space.value_bytes + (1 << 20));
  for (char& c : bytes_) c = static_cast<char>(random.Below(256));
}

std::optional<Operation> Operations::Next(Random& random) {
  if (ended_.load(std::memory_order_relaxed)) return std::nullopt;
  if (interrupted_ != nullptr && interrupted_->load(std::memory_order_relaxed)) return std::nullopt;
  const bool each_once = each_once_.load(std::memory_order_relaxed);
  Operation operation;
  operation.key =
      each_once ? next_key_.fetch_add(1, std::memory_order_relaxed) : random.Below(space_.keys);
  if (operation.key >= space_.keys) return std::nullopt;
  operation.key += space_.first;
  operation.read = !each_once && random.Chance(mix_.reads);
  if (!operation.read) {
    operation.value = std::string_view(bytes_).substr(
        random.Below(bytes_.size() - space_.value_bytes), space_.value_bytes);
  }
  return operation;
}

}  // namespace ringkv::bench
