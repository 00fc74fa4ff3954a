#include "kvnode/node_core.h"

#include <algorithm>

#include "base/hex.h"
#include "base/logging.h"

namespace ringkv {
namespace {

// In one answer, several of which come in a second.
constexpr size_t kMostDamagedNamed = 16;

constexpr uint32_t kFormatVersion = 1;

DiskSpace SpaceLeft(uint64_t free, uint64_t reserve, DiskSpace before) {
  const auto below = [&](uint64_t bound, DiskSpace space) {
    return free < (before >= space ? bound + bound / 10 : bound);
  };
  if (below(reserve / 2, DiskSpace::kSpent)) return DiskSpace::kSpent;
  return below(reserve, DiskSpace::kInReserve) ? DiskSpace::kInReserve : DiskSpace::kPlenty;
}

const char* TextOf(DiskSpace space) {
  switch (space) {
    case DiskSpace::kPlenty:
      return "the disk has space again";
    case DiskSpace::kInReserve:
      return "the disk is full, this node gets no new values";
    case DiskSpace::kSpent:
      break;
  }
  return "half of the disk's reserve is gone, values are refused";
}

}  // namespace

NodeCore::NodeCore(const Clock& clock, Metrics& metrics, NodeCoreOptions options,
                   std::function<void(const Status&)> on_failure)
    : clock_(clock),
      options_(std::move(options)),
      on_failure_(std::move(on_failure)),
      metrics_(metrics),
      exported_(metrics.AddCollector([this](MetricSink& sink) { ExportTotals(sink); })) {}

NodeCore::~NodeCore() {
  exported_.Reset();
  Drain();
}

Status NodeCore::Serve(Store& store, const Registered& registered) {
  RINGKV_CHECK(owned_ == nullptr, "a node serves once");
  auto serving = std::make_unique<Serving>();
  serving->registered = registered;
  serving->slots_per_group = registered.slots / registered.groups;
  serving->drops = std::make_unique<EventLoop>("drops", clock_, nullptr);
  const size_t workers = std::clamp<size_t>(options_.workers, 1, registered.groups);
  for (size_t i = 0; i < workers; ++i) {
    std::vector<GroupId> mine;
    for (size_t group = i; group < registered.groups; group += workers) {
      mine.push_back(GroupId(static_cast<uint32_t>(group)));
    }
    Replica::Options options;
    options.slots = registered.slots;
    options.groups = registered.groups;
    options.boot = registered.boot;
    options.sync_writes = options_.sync_writes;
    auto replica = Replica::Open(store, options, std::move(mine));
    if (!replica.ok()) return replica.status();
    NodeWorker::Environment environment{
        clock_, metrics_, failed_, [this](Status why) { Fail(std::move(why)); }, options_.sync, {}};
    environment.disk_space = &disk_space_;
    environment.drop = [this, &store, loop = serving->drops.get()](
                           std::vector<InstanceName> instances, std::function<void()> done) {
      (void)loop->Post([this, &store, instances = std::move(instances), done = std::move(done)] {
        Drop(store, instances, done);
      });
    };
    serving->workers.push_back(std::make_unique<NodeWorker>("worker-" + std::to_string(i),
                                                            std::move(environment), options_.limits,
                                                            registered.boot, std::move(*replica)));
  }
  serving->drops->Start();
  for (auto& worker : serving->workers) worker->Start();
  owned_ = std::move(serving);
  serving_.store(owned_.get(), std::memory_order_release);
  return Status::Ok();
}

void NodeCore::Drop(Store& store, const std::vector<InstanceName>& instances,
                    const std::function<void()>& done) {
  Status status;
  for (const InstanceName& instance : instances) {
    // What is left is dropped after the next start.
    if (stopping_.load(std::memory_order_acquire)) return;
    if (failed_.load(std::memory_order_acquire)) return;
    status = store.DropInstance(instance.slot, instance.inc);
    if (!status.ok()) return Fail(status);
  }
  status = store.Sync();
  if (!status.ok()) return Fail(status);
  done();
}

NodeCore::Refusal NodeCore::Check(const v1::ReplicaBatch& batch, const Serving* serving) const {
  if (batch.format_version() != kFormatVersion) {
    return {v1::REPLICA_CODE_INVALID,
            "batches of format " + std::to_string(batch.format_version()) + " are not known here"};
  }
  if (batch.node() != options_.node.value()) {
    return {v1::REPLICA_CODE_WRONG_NODE, "this is node " + options_.node.value()};
  }
  if (failed_.load(std::memory_order_acquire)) {
    return {v1::REPLICA_CODE_IO_ERROR, failure().message()};
  }
  if (serving == nullptr) return {v1::REPLICA_CODE_NOT_READY, "the node has not registered yet"};
  if (batch.cluster_uuid() != serving->registered.cluster_uuid) {
    return {v1::REPLICA_CODE_WRONG_CLUSTER,
            "this node belongs to cluster " + Hex(serving->registered.cluster_uuid)};
  }
  if (stopping_.load(std::memory_order_acquire)) {
    return {v1::REPLICA_CODE_NOT_READY, "the node is stopping"};
  }
  return {};
}

// A slot or group that does not exist goes anywhere: the replica refuses it.
size_t NodeCore::WorkerOf(const v1::ReplicaOp& op, const Serving& serving) const {
  uint32_t group = op.has_promise() ? op.promise().group() : op.slot() / serving.slots_per_group;
  return group % serving.workers.size();
}

void NodeCore::Execute(std::shared_ptr<const v1::ReplicaBatch> batch,
                       std::shared_ptr<ReplySink> sink) {
  const Serving* serving = this->serving();
  Answers answers;
  answers.boot = serving == nullptr ? 0 : serving->registered.boot.value();
  if (Refusal refusal = Check(*batch, serving); refusal.code != v1::REPLICA_CODE_OK) {
    for (const v1::ReplicaOp& op : batch->ops()) Refuse(op, refusal, &answers);
    sink->Deliver(std::move(answers));
    return;
  }
  std::vector<Slice> slices(serving->workers.size());
  for (const v1::ReplicaOp& op : batch->ops()) {
    if (!AnswerHere(op, *serving, &answers)) slices[WorkerOf(op, *serving)].ops.push_back(&op);
  }
  for (size_t i = 0; i < slices.size(); ++i) {
    Slice& slice = slices[i];
    if (slice.ops.empty()) continue;
    slice.batch = batch;
    slice.sink = sink;
    NodeWorker::PushOutcome outcome = serving->workers[i]->Push(&slice);
    if (outcome == NodeWorker::PushOutcome::kTaken) continue;
    const Refusal refusal = outcome == NodeWorker::PushOutcome::kStopped
                                ? Refusal{v1::REPLICA_CODE_NOT_READY, "the node is stopping"}
                                : Refusal{v1::REPLICA_CODE_OVERLOADED, "the node's queue is full"};
    for (const v1::ReplicaOp* op : slice.ops) Refuse(*op, refusal, &answers);
  }
  if (!answers.replies.empty()) sink->Deliver(std::move(answers));
}

bool NodeCore::AnswerHere(const v1::ReplicaOp& op, const Serving& serving, Answers* answers) {
  if (!op.has_hello() && !op.has_stats()) return false;
  v1::ReplicaOpReply& reply = answers->replies.emplace_back();
  reply.set_op(op.op());
  reply.set_attempt(op.attempt());
  if (op.has_hello()) {
    reply.mutable_hello()->set_node(options_.node.value());
    reply.mutable_hello()->set_store_uuid(serving.registered.store_uuid);
  } else {
    *reply.mutable_stats() = Stats();
  }
  metrics_.CountOp(op.body_case(), reply.code());
  return true;
}

void NodeCore::Refuse(const v1::ReplicaOp& op, const Refusal& refusal, Answers* answers) {
  v1::ReplicaOpReply& reply = answers->replies.emplace_back();
  reply.set_op(op.op());
  reply.set_attempt(op.attempt());
  reply.set_code(refusal.code);
  reply.set_message(refusal.message);
  metrics_.CountOp(op.body_case(), refusal.code);
}

void NodeCore::StopTaking() { stopping_.store(true, std::memory_order_release); }

void NodeCore::Drain() {
  StopTaking();
  if (owned_ == nullptr) return;
  owned_->drops->Stop();
  for (auto& worker : owned_->workers) worker->Stop();
}

void NodeCore::Fail(Status why) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = why;
  }
  failed_.store(true, std::memory_order_release);
  RINGKV_LOG(kError, "node", "disk failed: {}; this node serves nothing until it is started again",
             why.message());
  if (on_failure_) on_failure_(why);
}

