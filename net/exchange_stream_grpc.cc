#include "net/exchange_stream_grpc.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <utility>

#include "net/wire_grpc.h"

namespace ringkv {
namespace {

constexpr char kExchangeMethod[] = "/ringkv.v1.Replica/Exchange";

std::string BatchHeader(const std::string& cluster_uuid, const std::string& node) {
  v1::ReplicaBatch batch;
  batch.set_format_version(1);
  batch.set_cluster_uuid(cluster_uuid);
  batch.set_node(node);
  return batch.SerializeAsString();
}

}  // namespace

void LiveStreams::Add() {
  std::lock_guard lock(mutex_);
  ++count_;
}

void LiveStreams::Remove() {
  std::lock_guard lock(mutex_);
  if (--count_ == 0) none_.notify_all();
}

void LiveStreams::WaitForNone() {
  std::unique_lock lock(mutex_);
  none_.wait(lock, [this] { return count_ == 0; });
}

size_t LiveStreams::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

std::shared_ptr<ExchangeStream> ExchangeStream::Open(std::shared_ptr<grpc::Channel> channel,
                                                     Options options, Handlers handlers,
                                                     std::shared_ptr<LiveStreams> live,
                                                     std::shared_ptr<StreamCounters> counters) {
  std::shared_ptr<ExchangeStream> stream(new ExchangeStream(std::move(channel), std::move(options),
                                                            std::move(handlers), std::move(live),
                                                            std::move(counters)));
  stream->Start();
  return stream;
}

// On an arena: an answer is thousands of small messages, too.
struct ExchangeStream::Incoming {
  google::protobuf::Arena arena;
  v1::ReplicaBatchReply* batch =
      google::protobuf::Arena::CreateMessage<v1::ReplicaBatchReply>(&arena);
};

ExchangeStream::ExchangeStream(std::shared_ptr<grpc::Channel> channel, Options options,
                               Handlers handlers, std::shared_ptr<LiveStreams> live,
                               std::shared_ptr<StreamCounters> counters)
    : options_(std::move(options)),
      live_(std::move(live)),
      counters_(std::move(counters)),
      header_(BatchHeader(options_.cluster_uuid, options_.node)),
      stub_(std::move(channel)),
      handlers_(std::move(handlers)) {}

void ExchangeStream::Start() {
  self_ = shared_from_this();
  live_->Add();
  v1::ReplicaOp hello;
  hello.mutable_hello()->set_router(options_.router);
  Batch first{header_, 1};
  AppendMessage(v1::ReplicaBatch::kOpsFieldNumber, hello, hello.ByteSizeLong(), &first.wire);
  stub_.PrepareBidiStreamingCall(&context_, kExchangeMethod, {}, this);
  // Flush comes from outside the reactions; the hold keeps the call from ending under it.
  AddHold();
  {
    std::lock_guard lock(mutex_);
    hold_ = true;
    sent_ops_ = 1;
    unanswered_.push_back(1);
    writing_ = ToByteBuffer(std::move(first.wire));
  }
  StartRead(&incoming_);
  StartWrite(&*writing_);
  StartCall();
}

bool ExchangeStream::Send(const v1::ReplicaOp& op) {
  const size_t bytes = op.ByteSizeLong();
  std::lock_guard lock(mutex_);
  if (broken_ || queued_ops_ >= options_.max_ops) return false;
  // One operation always fits into an empty outbox, however large it is.
  if (queued_ops_ > 0 && queued_bytes_ + bytes > options_.max_bytes) return false;
  const bool fits = !outbox_.empty() && outbox_.back().ops < kMaxBatchOps &&
                    outbox_.back().wire.size() + kWirePrefixBytes + bytes <= kBatchBytes;
  if (!fits) outbox_.push_back({header_, 0});
  AppendMessage(v1::ReplicaBatch::kOpsFieldNumber, op, bytes, &outbox_.back().wire);
  ++outbox_.back().ops;
  queued_bytes_ += bytes;
  ++queued_ops_;
  return true;
}

bool ExchangeStream::TakeNext() {
  if (broken_ || writing_.has_value() || outbox_.empty()) return false;
  const bool held = !impatient_ && options_.max_unanswered_batches > 0 && outbox_.size() == 1 &&
                    unanswered_.size() >= options_.max_unanswered_batches;
  if (held) return false;
  Batch& next = outbox_.front();
  counters_->batches_out.fetch_add(1, std::memory_order_relaxed);
  counters_->ops_out.fetch_add(next.ops, std::memory_order_relaxed);
  counters_->bytes_out.fetch_add(next.wire.size(), std::memory_order_relaxed);
  sent_ops_ += next.ops;
  unanswered_.push_back(sent_ops_);
  queued_ops_ -= next.ops;
  writing_ = ToByteBuffer(std::move(next.wire));
  outbox_.pop_front();
  queued_bytes_ = 0;
  for (const Batch& batch : outbox_) queued_bytes_ += batch.wire.size();
  held_since_ = kNever;
  impatient_ = !outbox_.empty();  // what filled more than one batch goes on as it can be written
  return true;
}

MonoTime ExchangeStream::Flush(MonoTime now) {
  {
    std::lock_guard lock(mutex_);
    if (broken_ || outbox_.empty()) return kNever;
    if (held_since_ == kNever) held_since_ = now;
    impatient_ = now - held_since_ >= options_.patience;
    // What a write is in the way of leaves when that is done, unless it is held back by then.
    if (!TakeNext()) return impatient_ ? kNever : held_since_ + options_.patience;
  }
  // Outside the lock. Nobody else touches writing_ until OnWriteDone, and as long as it is set the
  // hold is not given back.
  StartWrite(&*writing_);
  return kNever;
}

void ExchangeStream::OnWriteDone(bool ok) {
  bool next = false;
  {
    std::lock_guard lock(mutex_);
    writing_.reset();
    if (!ok) broken_ = true;
    next = TakeNext();
  }
  if (next) return StartWrite(&*writing_);
  if (!ok) context_.TryCancel();  // lets the outstanding read come back
  EndIfIdle();
}

void ExchangeStream::OnReadDone(bool ok) {
  if (!ok) return OnReadsEnd();
  const auto incoming = std::make_shared<Incoming>();
  const size_t bytes = incoming_.Length();
  if (!ParseMessage(&incoming_, incoming->batch)) {
    unreadable_ = true;
    context_.TryCancel();
    return OnReadsEnd();
  }
  const auto replies = static_cast<uint64_t>(incoming->batch->replies_size());
  counters_->batches_in.fetch_add(1, std::memory_order_relaxed);
  counters_->ops_in.fetch_add(replies, std::memory_order_relaxed);
  counters_->bytes_in.fetch_add(bytes, std::memory_order_relaxed);
  bool next = false;
  {
    std::lock_guard lock(mutex_);
    answered_ops_ += replies;
    while (!unanswered_.empty() && unanswered_.front() <= answered_ops_) unanswered_.pop_front();
    next = TakeNext();
  }
  if (next) StartWrite(&*writing_);
  // Before the next read is started: replies are handed up in the order in which they came.
  handlers_.on_reply(std::shared_ptr<v1::ReplicaBatchReply>(incoming, incoming->batch));
  StartRead(&incoming_);
}

// No further read is started.
void ExchangeStream::OnReadsEnd() {
  {
    std::lock_guard lock(mutex_);
    broken_ = true;
  }
  EndIfIdle();
}

void ExchangeStream::Cancel() {
  {
    std::lock_guard lock(mutex_);
    broken_ = true;
    outbox_.clear();
    queued_ops_ = queued_bytes_ = 0;
  }
  context_.TryCancel();
  EndIfIdle();
}

void ExchangeStream::EndIfIdle() {
  {
    std::lock_guard lock(mutex_);
    if (!broken_ || writing_.has_value() || !hold_) return;
    hold_ = false;
  }
  RemoveHold();
}

void ExchangeStream::OnDone(const grpc::Status& status) {
  std::string why = status.error_message();
  if (unreadable_) {
    why = "the node sent something that is no answer";
  } else if (status.ok()) {
    why = "the node closed the stream";
  } else if (why.empty()) {
    why = "gRPC status " + std::to_string(status.error_code());
  }
  Handlers handlers = std::move(handlers_);
  handlers.on_end(Status::Unavailable(std::move(why)));
  handlers = {};
  // Counted as live until the object, with all that it holds of gRPC, may be gone.
  std::shared_ptr<LiveStreams> live = live_;
  std::exchange(self_, nullptr).reset();
  live->Remove();
}

uint64_t ExchangeStream::queued_ops() const {
  std::lock_guard lock(mutex_);
  return queued_ops_;
}

uint64_t ExchangeStream::queued_bytes() const {
  std::lock_guard lock(mutex_);
  return queued_bytes_;
}

}  // namespace ringkv
