// SyncTransport over gRPC: one Replica.Exchange stream to each node that this one asks, opened with
// the first question, on a TCP connection of its own, so that copying holds up nothing else.
//
// A stream that ends loses what was asked on it; so does one that has left a question unanswered
// for kPatience when the next one is asked. What is in flight is bounded by those who ask: one
// question for each slot that is being copied, and answers of about 1 MiB. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "kvnode/sync_transport.h"
#include "net/exchange_stream_grpc.h"

namespace ringkv {

class SyncClientGrpc final : public SyncTransport {
 public:
  // `self`: this node's id, for the logs of others.
  SyncClientGrpc(const Clock& clock, NodeId self);
  ~SyncClientGrpc() override;  // stops

  // Before the first question.
  void SetCluster(std::string cluster_uuid);

  void Ask(SyncQuestion question, Answered answered) override;

  // Of messages, without what gRPC adds; since it was made.
  uint64_t bytes_sent() const { return counters_->bytes_out.load(); }
  uint64_t bytes_received() const { return counters_->bytes_in.load(); }

  // Ends all streams; returns when no `answered` runs any more. Idempotent.
  void Stop();

 private:
  class Link;

  const Clock& clock_;
  const NodeId self_;
  const std::shared_ptr<LiveStreams> live_ = std::make_shared<LiveStreams>();
  const std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();

  std::mutex mutex_;
  std::string cluster_uuid_;                            // guarded by mutex_
  std::map<std::string, std::shared_ptr<Link>> links_;  // guarded by mutex_; by "node address"
  bool stopped_ = false;                                // guarded by mutex_
};

}  // namespace ringkv
