#include "ring/request_counts.h"

namespace ringkv {

RequestCounts::Stripe::~Stripe() {
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

RequestCounts::Stripe::Chunk* RequestCounts::Stripe::MakeChunk(ServerNumber server) {
  auto* chunk = new Chunk;
  PlaceOf(server).store(chunk, std::memory_order_release);
  return chunk;
}

RequestCounts::~RequestCounts() {
  Stripe* stripe = stripes_.load(std::memory_order_relaxed);
  while (stripe != nullptr) {
    Stripe* next = stripe->next_;
    delete stripe;
    stripe = next;
  }
}

RequestCounts::Stripe& RequestCounts::Claim() {
  std::lock_guard lock(mutex_);
  Stripe* head = stripes_.load(std::memory_order_relaxed);
  for (Stripe* stripe = head; stripe != nullptr; stripe = stripe->next_) {
    if (stripe->claimed_) continue;
    stripe->claimed_ = true;
    return *stripe;
  }
  auto* fresh = new Stripe;
  fresh->next_ = head;
  stripes_.store(fresh, std::memory_order_release);
  return *fresh;
}

void RequestCounts::Release(Stripe& stripe) {
  std::lock_guard lock(mutex_);
  stripe.claimed_ = false;
}

// Ends are read before beginnings: an end that is seen has its beginning seen too, so the
// difference is never negative, and what ends meanwhile still counts.
RequestCounts::Count RequestCounts::Of(ServerNumber server) const {
  Count count;
  const uint32_t at = server.value() % Stripe::kPerChunk;
  Stripe* const stripes = stripes_.load(std::memory_order_acquire);
  for (Stripe* stripe = stripes; stripe != nullptr; stripe = stripe->next_) {
    const Stripe::Chunk* chunk = stripe->PlaceOf(server).load(std::memory_order_acquire);
    if (chunk == nullptr) continue;
    count.ended += chunk->ended[at].load(std::memory_order_acquire);
    count.begun += chunk->begun[at].load(std::memory_order_acquire);
  }
  return count;
}

}  // namespace ringkv
