// Requests begun and ended, by server, counted by many threads without contention: each thread has
// a stripe of counters of its own, and a count is the sum over the stripes.
//
// A stripe's owner counts what begins by plain stores; any thread may count an end on the stripe
// where the request began, by one atomic add. A sum costs O(stripes) and is exact when nothing is
// under way. Memory: 16 bytes for each server that a stripe ever counted for, in chunks of 1024
// servers, kept as long as the counts; 16 KiB a stripe.
//
// Thread-safety: Stripe::Begin by the owner of the stripe; everything else from any thread. Claim
// and Release take a mutex.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/ids.h"
#include "base/snapshot_publisher.h"
#include "ring/slot_table.h"

namespace ringkv {

// A server's place among the counters.
using ServerNumber = StrongId<struct ServerNumberTag, uint32_t>;

class RequestCounts {
 public:
  static constexpr uint32_t kMaxServers = kMaxNodeIndexes;

  class Stripe {
   public:
    void Begin(ServerNumber server) {
      Chunk* chunk = PlaceOf(server).load(std::memory_order_relaxed);
      if (chunk == nullptr) [[unlikely]]
        chunk = MakeChunk(server);
      AddOwn(chunk->begun[server.value() % kPerChunk]);
    }
    // Of a request that began here. Who sees it counted sees all that came before it.
    void End(ServerNumber server) {
      Chunk* chunk = PlaceOf(server).load(std::memory_order_acquire);
      chunk->ended[server.value() % kPerChunk].fetch_add(1, std::memory_order_release);
    }

   private:
    friend class RequestCounts;
    static constexpr uint32_t kPerChunk = 1024;
    struct Chunk {
      // Apart: what begins here may end on other threads.
      alignas(kCacheLineBytes) std::array<std::atomic<uint64_t>, kPerChunk> begun{};
      alignas(kCacheLineBytes) std::array<std::atomic<uint64_t>, kPerChunk> ended{};
    };

    Stripe() = default;
    ~Stripe();
    // By the owner, the only one who writes it.
    static void AddOwn(std::atomic<uint64_t>& count) {
      count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    std::atomic<Chunk*>& PlaceOf(ServerNumber server) {
      return chunks_[server.value() / kPerChunk];
    }
    Chunk* MakeChunk(ServerNumber server);

    Stripe* next_ = nullptr;  // constant once the stripe is in the list
    bool claimed_ = true;     // guarded by RequestCounts::mutex_
    // Made by the owner when first needed.
    std::array<std::atomic<Chunk*>, kMaxServers / kPerChunk> chunks_{};
  };

  struct Count {
    uint64_t begun = 0;
    uint64_t ended = 0;
    uint64_t in_flight() const { return begun - ended; }
  };

  RequestCounts() = default;
  ~RequestCounts();
  RequestCounts(const RequestCounts&) = delete;
  RequestCounts& operator=(const RequestCounts&) = delete;

  // A stripe for the caller alone, until it is released. Requests counted there may still be in
  // flight then.
  Stripe& Claim();
  void Release(Stripe& stripe);

  // Of one server. In flight: never too few of those begun before the call.
  Count Of(ServerNumber server) const;

 private:
  std::atomic<Stripe*> stripes_{nullptr};  // grows at the head; never freed before this ends
  std::mutex mutex_;                       // guards what is claimed
};

}  // namespace ringkv
