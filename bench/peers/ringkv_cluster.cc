#include "bench/peers/ringkv_cluster.h"

#include <utility>

#include "bench/path/batch_load.h"

namespace ringkv::bench {

RingkvCluster::RingkvCluster(const PeerSurroundings& surroundings, const std::string& durability)
    : interrupted_(surroundings.interrupted),
      cluster_({.durability = durability,
                .log_directory = surroundings.logs,
                .group = ProcessGroup::kOwn}) {}

std::unique_ptr<Load> RingkvCluster::NewLoad(LoadShape shape, OpMix mix, KeySpace space) {
  return std::make_unique<BatchLoad>(cluster_.processes().router_address(), shape, std::move(mix),
                                     space, interrupted_);
}

}  // namespace ringkv::bench
