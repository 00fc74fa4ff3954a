// One server of a load balancer (load_balancer.h), and a request that is in flight there.
//
// A ServerLease is a request: it was counted when it was made, and its end counts it as finished.
// It moves, also to another thread; its strings are good while it lasts, even if the server is
// unregistered meanwhile. Leases end before their balancer.
//
// Thread-safety: a server's functions from any thread; a lease belongs to one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.h"
#include "base/snapshot_publisher.h"
#include "ring/request_counts.h"

namespace ringkv {

enum class ServerState {
  kOnline,    // takes requests
  kOffline,   // does not answer: takes none
  kDraining,  // is to go: takes none, and finishes those that it has
};

std::string_view ServerStateName(ServerState state);

class BalancedServer {
 public:
  // `earlier`: requests that its number counted for others before.
  BalancedServer(NodeId id, std::string address, uint32_t weight, ServerNumber number,
                 uint64_t earlier)
      : id_(std::move(id)),
        address_(std::move(address)),
        number_(number),
        earlier_(earlier),
        weight_(weight) {}
  BalancedServer(const BalancedServer&) = delete;
  BalancedServer& operator=(const BalancedServer&) = delete;

  const NodeId& id() const { return id_; }
  const std::string& address() const { return address_; }
  ServerNumber number() const { return number_; }
  uint64_t earlier() const { return earlier_; }

  ServerState state() const { return state_.load(std::memory_order_relaxed); }
  void set_state(ServerState state) { state_.store(state, std::memory_order_relaxed); }
  uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
  void set_weight(uint32_t weight) { weight_.store(weight, std::memory_order_relaxed); }

  // Where loads are bounded: a place of so many is taken before the request is counted, so that no
  // two threads take the last one. False: there is none.
  bool TakePlaceBelow(uint64_t capacity) {
    uint64_t taken = taken_.load(std::memory_order_relaxed);
    while (taken < capacity) {
      if (taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void TakePlace() { taken_.fetch_add(1, std::memory_order_relaxed); }
  void GivePlaceBack() { taken_.fetch_sub(1, std::memory_order_relaxed); }
  uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  // Read by every look-up, hardly ever written.
  const NodeId id_;
  const std::string address_;
  const ServerNumber number_;
  const uint64_t earlier_;
  std::atomic<ServerState> state_{ServerState::kOnline};
  std::atomic<uint32_t> weight_;
  // Written by every look-up where loads are bounded.
  alignas(kCacheLineBytes) std::atomic<uint64_t> taken_{0};
};

// A server held by somebody who is to name it again: good after it is unregistered too.
using ServerRef = std::shared_ptr<BalancedServer>;

class [[nodiscard]] ServerLease {
 public:
  ServerLease() = default;  // of no server
  ServerLease(ServerLease&& other) noexcept { *this = std::move(other); }
  ServerLease& operator=(ServerLease&& other) noexcept {
    if (this == &other) return *this;
    End();
    server_ = std::exchange(other.server_, nullptr);
    stripe_ = other.stripe_;
    all_ = other.all_;
    return *this;
  }
  ~ServerLease() { End(); }

  // The request is finished. Once is enough; the end of the lease does it too.
  void End() {
    if (server_ == nullptr) return;
    BalancedServer* const server = std::exchange(server_, nullptr);
    const ServerNumber number = server->number();
    if (all_ != nullptr) {
      // In this order the sum is never more than the places taken: a bound errs to the strict side.
      all_->fetch_sub(1, std::memory_order_relaxed);
      server->GivePlaceBack();
    }
    stripe_->End(number);  // the last: after it the server may be gone
  }

  explicit operator bool() const { return server_ != nullptr; }
  // Need a server.
  const NodeId& id() const { return server_->id(); }
  const std::string& address() const { return server_->address(); }

 private:
  friend class LoadBalancer;
  // Counts it. `all`, where loads are bounded: the sum over all servers, and a place was taken.
  ServerLease(BalancedServer* server, RequestCounts::Stripe* stripe, std::atomic<uint64_t>* all)
      : server_(server), stripe_(stripe), all_(all) {
    stripe->Begin(server->number());
    if (all != nullptr) all->fetch_add(1, std::memory_order_relaxed);
  }

  BalancedServer* server_ = nullptr;
  RequestCounts::Stripe* stripe_ = nullptr;
  std::atomic<uint64_t>* all_ = nullptr;
};

}  // namespace ringkv
