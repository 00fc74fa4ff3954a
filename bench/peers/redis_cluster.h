// Redis Cluster of three masters and a replica of each, with an append-only file that is synced
// every second; everything else as it is by default, but that there are no snapshots beside the
// append-only file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/peers/peer_system.h"
#include "bench/peers/redis_client.h"
#include "tests/processes/server_process.h"

namespace ringkv::bench {

class RedisCluster final : public PeerSystem {
 public:
  // `wait_for_replicas`: see RedisTarget.
  RedisCluster(PeerSurroundings surroundings, int wait_for_replicas);

  Status Start() override;
  std::unique_ptr<Load> NewLoad(LoadShape shape, OpMix mix, KeySpace space) override;
  ProcessGroups Processes() override;

 private:
  struct Server {
    std::string address;
    std::string port;
    std::string bus_port;
    std::unique_ptr<ServerProcess> process;
  };

  Status AddServer();
  Status Form();
  // The reply, or what is wrong at which server.
  Result<std::string> Call(const Server& server, std::initializer_list<std::string_view> words);
  Status ExpectField(const Server& server, std::initializer_list<std::string_view> command,
                     const std::string& field, const std::string& value);
  Status WaitField(const Server& server, std::initializer_list<std::string_view> command,
                   const std::string& field, const std::string& value);

  const PeerSurroundings surroundings_;
  const int wait_for_replicas_;
  std::vector<Server> servers_;  // the masters first
};

}  // namespace ringkv::bench
