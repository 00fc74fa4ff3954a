// Three members of etcd, everything as it is by default.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/peers/peer_system.h"
#include "tests/processes/server_process.h"

namespace ringkv::bench {

class EtcdCluster final : public PeerSystem {
 public:
  explicit EtcdCluster(PeerSurroundings surroundings);

  Status Start() override;
  std::unique_ptr<Load> NewLoad(LoadShape shape, OpMix mix, KeySpace space) override;
  ProcessGroups Processes() override;

 private:
  struct Member {
    std::string address;
    std::unique_ptr<ServerProcess> process;
  };

  Status Ask(const Member& member);

  const PeerSurroundings surroundings_;
  std::vector<Member> members_;
};

}  // namespace ringkv::bench