Status NodeCore::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void NodeCore::SetStoreStats(const StoreStats& stats) {
  if (stats.disk_free_bytes.has_value()) {
    const uint64_t free = *stats.disk_free_bytes;
    const uint64_t reserve = options_.disk_reserve_bytes;
    const DiskSpace before = disk_space_;
    const DiskSpace space = SpaceLeft(free, reserve, before);
    disk_space_ = space;
    if (space != before) {
      RINGKV_LOG(kWarning, "node", "{}: {} MiB are free, `disk-reserve` is {} MiB", TextOf(space),
                 free >> 20, reserve >> 20);
    }
  }
  std::lock_guard lock(mutex_);
  store_stats_ = stats;
}

NodeCore::Totals NodeCore::totals() const {
  Totals totals;
  {
    std::lock_guard lock(mutex_);
    totals.store = store_stats_;
  }
  const Serving* serving = this->serving();
  if (serving == nullptr) return totals;
  totals.boot = serving->registered.boot.value();
  for (const auto& worker : serving->workers) {
    NodeWorker::Snapshot one = worker->Published();
    totals.replica.applies += one.stats.applies;
    totals.replica.applies_old += one.stats.applies_old;
    totals.replica.version_reads += one.stats.version_reads;
    totals.replica.reads += one.stats.reads;
    totals.replica.scans += one.stats.scans;
    totals.replica.fenced += one.stats.fenced;
    totals.replica.corrupt += one.stats.corrupt;
    totals.replica.pulls += one.stats.pulls;
    totals.replica.pull_answers += one.stats.pull_answers;
    totals.replica.pulled_records += one.stats.pulled_records;
    totals.replica.pulled_bytes += one.stats.pulled_bytes;
    totals.replica.leftovers += one.stats.leftovers;
    totals.replica.source_answers += one.stats.source_answers;
    totals.replica.source_refusals += one.stats.source_refusals;
    totals.replica.reinstated += one.stats.reinstated;
    totals.replica.created += one.stats.created;
    totals.replica.retired += one.stats.retired;
    totals.replica.dropped += one.stats.dropped;
    totals.replica.sweeps += one.stats.sweeps;
    totals.replica.collected += one.stats.collected;
    totals.instances += one.instances;
    totals.voting_instances += one.voting_instances;
    totals.queued_ops += worker->queued_ops();
    totals.queued_bytes += worker->queued_bytes();
  }
  return totals;
}

