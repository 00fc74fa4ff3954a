#include "router/kv_service_grpc.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "router/scan_run.h"

namespace ringkv {
namespace {

// One unary call. Ends with its answer, or at once when the client goes away; the call itself may
// then still be on its way through a shard, and its answer finds nobody.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  using Store = std::function<void(v1::OpResult)>;  // puts the result into the response

  UnaryCall(KvContext& context, UntakenAnswers& untaken, v1::Op op, Store store)
      : context_(context),
        untaken_(untaken),
        store_(std::move(store)),
        started_(context.clock.Now()) {
    link_->call = this;
    Begin(std::move(op));
  }

  void OnCancel() override {
    link_->caller.gone.store(true, std::memory_order_relaxed);
    std::lock_guard lock(link_->mutex);
    if (link_->call == nullptr) return;
    link_->call = nullptr;
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"));
  }
  void OnDone() override {
    untaken_.Remove(answer_bytes_);
    delete this;
  }

 private:
  struct Link {
    CallerState caller;
    std::mutex mutex;
    UnaryCall* call = nullptr;  // guarded by mutex; null: it has ended
  };

  void Begin(v1::Op op) {
    context_.metrics.NoteBatch(1, op.ByteSizeLong());
    if (Status valid = CheckOp(op, context_.clock.WallMillis()); !valid.ok()) {
      return Answer(*link_, RefuseOp(op, v1::ERROR_CODE_INVALID_ARGUMENT, valid.message()));
    }
    if (!context_.gate.TryEnter(1)) {
      return Answer(*link_, RefuseOp(op, v1::ERROR_CODE_UNAVAILABLE, context_.gate.why_closed()));
    }
    ClientCall call;
    call.slot = context_.gate.layout().SlotOfKey(KeyOf(op));
    call.deadline = started_ + TimeoutOf(op, context_.default_timeout);
    call.caller = std::shared_ptr<const CallerState>(link_, &link_->caller);
    call.done = [link = link_, gate = &context_.gate](v1::OpResult result) {
      Answer(*link, std::move(result));
      gate->Leave(1);
    };
    ShardLoop* loop = &context_.loops.loop(context_.LoopOfSlot(call.slot));
    call.op = std::move(op);
    // The loops outlive the gRPC server, so the task is always taken.
    loop->Post([loop, call = std::move(call)]() mutable { loop->shard().Submit(std::move(call)); });
  }

  static void Answer(Link& link, v1::OpResult result) {
    std::lock_guard lock(link.mutex);
    if (link.call == nullptr) return;
    UnaryCall& call = *std::exchange(link.call, nullptr);
    size_t bytes = DroppableBytes(result);
    if (bytes != 0 && !call.untaken_.HasRoomFor(bytes)) {
      DropAnswer("", &result);
      bytes = 0;
    }
    call.untaken_.Add(bytes);
    call.answer_bytes_ = bytes;
    call.context_.metrics.NoteResult(result.result_case(), StatusOf(result).code(),
                                     call.context_.clock.Now() - call.started_);
    call.context_.metrics.NoteAnswers(1, result.ByteSizeLong());
    call.store_(std::move(result));
    call.Finish(grpc::Status::OK);  // the last that is done with it
  }

  KvContext& context_;
  UntakenAnswers& untaken_;
  size_t answer_bytes_ = 0;  // of what waits to be taken, once it is there
  const Store store_;
  const MonoTime started_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
};

// A Scan: one write at a time, the next response is asked for when the last has been written.
class ScanStream final : public grpc::ServerWriteReactor<v1::ScanResponse> {
 public:
  ScanStream(KvContext& context, const v1::ScanRequest& request)
      : context_(context), started_(context.clock.Now()) {
    if (!context_.gate.TryEnter(1)) {
      End(v1::ERROR_CODE_UNAVAILABLE, context_.gate.why_closed(), request.cursor());
      return;
    }
    entered_ = true;
    Result<ScanWalk> walk =
        ScanWalk::Make(request, context_.gate.layout().slots, context_.default_timeout, started_);
    if (!walk.ok()) {
      End(v1::ERROR_CODE_INVALID_ARGUMENT, walk.status().message(), request.cursor());
      return;
    }
    // The run may outlive the stream; what it delivers then finds it gone.
    auto link = link_;
    link->stream = this;
    auto deliver = [link](v1::ScanResponse response, bool last) {
      std::lock_guard lock(link->mutex);
      if (link->stream != nullptr) link->stream->Deliver(std::move(response), last);
    };
    run_ = ScanRun::Make(context_, std::move(*walk), ScanRun::Mode::kStream, std::move(deliver));
    run_->Start();
  }

