// What a simulated router's shard sends.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/sim_router_process.h"

namespace ringkv {

// Gathers what the shard sends during one event.
class SimCluster::Transport final : public NodeTransport {
 public:
  Transport(SimCluster& cluster, const Router& router)
      : cluster_(cluster), router_(router), outbox_(cluster.nodes_.size()) {}

  bool Send(Peer peer, const v1::ReplicaOp& op) override {
    cluster_.CheckSent(router_, op);
    cluster_.CheckFloor(op);
    auto& batch = outbox_[static_cast<size_t>(router_.NodeOf(peer))];
    if (batch == nullptr) batch = std::make_shared<v1::ReplicaBatch>();
    *batch->add_ops() = op;
    return true;
  }

  std::shared_ptr<v1::ReplicaBatch> Take(size_t node) { return std::move(outbox_[node]); }

 private:
  SimCluster& cluster_;
  const Router& router_;
  std::vector<std::shared_ptr<v1::ReplicaBatch>> outbox_;
};

}  // namespace ringkv
