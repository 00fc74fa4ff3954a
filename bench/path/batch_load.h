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

#include "bench/path/load.h"
#include "bench/path/operations.h"

namespace ringkv::bench {

class BatchLoad final : public Load {
 public:
  BatchLoad(std::string address, LoadShape shape, OpMix mix, KeySpace space,
            const std::atomic<bool>* interrupted = nullptr);
  ~BatchLoad() override;
  BatchLoad(const BatchLoad&) = delete;
  BatchLoad& operator=(const BatchLoad&) = delete;

  Status Start() override;
  void BeginMeasuring() override;
  LoadFigures EndMeasuring() override;
  void Stop() override;
  Status WriteAll() override;

 private:
  class Connection;

  const std::string address_;
  const LoadShape shape_;
  Operations operations_;
  MonoTime measured_from_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::jthread waker_;  // where operations pause; gone before the connections are
};

}  // namespace ringkv::bench
