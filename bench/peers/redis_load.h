// RedisLoad: clients of a Redis Cluster (redis_client.h), shared out among few threads.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bench/path/clients_load.h"
#include "bench/peers/redis_client.h"

namespace ringkv::bench {

class RedisLoad final : public ClientsLoad {
 public:
  // A client that gets no answer for `patience` gives up: what it has in flight has failed.
  RedisLoad(RedisTarget target, LoadShape shape, OpMix mix, KeySpace space,
            const std::atomic<bool>* interrupted = nullptr,
            Duration patience = std::chrono::seconds(10));
  ~RedisLoad() override;

 private:
  class Worker;

  std::vector<std::unique_ptr<LoadClient>> MakeClients() override;

  const RedisTarget target_;
  const LoadShape shape_;
  const Duration patience_;
};

}  // namespace ringkv::bench
