// Our own cluster: three nodes and a router.
#pragma once

#include <memory>
#include <string>

#include "bench/cluster/bench_cluster.h"
#include "bench/peers/peer_system.h"

namespace ringkv::bench {

class RingkvCluster final : public PeerSystem {
 public:
  RingkvCluster(const PeerSurroundings& surroundings, const std::string& durability);

  Status Start() override { return cluster_.Start(); }
  std::unique_ptr<Load> NewLoad(LoadShape shape, OpMix mix, KeySpace space) override;
  ProcessGroups Processes() override { return cluster_.ProcessGroups(); }

 private:
  const std::atomic<bool>* const interrupted_;
  BenchCluster cluster_;
};

}  // namespace ringkv::bench
