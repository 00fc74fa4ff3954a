// A node between its streams and its store: checks each batch once, splits it among the workers by
// ownership group, and answers at once what needs no worker (Hello, statistics, every refusal).
//
// Guarantees
//  1. Every operation gets exactly one reply. Operations of one slot on one stream are executed in
//     the order of the calls to Execute for that stream.
//  2. Nothing is executed before Serve, after StopTaking (NOT_READY), for another cluster or node,
//     or after the store has failed (IO_ERROR): a disk that lies once is not asked again.
//  3. The caller of Execute never waits for the store.
//
// Life: make, Execute at any time, Serve once, then StopTaking and Drain. Thread-safety: all
// methods from any thread but Serve, Drain and the destructor, which one thread calls. The store
// outlives Drain. Execute must not run into the destructor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "kvnode/boot_sequence.h"
#include "kvnode/node_metrics.h"
#include "kvnode/node_worker.h"
#include "kvnode/store.h"

namespace ringkv {

struct NodeCoreOptions {
  NodeId node;
  size_t workers = 1;
  bool sync_writes = false;         // durability `sync`
  uint64_t disk_reserve_bytes = 0;  // with less free space it is full; 0: never so
  WorkerLimits limits;              // of each worker
  SyncTransport* sync = nullptr;    // to other nodes; stopped between Drain and destruction
};

class NodeCore {
 public:
  // `on_failure` is called once, on the thread that found out, when the store has failed.
  NodeCore(const Clock& clock, Metrics& metrics, NodeCoreOptions options,
           std::function<void(const Status&)> on_failure);
  ~NodeCore();  // drains
  NodeCore(const NodeCore&) = delete;
  NodeCore& operator=(const NodeCore&) = delete;

  // Reads what the store says of promises and instances, and serves from then on.
  Status Serve(Store& store, const Registered& registered);

  // Answers each operation of `batch` through `sink`, partly before it returns. Lets go of `batch`
  // when the last answer has been delivered.
  void Execute(std::shared_ptr<const v1::ReplicaBatch> batch, std::shared_ptr<ReplySink> sink);

  // From now on operations get NOT_READY.
  void StopTaking();

  // StopTaking; returns when everything that was queued has been answered.
  void Drain();

  // The store failed outside of an operation. The first failure counts.
  void Fail(Status why);

  // Ok while the store works.
  Status failure() const;

  // What statistics say of the disk; the caller asks the store, which may block, now and then. With
  // less free space than the reserve the node says that it is full, and with less than half of that
  // it refuses values. It goes back where there is a tenth more: else it would come and go with
  // every compaction.
  void SetStoreStats(const StoreStats& stats);
  // Records that cannot be read: statistics name some of them, other ones each time.
  void SetDamaged(std::vector<v1::DamagedKey> keys);

  struct Totals {
    ReplicaStats replica;
    uint64_t instances = 0;
    uint64_t voting_instances = 0;
    uint64_t queued_ops = 0;
    uint64_t queued_bytes = 0;
    StoreStats store;
    uint64_t boot = 0;  // 0: not registered
  };
  Totals totals() const;

  NodeMetrics& metrics() { return metrics_; }

 private:
  // What does not change once the node serves.
  struct Serving {
    Registered registered;
    uint32_t slots_per_group = 1;
    std::vector<std::unique_ptr<NodeWorker>> workers;
    std::unique_ptr<EventLoop> drops;  // takes the records of retired instances away
  };
  struct Refusal {
    v1::ReplicaCode code = v1::REPLICA_CODE_OK;
    std::string message;
  };

  const Serving* serving() const { return serving_.load(std::memory_order_acquire); }
  Refusal Check(const v1::ReplicaBatch& batch, const Serving* serving) const;
  size_t WorkerOf(const v1::ReplicaOp& op, const Serving& serving) const;
  bool AnswerHere(const v1::ReplicaOp& op, const Serving& serving, Answers* answers);
  void Refuse(const v1::ReplicaOp& op, const Refusal& refusal, Answers* answers);
  void Drop(Store& store, const std::vector<InstanceName>& instances,
            const std::function<void()>& done);
  v1::NodeStats Stats();
  void NameDamaged(v1::NodeStats* stats);
  void ExportTotals(MetricSink& sink) const;

  const Clock& clock_;
  const NodeCoreOptions options_;
  const std::function<void(const Status&)> on_failure_;
  NodeMetrics metrics_;

  std::unique_ptr<Serving> owned_;
  std::atomic<const Serving*> serving_{nullptr};  // owned_, once it is complete
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::atomic<DiskSpace> disk_space_{DiskSpace::kPlenty};

  mutable std::mutex mutex_;
  Status failure_;                       // guarded by mutex_
  StoreStats store_stats_;               // guarded by mutex_
  std::vector<v1::DamagedKey> damaged_;  // guarded by mutex_
  size_t next_damaged_ = 0;              // guarded by mutex_

  Metrics::Registration exported_;  // last: its collector uses the rest
};

}  // namespace ringkv
