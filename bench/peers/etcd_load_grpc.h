// EtcdLoad: clients of etcd: unary calls, each connection a channel of its own to one of the
// members in turn. It runs on gRPC's threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bench/path/load.h"
#include "bench/path/operations.h"

namespace ringkv::bench {

class EtcdLoad final : public Load {
 public:
  // A call that is not answered within `patience` has failed. One that failed is the last of its
  // place among those in flight.
  EtcdLoad(std::vector<std::string> members, LoadShape shape, OpMix mix, KeySpace space,
           const std::atomic<bool>* interrupted = nullptr,
           Duration patience = std::chrono::seconds(10));
  ~EtcdLoad() override;
  EtcdLoad(const EtcdLoad&) = delete;
  EtcdLoad& operator=(const EtcdLoad&) = delete;

  Status Start() override;
  void BeginMeasuring() override;
  LoadFigures EndMeasuring() override;
  void Stop() override;
  Status WriteAll() override;

 private:
  class Connection;

  const std::vector<std::string> members_;
  const LoadShape shape_;
  const Duration patience_;
  Operations operations_;
  MonoTime measured_from_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

// A linearizable read of a key that need not be there: ok once the member answers it.
Status AskEtcd(const std::string& member);

}  // namespace ringkv::bench
