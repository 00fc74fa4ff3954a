// One thread of a node and the Replica that it owns. What waits is executed together, in turns: all
// of it up to a bound, as one Replica::Execute over the batches of several streams, then one
// Deliver for each stream.
//
// Guarantees
//  1. Every operation that Push accepts gets exactly one reply, delivered before the worker lets go
//     of its batch. Operations of one stream run in the order in which they were pushed, but for
//     large ones (IsLarge): these have a lane of their own, in which they run in order.
//  2. Small operations wait for one turn of large ones at most, and the other way round.
//  3. The queue is bounded in operations and bytes; what is over is refused at once.
//  4. After the first error of the store nothing is executed: replies are IO_ERROR.
//
// Between turns it sweeps for garbage, a step at a time. What the replica asks of other nodes
// leaves after each turn; answers are turns of their own. The transport must not call any more when
// the worker is destroyed.
//
// Thread-safety: Push, Queued and Published from any thread; Start and Stop from one.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "kvnode/node_metrics.h"
#include "kvnode/replica.h"
#include "kvnode/sync_transport.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

// Answers to operations of one stream.
struct Answers {
  uint64_t boot = 0;  // of the node; 0: it has not registered
  std::vector<v1::ReplicaOpReply> replies;
};

// A stream's end for answers. Deliver and Congested are called from several threads and must not
// block. After the stream is gone both do nothing.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void Deliver(Answers answers) = 0;
  // The peer does not take its answers: what it asked for is not executed but refused.
  virtual bool Congested() const = 0;
};

struct WorkerLimits {
  size_t queue_ops = 64 * 1024;
  size_t queue_bytes = 64 * 1024 * 1024;
  size_t turn_ops = 1024;
  size_t turn_bytes = 4 * 1024 * 1024;                   // of requests
  size_t large_turn_bytes = 1024 * 1024;                 // of large ones; there is always one
  size_t turn_reads = 256;                               // fewer while the values read are large
  size_t turn_reply_bytes = 16 * 1024 * 1024;            // aimed at, by what the last turn showed
  Duration sweep_pause = std::chrono::milliseconds(10);  // between steps of a sweep for garbage
  Duration sweep_look = std::chrono::seconds(1);  // how often an instance is looked for to sweep
};

// Memory that an operation keeps while it waits.
size_t OpBytes(const v1::ReplicaOp& op);

// Writes a large value, or reads one, as far as is known before.
bool IsLarge(const v1::ReplicaOp& op);

// Operations of one batch that belong to one worker. `batch` keeps them alive.
struct Slice {
  std::shared_ptr<const v1::ReplicaBatch> batch;
  std::shared_ptr<ReplySink> sink;
  std::vector<const v1::ReplicaOp*> ops;
};

class NodeWorker {
 public:
  struct Environment {
    const Clock& clock;
    NodeMetrics& metrics;
    const std::atomic<bool>& failed;  // the node's store has failed
    std::function<void(Status)> report_failure;
    SyncTransport* sync = nullptr;  // null: this node asks no other one
    // Drops the records of instances elsewhere and calls `done`, on any thread, when they are gone
    // for good; not at all when the node stops before.
    std::function<void(std::vector<InstanceName>, std::function<void()> done)> drop;
    const std::atomic<DiskSpace>* disk_space = nullptr;  // null: there is always plenty
  };
  // What others may know of the replica; as of the last turn.
  struct Snapshot {
    ReplicaStats stats;
    uint64_t instances = 0;
    uint64_t voting_instances = 0;
  };

  NodeWorker(std::string name, Environment environment, WorkerLimits limits, Boot boot,
             std::unique_ptr<Replica> replica);

  void Start();

  enum class PushOutcome { kTaken, kOverloaded, kStopped };
  // Takes the operations of `slice` from the first on, as long as there is room; those that it does
  // not take are left in it.
  PushOutcome Push(Slice* slice);

  // Executes what was taken, then ends. Pushes from then on are kStopped. Idempotent.
  void Stop();

  size_t queued_ops() const { return queued_ops_.load(std::memory_order_relaxed); }
  size_t queued_bytes() const { return queued_bytes_.load(std::memory_order_relaxed); }
  Snapshot Published() const;

 private:
  struct Waiting {
    Slice slice;
    size_t next = 0;  // operations before it have been taken into a turn
    MonoTime since;
  };
  // Operations of one slice that run in a turn.
  struct Part {
    Slice slice;  // shares the batch; only the operations of the turn
    bool executed = false;
  };
  struct Turn {
    std::vector<Part> parts;
    bool large = false;
    size_t ops = 0;
    size_t bytes = 0;
    size_t reads = 0;
    MonoTime oldest;
  };

  using Lane = std::deque<Waiting>;

  void Enqueue(const Slice& slice, size_t ops);
  void RunAll();
  Turn TakeTurn();
  void TakeFromLane(Lane* lane, Turn* turn);
  void TakeFrom(Waiting* waiting, Turn* turn);
  bool Fits(const Turn& turn, const v1::ReplicaOp& op) const;
  void RunTurn(Turn turn);
  void Execute(Turn* turn, std::vector<v1::ReplicaOpReply>* replies);
  void AdaptReads(const Turn& turn, const std::vector<v1::ReplicaOpReply>& replies);
  void Publish(bool recount);
  void AskSources();
  void DropRetired();
  MonoTime Sweep();
  void OnSyncAnswer(Boot boot, const v1::ReplicaOpReply& answer);
  void Deliver(Turn* turn, std::vector<v1::ReplicaOpReply> replies);

  const Environment environment_;
  const WorkerLimits limits_;
  const Boot boot_;

  const std::unique_ptr<Replica> replica_;  // the loop's
  size_t turn_reads_;                       // the loop's
  MonoTime next_sweep_;                     // the loop's

  std::mutex queue_mutex_;
  Lane small_;               // guarded by queue_mutex_
  Lane large_;               // guarded by queue_mutex_
  bool large_next_ = false;  // guarded by queue_mutex_: if both have something
  bool scheduled_ = false;   // guarded by queue_mutex_: RunAll is posted or running
  bool stopped_ = false;     // guarded by queue_mutex_
  // Waiting or running. Raised under queue_mutex_, lowered when executed.
  std::atomic<size_t> queued_ops_{0};
  std::atomic<size_t> queued_bytes_{0};

  mutable std::mutex published_mutex_;
  Snapshot published_;  // guarded by published_mutex_

  EventLoop loop_;  // last: its thread uses the rest
};

}  // namespace ringkv