  void OnWriteDone(bool ok) override {
    bool last = false;
    {
      std::lock_guard lock(link_->mutex);
      writing_ = false;
      last = last_;
      if (!ok) cancelled_ = true;
      if (last || cancelled_) {
        FinishOnce();
        return;
      }
    }
    run_->Resume();
  }

  void OnCancel() override {
    std::lock_guard lock(link_->mutex);
    cancelled_ = true;
    if (!writing_) FinishOnce();
  }

  void OnDone() override {
    {
      std::lock_guard lock(link_->mutex);
      link_->stream = nullptr;
    }
    if (run_ != nullptr) run_->Abandon();
    if (entered_) context_.gate.Leave(1);
    context_.metrics.NoteResult(v1::OpResult::kScan, code_, context_.clock.Now() - started_);
    delete this;
  }

 private:
  struct Link {
    std::mutex mutex;
    ScanStream* stream = nullptr;  // guarded by mutex
  };

  // link_->mutex held. gRPC never calls a reaction from within StartWrite or Finish.
  void Deliver(v1::ScanResponse response, bool last) {
    if (cancelled_) return;
    code_ = response.status().code();
    context_.metrics.NoteScanPage(static_cast<uint64_t>(response.entries_size()),
                                  response.ByteSizeLong());
    response_ = std::move(response);
    last_ = last;
    writing_ = true;
    StartWrite(&response_);
  }

  void FinishOnce() {
    if (finished_) return;
    finished_ = true;
    Finish(cancelled_ ? grpc::Status(grpc::StatusCode::CANCELLED, "the client went away")
                      : grpc::Status::OK);
  }

  void End(v1::ErrorCode code, std::string message, const std::string& cursor) {
    v1::ScanResponse response;
    response.mutable_status()->set_outcome(v1::OUTCOME_NOT_APPLIED);
    response.mutable_status()->set_code(code);
    response.mutable_status()->set_message(std::move(message));
    response.set_cursor(cursor);
    std::lock_guard lock(link_->mutex);
    Deliver(std::move(response), true);
  }

  KvContext& context_;
  const MonoTime started_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
  std::shared_ptr<ScanRun> run_;
  bool entered_ = false;
  // All guarded by link_->mutex.
  v1::ScanResponse response_;
  v1::ErrorCode code_ = v1::ERROR_CODE_OK;
  bool writing_ = false;
  bool last_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace

grpc::ServerUnaryReactor* KvService::Get(grpc::CallbackServerContext*,
                                         const v1::GetRequest* request, v1::GetResponse* response) {
  v1::Op op;
  *op.mutable_get() = *request;
  return new UnaryCall(context_, untaken_, std::move(op), [response](v1::OpResult result) {
    *response = std::move(*result.mutable_get());
  });
}

grpc::ServerUnaryReactor* KvService::Put(grpc::CallbackServerContext*,
                                         const v1::PutRequest* request, v1::PutResponse* response) {
  v1::Op op;
  *op.mutable_put() = *request;
  return new UnaryCall(context_, untaken_, std::move(op), [response](v1::OpResult result) {
    *response = std::move(*result.mutable_put());
  });
}

grpc::ServerUnaryReactor* KvService::Delete(grpc::CallbackServerContext*,
                                            const v1::DeleteRequest* request,
                                            v1::DeleteResponse* response) {
  v1::Op op;
  *op.mutable_del() = *request;
  return new UnaryCall(context_, untaken_, std::move(op), [response](v1::OpResult result) {
    *response = std::move(*result.mutable_del());
  });
}

grpc::ServerUnaryReactor* KvService::Increment(grpc::CallbackServerContext*,
                                               const v1::IncrementRequest* request,
                                               v1::IncrementResponse* response) {
  v1::Op op;
  *op.mutable_increment() = *request;
  return new UnaryCall(context_, untaken_, std::move(op), [response](v1::OpResult result) {
    *response = std::move(*result.mutable_increment());
  });
}

grpc::ServerWriteReactor<v1::ScanResponse>* KvService::Scan(grpc::CallbackServerContext*,
                                                            const v1::ScanRequest* request) {
  return new ScanStream(context_, *request);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* KvService::Batch(
    grpc::CallbackServerContext*) {
  return new BatchCall(context_, streams_, untaken_);
}

}  // namespace ringkv
