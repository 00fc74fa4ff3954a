#include "net/exchange_stream_grpc.h"

#include <utility>

namespace ringkv {

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

ExchangeStream::ExchangeStream(std::shared_ptr<grpc::Channel> channel, Options options,
                               Handlers handlers, std::shared_ptr<LiveStreams> live,
                               std::shared_ptr<StreamCounters> counters)
    : options_(std::move(options)),
      live_(std::move(live)),
      counters_(std::move(counters)),
      stub_(v1::Replica::NewStub(std::move(channel))),
      handlers_(std::move(handlers)) {}

void ExchangeStream::Start() {
  self_ = shared_from_this();
  live_->Add();
  auto hello = NewBatch();
  hello->add_ops()->mutable_hello()->set_router(options_.router);
  stub_->async()->Exchange(&context_, this);
  // Flush comes from outside the reactions; the hold keeps the call from ending under it.
  AddHold();
  {
    std::lock_guard lock(mutex_);
    hold_ = true;
    writing_ = std::move(hello);
  }
  StartRead(&incoming_);
  StartWrite(writing_.get());
  StartCall();
}

std::unique_ptr<v1::ReplicaBatch> ExchangeStream::NewBatch() const {
  auto batch = std::make_unique<Batch>();
  batch->set_format_version(1);
  batch->set_cluster_uuid(options_.cluster_uuid);
  batch->set_node(options_.node);
  return batch;
}

bool ExchangeStream::Send(v1::ReplicaOp op, size_t bytes) {
  std::lock_guard lock(mutex_);
  if (broken_ || queued_ops_ >= options_.max_ops) return false;
  // One operation always fits into an empty outbox, however large it is.
  if (queued_ops_ > 0 && queued_bytes_ + bytes > options_.max_bytes) return false;
  const bool fits = !outbox_.empty() && outbox_.back().batch->ops_size() < kMaxBatchOps &&
                    outbox_.back().bytes + bytes <= kBatchBytes;
  if (!fits) outbox_.push_back({NewBatch(), 0});
  *outbox_.back().batch->add_ops() = std::move(op);
  outbox_.back().bytes += bytes;
  queued_bytes_ += bytes;
  ++queued_ops_;
  return true;
}

bool ExchangeStream::TakeNext() {
  if (broken_ || writing_ != nullptr || outbox_.empty()) return false;
  writing_ = std::move(outbox_.front().batch);
  queued_ops_ -= static_cast<size_t>(writing_->ops_size());
  queued_bytes_ -= outbox_.front().bytes;
  outbox_.pop_front();
  return true;
}

void ExchangeStream::Flush() {
  {
    std::lock_guard lock(mutex_);
    if (!TakeNext()) return;
  }
  // Outside the lock: gRPC serializes the batch here. Nobody else touches writing_ until
  // OnWriteDone, and as long as it is set the hold is not given back.
  Write();
}

void ExchangeStream::Write() {
  counters_->batches_out.fetch_add(1, std::memory_order_relaxed);
  counters_->ops_out.fetch_add(static_cast<uint64_t>(writing_->ops_size()),
                               std::memory_order_relaxed);
  counters_->bytes_out.fetch_add(writing_->ByteSizeLong(), std::memory_order_relaxed);
  StartWrite(writing_.get());
}

void ExchangeStream::OnWriteDone(bool ok) {
  bool next = false;
  {
    std::lock_guard lock(mutex_);
    writing_.reset();
    if (!ok) broken_ = true;
    next = TakeNext();
  }
  if (next) return Write();
  if (!ok) context_.TryCancel();  // lets the outstanding read come back
  EndIfIdle();
}

void ExchangeStream::OnReadDone(bool ok) {
  if (ok) {
    counters_->batches_in.fetch_add(1, std::memory_order_relaxed);
    counters_->ops_in.fetch_add(static_cast<uint64_t>(incoming_.replies_size()),
                                std::memory_order_relaxed);
    counters_->bytes_in.fetch_add(incoming_.ByteSizeLong(), std::memory_order_relaxed);
    // Before the next read is started: replies are handed up in the order in which they came.
    handlers_.on_reply(std::exchange(incoming_, {}));
    StartRead(&incoming_);
    return;
  }
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
    if (!broken_ || writing_ != nullptr || !hold_) return;
    hold_ = false;
  }
  RemoveHold();
}

void ExchangeStream::OnDone(const grpc::Status& status) {
  std::string why = status.error_message();
  if (status.ok()) {
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
