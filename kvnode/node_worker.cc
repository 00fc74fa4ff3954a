#include "kvnode/node_worker.h"

#include <algorithm>
#include <iterator>

#include "base/limits.h"

namespace ringkv {
namespace {

// What the messages of an operation take beside its bytes.
constexpr size_t kOpOverheadBytes = 256;

bool ReadsAPage(const v1::ReplicaOp& op) {
  return op.has_scan() || op.has_sync_ranges() || op.has_sync_diff() || op.has_pull();
}

bool IsRead(const v1::ReplicaOp& op) { return op.has_read() || ReadsAPage(op); }

// A page weighs as much as many reads.
size_t ReadWeight(const v1::ReplicaOp& op) { return ReadsAPage(op) ? 32 : op.has_read() ? 1 : 0; }

size_t ValueBytes(const v1::ReplicaOpReply& reply) {
  // A large value that stays here was read all the same.
  if (reply.has_read()) return reply.read().record().value().size() + reply.read().large_bytes();
  if (reply.has_sync_diff()) return reply.sync_diff().ByteSizeLong();
  return reply.has_scan() ? reply.scan().ByteSizeLong() : 0;
}

TurnKind KindOf(const std::vector<const v1::ReplicaOp*>& ops) {
  bool applies = false, reads = false;
  for (const v1::ReplicaOp* op : ops) {
    applies |= op->has_apply();
    reads |= IsRead(*op);
  }
  if (applies && reads) return TurnKind::kMixed;
  return applies ? TurnKind::kApply : reads ? TurnKind::kRead : TurnKind::kOther;
}

void Answer(const v1::ReplicaOp& op, v1::ReplicaCode code, const std::string& message,
            v1::ReplicaOpReply* reply) {
  reply->Clear();
  reply->set_op(op.op());
  reply->set_attempt(op.attempt());
  reply->set_code(code);
  reply->set_message(message);
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

size_t OpBytes(const v1::ReplicaOp& op) {
  size_t bytes = kOpOverheadBytes;
  if (op.has_apply()) bytes += op.apply().key().size() + op.apply().record().value().size();
  if (op.has_read()) bytes += op.read().key().size();
  if (op.has_scan()) bytes += op.scan().after().size() + op.scan().prefix().size();
  if (op.has_sync_diff()) bytes += op.sync_diff().ByteSizeLong();
  return bytes;
}

bool IsLarge(const v1::ReplicaOp& op) {
  if (op.has_read()) return op.read().large();
  return op.has_apply() && op.apply().record().value().size() > kLargeValueBytes;
}

NodeWorker::NodeWorker(std::string name, Environment environment, WorkerLimits limits, Boot boot,
                       std::unique_ptr<Replica> replica)
    : environment_(std::move(environment)),
      limits_(limits),
      boot_(boot),
      replica_(std::move(replica)),
      turn_reads_(limits.turn_reads),
      loop_(std::move(name), environment_.clock, [this] { return Sweep(); }) {
  Publish(/*recount=*/true);
}

void NodeWorker::Start() {
  loop_.Start();
  // What an earlier process had no time for.
  (void)loop_.Post([this] { DropRetired(); });
}

void NodeWorker::Stop() {
  {
    std::lock_guard lock(queue_mutex_);
    stopped_ = true;
  }
  // What was taken has a RunAll posted, which the loop runs before it ends.
  loop_.Stop();
}

NodeWorker::PushOutcome NodeWorker::Push(Slice* slice) {
  bool first = false;
  size_t taken = 0;
  {
    std::lock_guard lock(queue_mutex_);
    if (stopped_) return PushOutcome::kStopped;
    const size_t queued = queued_ops(), queued_size = queued_bytes();
    size_t size = 0;
    for (; taken < slice->ops.size(); ++taken) {
      size_t more = OpBytes(*slice->ops[taken]);
      if (queued + taken + 1 > limits_.queue_ops) break;
      if (queued_size + size + more > limits_.queue_bytes) break;
      size += more;
    }
    if (taken == 0) return PushOutcome::kOverloaded;
    queued_ops_.fetch_add(taken, std::memory_order_relaxed);
    queued_bytes_.fetch_add(size, std::memory_order_relaxed);
    Enqueue(*slice, taken);
    first = !scheduled_;
    scheduled_ = true;
    // Under the lock, so that Stop cannot come between: what is taken is always run.
    if (first)
      RINGKV_CHECK(loop_.Post([this] { RunAll(); }), "a worker's loop ends after its queue");
  }
  slice->ops.erase(slice->ops.begin(), slice->ops.begin() + static_cast<long>(taken));
  return slice->ops.empty() ? PushOutcome::kTaken : PushOutcome::kOverloaded;
}

// The first `ops` of the slice, each into its lane. queue_mutex_ is held.
void NodeWorker::Enqueue(const Slice& slice, size_t ops) {
  const MonoTime now = environment_.clock.Now();
  const auto end = slice.ops.begin() + static_cast<long>(ops);
  const auto is_large = [](const v1::ReplicaOp* op) { return IsLarge(*op); };
  Waiting small{{slice.batch, slice.sink, {}}, 0, now};
  const auto first_large = std::find_if(slice.ops.begin(), end, is_large);
  small.slice.ops.assign(slice.ops.begin(), first_large);
  if (first_large != end) {
    Waiting large{{slice.batch, slice.sink, {}}, 0, now};
    std::partition_copy(first_large, end, std::back_inserter(large.slice.ops),
                        std::back_inserter(small.slice.ops), is_large);
    large_.push_back(std::move(large));
  }
  if (!small.slice.ops.empty()) small_.push_back(std::move(small));
}

NodeWorker::Snapshot NodeWorker::Published() const {
  std::lock_guard lock(published_mutex_);
  return published_;
}

void NodeWorker::RunAll() {
  while (true) {
    Turn turn = TakeTurn();
    if (turn.ops == 0) return;
    RunTurn(std::move(turn));
  }
}

// Empty, and nothing is scheduled any more, when nothing waits.
NodeWorker::Turn NodeWorker::TakeTurn() {
  Turn turn;
  std::lock_guard lock(queue_mutex_);
  turn.large = !large_.empty() && (large_next_ || small_.empty());
  large_next_ = !turn.large;
  TakeFromLane(turn.large ? &large_ : &small_, &turn);
  if (turn.ops == 0) scheduled_ = false;
  return turn;
}

void NodeWorker::TakeFromLane(Lane* lane, Turn* turn) {
  while (!lane->empty()) {
    Waiting& waiting = lane->front();
    if (turn->parts.empty()) turn->oldest = waiting.since;
    TakeFrom(&waiting, turn);
    if (waiting.next < waiting.slice.ops.size()) return;
    lane->pop_front();
  }
}

void NodeWorker::TakeFrom(Waiting* waiting, Turn* turn) {
  std::vector<const v1::ReplicaOp*>& ops = waiting->slice.ops;
  size_t begin = waiting->next;
  while (waiting->next < ops.size() && Fits(*turn, *ops[waiting->next])) {
    const v1::ReplicaOp& op = *ops[waiting->next++];
    turn->ops += 1;
    turn->bytes += OpBytes(op);
    turn->reads += ReadWeight(op);
  }
  if (waiting->next == begin) return;
  Part part{{waiting->slice.batch, waiting->slice.sink, {}}};
  if (begin == 0 && waiting->next == ops.size()) {
    part.slice.ops = std::move(ops);
    waiting->next = 0;
    ops.clear();
  } else {
    part.slice.ops.assign(ops.begin() + static_cast<long>(begin),
                          ops.begin() + static_cast<long>(waiting->next));
  }
  turn->parts.push_back(std::move(part));
}

bool NodeWorker::Fits(const Turn& turn, const v1::ReplicaOp& op) const {
  if (turn.ops == 0) return true;
  // How large a value is that is read nobody knows.
  if (turn.large) {
    return turn.reads == 0 && !IsRead(op) && turn.bytes + OpBytes(op) <= limits_.large_turn_bytes;
  }
  return turn.ops < limits_.turn_ops && turn.bytes + OpBytes(op) <= limits_.turn_bytes &&
         (!IsRead(op) || turn.reads + ReadWeight(op) <= turn_reads_);
}

void NodeWorker::RunTurn(Turn turn) {
  environment_.metrics.turn_ops.Observe(static_cast<double>(turn.ops));
  environment_.metrics.queue_wait_seconds.Observe(Seconds(environment_.clock.Now() - turn.oldest));
  std::vector<v1::ReplicaOpReply> replies;
  replies.reserve(turn.ops);
  Execute(&turn, &replies);
  AdaptReads(turn, replies);
  // Before the answers: who has one may count on the room that it left.
  queued_ops_.fetch_sub(turn.ops, std::memory_order_relaxed);
  queued_bytes_.fetch_sub(turn.bytes, std::memory_order_relaxed);
  Deliver(&turn, std::move(replies));
  AskSources();
  DropRetired();
}

void NodeWorker::DropRetired() {
  std::vector<InstanceName> retired = replica_->TakeDrops();
  if (retired.empty() || environment_.drop == nullptr) return;
  environment_.drop(retired, [this, retired] {
    (void)loop_.Post([this, retired] {
      for (const InstanceName& instance : retired) {
        if (environment_.failed.load(std::memory_order_acquire)) return;
        Status status = replica_->OnDropped(instance);
        if (!status.ok()) return environment_.report_failure(status);
      }
      Publish(/*recount=*/false);
    });
  });
}

void NodeWorker::AskSources() {
  for (SyncQuestion& question : replica_->TakeQuestions()) {
    if (environment_.sync == nullptr) continue;
    environment_.sync->Ask(std::move(question), [this](Boot boot, v1::ReplicaOpReply answer) {
      auto kept = std::make_shared<v1::ReplicaOpReply>(std::move(answer));
      (void)loop_.Post([this, boot, kept] { OnSyncAnswer(boot, *kept); });
    });
  }
}

// One step at a time, so that operations which came meanwhile go first. Returns when the next is
// due.
MonoTime NodeWorker::Sweep() {
  const MonoTime now = environment_.clock.Now();
  if (now < next_sweep_) return next_sweep_;
  bool more = false;
  if (!environment_.failed.load(std::memory_order_acquire)) {
    auto swept = replica_->SweepStep(now);
    if (!swept.ok()) environment_.report_failure(swept.status());
    more = swept.ok() && *swept;
    if (more) Publish(/*recount=*/false);
  }
  next_sweep_ = now + (more ? limits_.sweep_pause : limits_.sweep_look);
  return next_sweep_;
}

void NodeWorker::OnSyncAnswer(Boot boot, const v1::ReplicaOpReply& answer) {
  if (environment_.failed.load(std::memory_order_acquire)) return;
  Status status = replica_->OnSyncAnswer(boot, answer);
  if (!status.ok()) return environment_.report_failure(status);
  Publish(/*recount=*/false);
  AskSources();
}

// `replies`: those of the parts that were executed, in order.
void NodeWorker::Execute(Turn* turn, std::vector<v1::ReplicaOpReply>* replies) {
  std::vector<const v1::ReplicaOp*> ops;
  ops.reserve(turn->ops);
  bool control = false;
  for (Part& part : turn->parts) {
    part.executed = !part.slice.sink->Congested();
    if (!part.executed) continue;
    for (const v1::ReplicaOp* op : part.slice.ops) {
      control |= !op->has_apply() && !IsRead(*op);
      ops.push_back(op);
    }
  }
  if (ops.empty()) return;
  Status status = Status::IoError("the disk has failed");
  if (!environment_.failed.load(std::memory_order_acquire)) {
    if (environment_.disk_space != nullptr) replica_->SetDiskSpace(*environment_.disk_space);
    MonoTime start = environment_.clock.Now();
    status = replica_->Execute(ops, replies);
    environment_.metrics.turn_seconds(KindOf(ops))
        .Observe(Seconds(environment_.clock.Now() - start));
    if (!status.ok()) environment_.report_failure(status);
    Publish(/*recount=*/control);
  }
  if (status.ok()) return;
  // What the replica answered before it failed is worthless: all of it may be undone.
  replies->resize(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    Answer(*ops[i], v1::REPLICA_CODE_IO_ERROR, status.message(), &(*replies)[i]);
  }
}

// How large values are is known only after they are read: the next turn reads as many as would have
// been the right number for this one.
void NodeWorker::AdaptReads(const Turn& turn, const std::vector<v1::ReplicaOpReply>& replies) {
  if (turn.reads == 0 || turn.large) return;
  size_t bytes = 0;
  for (const v1::ReplicaOpReply& reply : replies) bytes += ValueBytes(reply);
  size_t right = bytes == 0 ? limits_.turn_reads : turn.reads * limits_.turn_reply_bytes / bytes;
  // Upwards step by step: one small value says little of the next ones.
  turn_reads_ = std::clamp<size_t>(std::min(right, turn_reads_ * 2), 1, limits_.turn_reads);
}

void NodeWorker::Publish(bool recount) {
  std::lock_guard lock(published_mutex_);
  published_.stats = replica_->stats();
  if (!recount) return;
  published_.instances = replica_->instances();
  published_.voting_instances = replica_->voting_instances();
}

void NodeWorker::Deliver(Turn* turn, std::vector<v1::ReplicaOpReply> replies) {
  // Streams are few: a search among those of the turn is cheaper than a map.
  std::vector<std::pair<ReplySink*, Answers>> by_stream;
  size_t next = 0;
  for (const Part& part : turn->parts) {
    ReplySink* sink = part.slice.sink.get();
    auto found = std::find_if(by_stream.begin(), by_stream.end(),
                              [sink](const auto& entry) { return entry.first == sink; });
    if (found == by_stream.end()) {
      by_stream.emplace_back(sink, Answers{boot_.value(), {}});
      found = std::prev(by_stream.end());
    }
    for (const v1::ReplicaOp* op : part.slice.ops) {
      v1::ReplicaOpReply& reply = found->second.replies.emplace_back();
      if (part.executed) {
        reply = std::move(replies[next++]);
      } else {
        Answer(*op, v1::REPLICA_CODE_OVERLOADED, "the stream's answers are not being read", &reply);
      }
      environment_.metrics.CountOp(op->body_case(), reply.code());
    }
  }
  for (auto& [sink, answers] : by_stream) sink->Deliver(std::move(answers));
}

}  // namespace ringkv
