// NodeLinks over gRPC: for each node two Replica.Exchange streams, one for small operations and one
// for large values, each on a TCP connection of its own, so that nothing small waits behind a value
// of megabytes.
//
// A link counts as connected when both streams' Hello was answered OK by the same boot of the
// expected disk. Any end of either stream ends the session: the outboxes are dropped,
// OnDisconnected is reported once, and the next attempt follows after 50 to 500 ms (100 to 500 ms
// where the node answered and was not ready). A node that died is noticed by the end of its
// streams, a silent one by the shard's pings.
//
// Threads: see NodeLinks. Must be destroyed after the loop has stopped; Stop comes before both.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/logging.h"
#include "base/random.h"
#include "net/exchange_stream_grpc.h"
#include "router/node_links.h"

namespace ringkv {

struct NodeLinkOptions {
  std::string router;
  size_t max_outbox_ops = 32'768;
  size_t max_outbox_bytes = 64u << 20;
  // See ExchangeStream::Options.
  size_t max_unanswered_batches = 1;
  Duration patience = std::chrono::milliseconds(1);
  Duration hello_timeout = std::chrono::seconds(3);
  Duration retry_min = std::chrono::milliseconds(50);
  Duration refused_min = std::chrono::milliseconds(100);
  Duration retry_max = std::chrono::milliseconds(500);
  bool log = true;  // off for all but one loop: they would all say the same
};

class GrpcNodeLinks final : public NodeLinks {
 public:
  // Borrows all four.
  GrpcNodeLinks(NodeLinkOptions options, const Clock& clock, EventLoop& loop, LinkEvents& events);
  ~GrpcNodeLinks() override;

  bool Send(Peer peer, const v1::ReplicaOp& op) override;
  void SetPeer(const PeerAddress& peer) override;
  void DropPeer(Peer peer) override;
  void Flush() override;
  MonoTime NextDue() const override { return std::min(next_due_, flush_due_); }
  void RunDue() override;
  std::vector<LinkReport> Report() const override;
  LinkCounts Counts() const override;
  void Stop() override;

 private:
  class Link;

  void Rearm(MonoTime due) { next_due_ = std::min(next_due_, due); }

  const NodeLinkOptions options_;
  const Clock& clock_;
  EventLoop& loop_;
  LinkEvents& events_;
  Random random_;
  const std::shared_ptr<LiveStreams> live_ = std::make_shared<LiveStreams>();
  const std::shared_ptr<StreamCounters> counters_ = std::make_shared<StreamCounters>();
  std::atomic<uint64_t> connects_{0};
  std::atomic<uint64_t> disconnects_{0};
  std::atomic<uint64_t> refused_full_{0};

  // On the loop.
  std::vector<std::unique_ptr<Link>> links_;  // by peer
  std::vector<Link*> dirty_;                  // hold what no Flush has sent
  MonoTime flush_due_ = kNever;               // of these
  MonoTime next_due_ = kNever;
  bool stopped_ = false;
};

}  // namespace ringkv
