// One Replica.Exchange stream to a node, of a router or of another node, from its Hello to its end:
// gathers operations while enough batches are under way and sends them together; hands replies up.
//
// Operations are encoded as they are handed in: the batch that leaves is a string of bytes, in the
// wire format of a ReplicaBatch. Thousands of small messages are made, copied and freed nowhere.
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

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/limits.h"
#include "base/status.h"
#include "ringkv/v1/replica.pb.h"

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

class ExchangeStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                             public std::enable_shared_from_this<ExchangeStream> {
 public:
  struct Options {
    size_t max_ops = 32'768;
    size_t max_bytes = 64u << 20;
    std::string cluster_uuid;
    std::string node;    // the node meant
    std::string router;  // who says Hello: a router, or another node
    // What is handed in while so many batches are not answered leaves together, when the first of
    // them is, or after `patience`. 0: whatever can be written is.
    size_t max_unanswered_batches = 0;
    Duration patience{0};
  };
  struct Handlers {
    // The first reply is that to Hello.
    std::function<void(std::shared_ptr<v1::ReplicaBatchReply>)> on_reply;
    std::function<void(Status)> on_end;
  };

  static std::shared_ptr<ExchangeStream> Open(std::shared_ptr<grpc::Channel> channel,
                                              Options options, Handlers handlers,
                                              std::shared_ptr<LiveStreams> live,
                                              std::shared_ptr<StreamCounters> counters);

  // False: full, or ended; nothing was taken.
  bool Send(const v1::ReplicaOp& op);
  // Starts a write if something waits and nothing stands in the way. When it wants to be called
  // again at the latest; kNever: it sends by itself what waits, or nothing does.
  MonoTime Flush(MonoTime now);
  // Ends the stream soon; what waits is dropped.
  void Cancel();

  uint64_t queued_ops() const;
  uint64_t queued_bytes() const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  struct Batch {
    std::string wire;
    size_t ops = 0;
  };
  struct Incoming;

  ExchangeStream(std::shared_ptr<grpc::Channel> channel, Options options, Handlers handlers,
                 std::shared_ptr<LiveStreams> live, std::shared_ptr<StreamCounters> counters);
  void Start();
  // Takes the next batch into writing_, if it may be written now. mutex_ held.
  bool TakeNext();
  void OnReadsEnd();
  // Gives the hold back once nobody will start an operation any more.
  void EndIfIdle();

  const Options options_;
  const std::shared_ptr<LiveStreams> live_;
  const std::shared_ptr<StreamCounters> counters_;
  const std::string header_;  // each batch begins with it
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;             // gRPC's while a read is outstanding
  bool unreadable_ = false;               // what came was no answer; used by reactions only
  Handlers handlers_;                     // used by reactions only
  std::shared_ptr<ExchangeStream> self_;  // until OnDone

  mutable std::mutex mutex_;
  // All guarded by mutex_. `writing_` is gRPC's to read while it is set.
  std::deque<Batch> outbox_;
  size_t queued_ops_ = 0;
  size_t queued_bytes_ = 0;
  std::optional<grpc::ByteBuffer> writing_;
  uint64_t sent_ops_ = 0;
  uint64_t answered_ops_ = 0;
  std::deque<uint64_t> unanswered_;  // sent_ops_ after each batch that has not been answered whole
  MonoTime held_since_ = kNever;     // something was handed in and has not left
  bool impatient_ = false;           // nothing is held back: it leaves as soon as it can be written
  bool broken_ = false;              // no further operation will be started
  bool hold_ = false;
};

}  // namespace ringkv
