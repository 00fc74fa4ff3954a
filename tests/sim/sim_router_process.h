// One router process of the simulated cluster: whatever ends with it, and what stands between it
// and the rest.
#pragma once

#include <algorithm>
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

  // The clocks of its machine: the monotonic one began at any time and runs at its own pace, the
  // wall clock may be wrong.
  class MachineClock final : public Clock {
   public:
    // `fast_ppm`: by how many microseconds a second it is too fast.
    MachineClock(const Clock& real, Duration start, int64_t fast_ppm,
                 std::chrono::milliseconds wall_skew)
        : real_(real), start_(start), fast_ppm_(fast_ppm), wall_skew_(wall_skew) {}
    MonoTime Now() const override { return Local(real_.Now()); }
    uint64_t WallMillis() const override {
      return real_.WallMillis() + static_cast<uint64_t>(wall_skew_.count());
    }
    void SetWallSkew(std::chrono::milliseconds skew) { wall_skew_ = skew; }

    // What it shows at a moment, and the first moment at which it shows that.
    MonoTime Local(MonoTime real) const {
      if (real == kNever) return kNever;
      return real + start_ + Duration(real.ns / 1'000'000 * fast_ppm_);
    }
    MonoTime Real(MonoTime local) const {
      if (local == kNever) return kNever;
      const Duration since = (local - start_) - MonoTime{};
      MonoTime real{since.count() / (1'000'000 + fast_ppm_) * 1'000'000};
      while (Local(real) < local) real = real + std::max(local - Local(real), Duration(1));
      return real;
    }

   private:
    const Clock& real_;
    const Duration start_;
    const int64_t fast_ppm_;
    std::chrono::milliseconds wall_skew_;
  };

  // What comes later uses what stands before it.
  std::unique_ptr<MachineClock> clock;
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
