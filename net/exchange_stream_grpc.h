// One Replica.Exchange stream to a node, of a router or of another node, from its Hello to its end:
// gathers operations while a batch is being written and sends them together; hands replies up.
//
// Guarantees
//  1. At most one write is outstanding. A batch holds at most kBatchBytes and kMaxBatchOps, unless
//  a
//     single operation is larger.
//  2. The outbox is bounded by operations and bytes; Send says no beyond, and after the end.
//  3. `on_end` runs exactly once, after it no other handler; then the handlers are destroyed.
//
// Thread-safe. Handlers run on gRPC's threads, one at a time, and must not block. The stream keeps
// itself alive until gRPC is done with it; the owner's pointer may go at any time.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/limits.h"
#include "base/status.h"
#include "ringkv/v1/replica.grpc.pb.h"

namespace ringkv {

inline constexpr int kMaxBatchOps = 4096;

// Counts streams that gRPC has not let go of, so that a stop can wait for them. Thread-safe.
class LiveStreams {
 public:
  void Add();
  void Remove();
  void WaitForNone();
  size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  size_t count_ = 0;  // guarded by mutex_
};

// What all streams of one set of links add to.
struct StreamCounters {
  std::atomic<uint64_t> batches_out{0};
  std::atomic<uint64_t> ops_out{0};
  std::atomic<uint64_t> bytes_out{0};
  std::atomic<uint64_t> batches_in{0};
  std::atomic<uint64_t> ops_in{0};
  std::atomic<uint64_t> bytes_in{0};
};

class ExchangeStream final
    : public grpc::ClientBidiReactor<v1::ReplicaBatch, v1::ReplicaBatchReply>,
      public std::enable_shared_from_this<ExchangeStream> {
 public:
  struct Options {
    size_t max_ops = 32'768;
    size_t max_bytes = 64u << 20;
    std::string cluster_uuid;
    std::string node;    // the node meant
    std::string router;  // who says Hello: a router, or another node
  };
  struct Handlers {
    // The first reply is that to Hello.
    std::function<void(v1::ReplicaBatchReply)> on_reply;
    std::function<void(Status)> on_end;
  };

  static std::shared_ptr<ExchangeStream> Open(std::shared_ptr<grpc::Channel> channel,
                                              Options options, Handlers handlers,
                                              std::shared_ptr<LiveStreams> live,
                                              std::shared_ptr<StreamCounters> counters);

  // False: full, or ended; nothing was taken.
  bool Send(v1::ReplicaOp op, size_t bytes);
  // Starts a write if none is outstanding and something waits.
  void Flush();
  // Ends the stream soon; what waits is dropped.
  void Cancel();

  uint64_t queued_ops() const;
  uint64_t queued_bytes() const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  using Batch = v1::ReplicaBatch;
  struct Waiting {
    std::unique_ptr<Batch> batch;
    size_t bytes = 0;
  };

  ExchangeStream(std::shared_ptr<grpc::Channel> channel, Options options, Handlers handlers,
                 std::shared_ptr<LiveStreams> live, std::shared_ptr<StreamCounters> counters);
  void Start();
  std::unique_ptr<Batch> NewBatch() const;
  // Takes the next batch into writing_, if it may be written now. mutex_ held.
  bool TakeNext();
  void Write();
  // Gives the hold back once nobody will start an operation any more.
  void EndIfIdle();

  const Options options_;
  const std::shared_ptr<LiveStreams> live_;
  const std::shared_ptr<StreamCounters> counters_;
  std::unique_ptr<v1::Replica::Stub> stub_;
  grpc::ClientContext context_;
  v1::ReplicaBatchReply incoming_;        // gRPC's while a read is outstanding
  Handlers handlers_;                     // used by reactions only
  std::shared_ptr<ExchangeStream> self_;  // until OnDone

  mutable std::mutex mutex_;
  // All guarded by mutex_. `writing_` is gRPC's to read while it is set.
  std::deque<Waiting> outbox_;
  size_t queued_ops_ = 0;
  size_t queued_bytes_ = 0;
  std::unique_ptr<Batch> writing_;
  bool broken_ = false;  // no further operation will be started
  bool hold_ = false;
};

}  // namespace ringkv
