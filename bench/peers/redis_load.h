// RedisLoad: clients of a Redis Cluster (redis_client.h), shared out among few threads.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "bench/path/load.h"
#include "bench/path/operations.h"
#include "bench/peers/redis_client.h"

namespace ringkv::bench {

class RedisLoad final : public Load {
 public:
  // A client that gets no answer for `patience` gives up: what it has in flight has failed.
  RedisLoad(RedisTarget target, LoadShape shape, OpMix mix, KeySpace space,
            const std::atomic<bool>* interrupted = nullptr,
            Duration patience = std::chrono::seconds(10));
  ~RedisLoad() override;
  RedisLoad(const RedisLoad&) = delete;
  RedisLoad& operator=(const RedisLoad&) = delete;

  Status Start() override;
  void BeginMeasuring() override;
  LoadFigures EndMeasuring() override;
  void Stop() override;
  Status WriteAll() override;

 private:
  class Worker;

  Status Connect();

  const RedisTarget target_;
  const LoadShape shape_;
  const Duration patience_;
  Operations operations_;
  MonoTime measured_from_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace ringkv::bench
