#include "router/batch_call_grpc.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "net/wire_grpc.h"
#include "router/scan_run.h"

namespace ringkv {
BatchCall::BatchCall(KvContext& context, BatchCalls& streams, UntakenAnswers& untaken)
    : context_(context),
      streams_(streams),
      untaken_(untaken),
      ports_(context.loops.size()),
      timer_loop_(context.loops.loop(streams.count() % context.loops.size())) {
  for (size_t i = 0; i < ports_.size(); ++i) {
    ports_[i].stream = this;
    ports_[i].loop = &context.loops.loop(i);
  }
  StartRead(&incoming_);
  streams_.Add(this);
}

BatchCall::~BatchCall() { untaken_.Remove(untaken_bytes_); }

void BatchCall::EndSoon() {
  {
    std::lock_guard lock(mutex_);
    end_soon_ = true;
  }
  Advance();
}

void BatchCall::OnReadDone(bool ok) {
  {
    // Holds the object until this function is done with it.
    std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  bool readable = true;
  if (ok) {
    const size_t bytes = incoming_.Length();
    v1::BatchRequest batch;
    readable = ParseMessage(&incoming_, &batch);
    if (readable) Handle(batch, bytes);
  }
  {
    // Only now: whoever finds no read outstanding may start the next one into incoming_.
    std::lock_guard lock(mutex_);
    reading_ = false;
    unreadable_ = !readable;
    if (!ok || !readable) half_closed_ = true;
  }
  Advance();
  LeaveAndMaybeDelete(1);
}

void BatchCall::Handle(v1::BatchRequest& batch, size_t bytes) {
  const auto ops = static_cast<uint64_t>(batch.ops_size());
  if (ops == 0) return;
  {
    std::lock_guard lock(mutex_);
    unanswered_ += ops;
  }
  context_.metrics.NoteBatch(ops, bytes);
  if (Status fits = CheckBatch(ops, bytes); !fits.ok()) {
    for (const v1::Op& op : batch.ops()) {
      Refuse(op, v1::ERROR_CODE_INVALID_ARGUMENT, fits.message());
    }
    return;
  }
  if (!context_.gate.TryEnter(ops)) {
    const std::string why = context_.gate.why_closed();
    for (const v1::Op& op : batch.ops()) Refuse(op, v1::ERROR_CODE_UNAVAILABLE, why);
    return;
  }
  Dispatch(batch, context_.clock.Now());
}

void BatchCall::Dispatch(v1::BatchRequest& batch, MonoTime now) {
  std::vector<std::vector<ClientCall>> parts(ports_.size());
  const SlotLayout& layout = context_.gate.layout();
  const uint64_t wall_ms = context_.clock.WallMillis();
  uint64_t refused = 0;
  uint64_t taken = 0;
  for (v1::Op& op : *batch.mutable_ops()) {
    if (Status valid = CheckOp(op, wall_ms); !valid.ok()) {
      Refuse(op, v1::ERROR_CODE_INVALID_ARGUMENT, valid.message());
      ++refused;
      continue;
    }
    if (op.has_scan()) {
      StartScan(op, now);
      continue;
    }
    ClientCall call;
    call.slot = layout.SlotOfKey(KeyOf(op));
    call.deadline = now + TimeoutOf(op, context_.default_timeout);
    call.caller = caller_;
    Port* port = &ports_[context_.LoopOfSlot(call.slot)];
    // Two words, so that std::function needs no allocation.
    call.done = [port, now](v1::OpResult result) {
      port->stream->OnResult(*port, now, std::move(result));
    };
    call.op = std::move(op);
    parts[static_cast<size_t>(port - ports_.data())].push_back(std::move(call));
    ++taken;
  }
  if (refused > 0) context_.gate.Leave(refused);
  {
    std::lock_guard lock(mutex_);
    in_flight_ += taken;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    ShardLoop* loop = ports_[i].loop;
    loop->Post([loop, calls = std::move(parts[i])]() mutable {
      for (ClientCall& call : calls) loop->shard().Submit(std::move(call));
    });
  }
}

void BatchCall::StartScan(const v1::Op& op, MonoTime now) {
  Result<ScanWalk> walk =
      ScanWalk::Make(op.scan(), context_.gate.layout().slots, context_.default_timeout, now);
  if (!walk.ok()) {
    Refuse(op, v1::ERROR_CODE_INVALID_ARGUMENT, walk.status().message());
    return context_.gate.Leave(1);
  }
  {
    std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  auto deliver = [this, id = op.id(), now, cursor = op.scan().cursor()](v1::ScanResponse response,
                                                                        bool) {
    v1::OpResult result;
    result.set_id(id);
    *result.mutable_scan() = std::move(response);
    BoundAnswer(cursor, &result);
    context_.metrics.NoteResult(v1::OpResult::kScan, StatusOf(result).code(),
                                context_.clock.Now() - now);
    Append(result, context_.clock.Now(), Duration::zero());
    Advance();
    context_.gate.Leave(1);
    LeaveAndMaybeDelete(1);
  };
  ScanRun::Make(context_, std::move(*walk), ScanRun::Mode::kOnePage, std::move(deliver))->Start();
}

void BatchCall::OnResult(Port& port, MonoTime started, v1::OpResult result) {
  const MonoTime now = context_.clock.Now();
  BoundAnswer("", &result);
  context_.metrics.NoteResult(result.result_case(), StatusOf(result).code(), now - started);
  Append(result, now, now - started);
  ++port.results;
  if (port.listed) return;
  port.listed = true;
  port.loop->AtTurnEnd(&port);
}

void BatchCall::Port::OnTurnEnd() {
  listed = false;
  const uint64_t answered = std::exchange(results, 0);
  stream->Advance();
  stream->context_.gate.Leave(answered);
  stream->LeaveAndMaybeDelete(answered);
}

void BatchCall::Refuse(const v1::Op& op, v1::ErrorCode code, const std::string& message) {
  v1::OpResult result = RefuseOp(op, code, message);
  context_.metrics.NoteResult(result.result_case(), code, Duration::zero());
  Append(result, context_.clock.Now(), Duration::zero());
}

void BatchCall::BoundAnswer(const std::string& cursor, v1::OpResult* result) {
  const size_t bytes = DroppableBytes(*result);
  if (bytes == 0) return;
  {
    std::lock_guard lock(mutex_);
    if (untaken_bytes_ == 0) return;
    const bool fits = untaken_bytes_ + bytes <= context_.max_untaken_bytes;
    if (fits && untaken_.HasRoomFor(bytes)) return;
    caller_->full.store(true, std::memory_order_relaxed);
  }
  DropAnswer(cursor, result);
}

void BatchCall::ForgetAnswers(size_t bytes) {
  untaken_bytes_ -= bytes;
  untaken_.Remove(bytes);
}

void BatchCall::DropOutbox() {
  for (const Answers& answers : outbox_) ForgetAnswers(answers.wire.size());
  outbox_.clear();
}

void BatchCall::Append(const v1::OpResult& result, MonoTime now, Duration took) {
  const size_t bytes = result.ByteSizeLong();
  std::lock_guard lock(mutex_);
  if (cancelled_) return;
  const bool fits = !outbox_.empty() && outbox_.back().results < kMaxBatchRequestOps &&
                    outbox_.back().wire.size() + kWirePrefixBytes + bytes <= kBatchBytes;
  if (!fits) outbox_.emplace_back();
  std::string& wire = outbox_.back().wire;
  const size_t before = wire.size();
  AppendMessage(v1::BatchResponse::kResultsFieldNumber, result, bytes, &wire);
  untaken_bytes_ += wire.size() - before;
  untaken_.Add(wire.size() - before);
  ++outbox_.back().results;
  hold_.Note(now, took);
}

bool BatchCall::MayHold() const {
  return outbox_.size() == 1 && outbox_.front().results < unanswered_ && !half_closed_ &&
         !end_soon_ && context_.clock.Now() < hold_.due();
}

void BatchCall::Advance() {
  while (true) {
    Next next;
    {
      std::lock_guard lock(mutex_);
      if (starting_) {
        look_again_ = true;
        return;
      }
      next = Decide();
      if (!next.any()) return;
      starting_ = true;
    }
    Start(next);
    std::lock_guard lock(mutex_);
    starting_ = false;
    if (!std::exchange(look_again_, false)) return;
  }
}

BatchCall::Next BatchCall::Decide() {
  Next next;
  if (finished_) return next;
  if (!writing_.has_value() && !cancelled_ && !outbox_.empty()) {
    if (!MayHold()) {
      writing_results_ = outbox_.front().results;
      writing_bytes_ = outbox_.front().wire.size();
      writing_ = ToByteBuffer(std::move(outbox_.front().wire));
      outbox_.pop_front();
      if (outbox_.empty()) hold_.Sent();
      next.write = true;
    } else if (hold_.due() < timer_due_) {
      timer_due_ = next.timer = hold_.due();
      ++in_flight_;  // the timer's
    }
  }
  if (cancelled_) {
    next.finish = !writing_.has_value() && !reading_;
    next.status = grpc::Status(grpc::StatusCode::CANCELLED, "the client went away");
  } else if (unanswered_ == 0 && (half_closed_ || end_soon_)) {
    next.finish = !writing_.has_value();
    if (unreadable_) next.status = {grpc::StatusCode::INVALID_ARGUMENT, "this is no BatchRequest"};
    if (!half_closed_) next.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  } else if (!reading_ && !half_closed_ && !end_soon_ && unanswered_ < context_.max_unanswered) {
    reading_ = next.read = true;
  }
  if (next.finish) finished_ = true;
  return next;
}

void BatchCall::Start(const Next& next) {
  if (next.write) {
    context_.metrics.NoteAnswers(writing_results_, writing_->Length());
    StartWrite(&*writing_);
  }
  if (next.read) {
    StartRead(&incoming_);
  }
  if (next.timer != kNever) ArmTimer(next.timer);
  if (next.finish) Finish(next.status);
}

void BatchCall::ArmTimer(MonoTime due) {
  // Also where the loop ends before it is due.
  const std::shared_ptr<BatchCall> staying(this,
                                           [](BatchCall* call) { call->LeaveAndMaybeDelete(1); });
  timer_loop_.Post([loop = &timer_loop_, due, staying] {
    loop->RunAt(due, [due, staying] {
      {
        std::lock_guard lock(staying->mutex_);
        if (staying->timer_due_ == due) staying->timer_due_ = kNever;
      }
      staying->Advance();
    });
  });
}

void BatchCall::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    unanswered_ -= writing_results_;
    writing_.reset();
    ForgetAnswers(std::exchange(writing_bytes_, 0));
    caller_->full.store(false, std::memory_order_relaxed);
    if (!ok) {
      cancelled_ = true;
      DropOutbox();
    }
    ++in_flight_;
  }
  if (!ok) caller_->gone.store(true, std::memory_order_relaxed);
  Advance();
  LeaveAndMaybeDelete(1);
}

void BatchCall::OnCancel() {
  caller_->gone.store(true, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    DropOutbox();
    ++in_flight_;
  }
  Advance();
  LeaveAndMaybeDelete(1);
}

void BatchCall::OnDone() {
  streams_.Remove(this);
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    ++in_flight_;
  }
  LeaveAndMaybeDelete(1);
}

void BatchCall::LeaveAndMaybeDelete(uint64_t calls) {
  {
    std::lock_guard lock(mutex_);
    in_flight_ -= calls;
    if (in_flight_ != 0 || !done_) return;
  }
  delete this;
}

void BatchCalls::Add(BatchCall* stream) {
  std::lock_guard lock(mutex_);
  streams_.push_back(stream);
  if (ending_) stream->EndSoon();
}

void BatchCalls::Remove(BatchCall* stream) {
  std::lock_guard lock(mutex_);
  std::erase(streams_, stream);
}

size_t BatchCalls::count() const {
  std::lock_guard lock(mutex_);
  return streams_.size();
}

void BatchCalls::EndAll() {
  // Under the lock: a stream takes itself out, and so lives, until then. It never asks for this
  // lock within EndSoon.
  std::lock_guard lock(mutex_);
  ending_ = true;
  for (BatchCall* stream : streams_) stream->EndSoon();
}

}  // namespace ringkv