void NodeCore::SetDamaged(std::vector<v1::DamagedKey> keys) {
  std::lock_guard lock(mutex_);
  damaged_ = std::move(keys);
}

void NodeCore::NameDamaged(v1::NodeStats* stats) {
  std::lock_guard lock(mutex_);
  const size_t count = std::min(damaged_.size(), kMostDamagedNamed);
  for (size_t i = 0; i < count; ++i) {
    next_damaged_ = (next_damaged_ + 1) % damaged_.size();
    *stats->add_damaged() = damaged_[next_damaged_];
  }
}

v1::NodeStats NodeCore::Stats() {
  Totals now = totals();
  v1::NodeStats stats;
  stats.set_applies(now.replica.applies);
  stats.set_reads(now.replica.reads);
  stats.set_bytes_stored(now.store.bytes);
  stats.set_keys_stored(now.store.keys);
  stats.set_queue_ops(now.queued_ops);
  stats.set_voting_instances(now.voting_instances);
  stats.set_instances(now.instances);
  stats.set_disk_free_bytes(now.store.disk_free_bytes.value_or(0));
  stats.set_disk_full(disk_space_ != DiskSpace::kPlenty);
  NameDamaged(&stats);
  return stats;
}

void NodeCore::ExportTotals(MetricSink& sink) const {
  Totals now = totals();
  auto d = [](uint64_t value) { return static_cast<double>(value); };
  sink.Gauge("node_boot", "Starts under this node's id; 0 until it has registered.", d(now.boot));
  sink.Gauge("node_instances", "Replica instances on this node.", d(now.instances));
  sink.Gauge("node_voting_instances", "Instances that count in quorums.", d(now.voting_instances));
  sink.Gauge("node_queue_operations", "Operations that wait or run.", d(now.queued_ops));
  sink.Gauge("node_queue_bytes", "Memory of operations that wait or run.", d(now.queued_bytes));
  sink.Gauge("node_stored_bytes", "Live data on disk, an estimate.", d(now.store.bytes));
  sink.Gauge("node_stored_keys", "Keys on disk, an estimate.", d(now.store.keys));
  sink.Gauge("node_disk_free_bytes", "Free space on the disk.",
             d(now.store.disk_free_bytes.value_or(0)));
  sink.Gauge("node_disk_full", "1 while less is free than `disk-reserve`: it gets no new values.",
             disk_space_ != DiskSpace::kPlenty ? 1 : 0);
  sink.Gauge("node_disk_failed", "1 once the disk has failed.", failed_.load() ? 1 : 0);
  const ReplicaStats& r = now.replica;
  sink.Counter("node_applies_total", "Records written.", d(r.applies));
  sink.Counter("node_applies_old_total", "Records not written: a newer one was there.",
               d(r.applies_old));
  sink.Counter("node_version_reads_total", "Writes that had to read first.", d(r.version_reads));
  sink.Counter("node_reads_total", "Records read.", d(r.reads));
  sink.Counter("node_reads_large_total", "Of them: large values, of which only the size was told.",
               d(r.reads_large));
  sink.Counter("node_scans_total", "Pages scanned.", d(r.scans));
  sink.Counter("node_fenced_total", "Operations refused for their term.", d(r.fenced));
  sink.Counter("node_pulls_total", "Comparisons of an instance with another node's.", d(r.pulls));
  sink.Counter("node_pulled_records_total", "Records copied from other nodes.",
               d(r.pulled_records));
  sink.Counter("node_pulled_bytes_total", "Keys and values copied from other nodes.",
               d(r.pulled_bytes));
  sink.Counter("node_source_answers_total", "Answers to nodes that compare or copy.",
               d(r.source_answers));
  sink.Counter("node_reinstated_total", "Instances that got their vote back.", d(r.reinstated));
  sink.Counter("node_instances_created_total", "Instances made to be filled.", d(r.created));
  sink.Counter("node_instances_retired_total", "Instances that left this node.", d(r.retired));
  sink.Counter("node_instances_dropped_total", "Of them: their records are gone.", d(r.dropped));
  sink.Counter("node_sweeps_total", "Instances searched for garbage.", d(r.sweeps));
  sink.Counter("node_collected_total", "Tombstones and expired records removed.", d(r.collected));
  sink.Counter("node_corrupt_total", "Records that could not be read.", d(r.corrupt));
}

}  // namespace ringkv
