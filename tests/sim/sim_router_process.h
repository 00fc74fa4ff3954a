// One router process of the simulated cluster: whatever ends with it, and what stands between it
// and the rest.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "tests/sim/sim_cluster.h"

namespace ringkv {

struct SimCluster::Router {
  // As its connection to a node stands.
  struct Link {
    std::optional<Peer> peer;  // none: it does not know the node
    bool connected = false;
    Boot boot;  // of the process that it is connected to
    MonoTime since;
  };

  Router(uint64_t number, size_t nodes);
  ~Router();

  const uint64_t generation;  // processes so far, this one included
  std::vector<Link> links;    // by node
  std::vector<int> node_of_peer;
  int NodeOf(Peer peer) const { return node_of_peer.at(peer.value()); }

  std::set<int> cut_off;  // nodes that it cannot reach, nor they it
  bool paused = false;    // does nothing; what comes in waits
  bool metadata_away = false;
  std::deque<std::function<void(Router&)>> queued;  // while it is paused

  size_t scheduled_steps = 0;  // of operations that wait at the metadata store
  uint64_t seen_commits = 0;
  MonoTime timer_at = kNever;
  MonoTime lease_until;

  // The wall clock of its machine may be wrong.
  class SkewedClock final : public Clock {
   public:
    SkewedClock(const Clock& clock, std::chrono::milliseconds skew) : clock_(clock), skew_(skew) {}
    MonoTime Now() const override { return clock_.Now(); }
    uint64_t WallMillis() const override {
      return clock_.WallMillis() + static_cast<uint64_t>(skew_.count());
    }

   private:
    const Clock& clock_;
    const std::chrono::milliseconds skew_;
  };

  // What comes later uses what stands before it.
  std::unique_ptr<SkewedClock> clock;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<LoadBalancer> balancer;
  // Its way to the metadata. What is late there takes effect whatever becomes of the router.
  std::shared_ptr<SimulatedMetadata> store;
  std::unique_ptr<ServingGate> gate;
  std::unique_ptr<DataPlane> data;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<Membership> membership;
};

}  // namespace ringkv
