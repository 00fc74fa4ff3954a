// BatchLoad: clients without a client library: streams of batches (Kv.Batch), each on a TCP
// connection of its own with a fixed number of operations in flight. What is answered together is
// followed by as many new operations together. It runs on gRPC's threads. Failures are told apart
// by code and outcome, such as "overloaded, not applied"; "broken" is a stream that ended.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/path/clients_load.h"

namespace ringkv::bench {

class BatchLoad final : public ClientsLoad {
 public:
  BatchLoad(std::string address, LoadShape shape, OpMix mix, KeySpace space,
            const std::atomic<bool>* interrupted = nullptr);
  ~BatchLoad() override;

  Status Start() override;
  void Stop() override;

 private:
  class Connection;

  std::vector<std::unique_ptr<LoadClient>> MakeClients() override;

  const std::string address_;
  const LoadShape shape_;
  std::vector<Connection*> connections_;  // the clients
  std::jthread waker_;                    // where operations pause; gone before the clients are
};

}  // namespace ringkv::bench
