// EtcdLoad: clients of etcd: unary calls, each connection a channel of its own to one of the
// members in turn. It runs on gRPC's threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "bench/path/clients_load.h"

namespace ringkv::bench {

class EtcdLoad final : public ClientsLoad {
 public:
  // A call that is not answered within `patience` has failed. One that failed is the last of its
  // place among those in flight.
  EtcdLoad(std::vector<std::string> members, LoadShape shape, OpMix mix, KeySpace space,
           const std::atomic<bool>* interrupted = nullptr,
           Duration patience = std::chrono::seconds(10));
  ~EtcdLoad() override;

 private:
  class Connection;

  std::vector<std::unique_ptr<LoadClient>> MakeClients() override;

  const std::vector<std::string> members_;
  const LoadShape shape_;
  const Duration patience_;
};

// A linearizable read of a key that need not be there: ok once the member answers it.
Status AskEtcd(const std::string& member);

}  // namespace ringkv::bench
