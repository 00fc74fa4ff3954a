#include "kvnode/replica_service_grpc.h"

#include <google/protobuf/arena.h>

#include <deque>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "net/wire_grpc.h"

namespace ringkv {

// One stream. All calls into gRPC (StartRead, StartWrite, Finish) are made by Pump, one after the
// other and never with the mutex held: gRPC may call back from within them, and nothing may be
// started after Finish.
class ReplicaServiceGrpc::Stream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public ReplySink,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(ReplicaServiceGrpc& service, NodeCore& core, const StreamLimits& limits)
      : service_(service), core_(core), limits_(limits) {
    core_.metrics().open_streams.Add(1);
  }

  // Until OnDone the stream keeps itself alive.
  void Begin(std::shared_ptr<Stream> self) {
    self_ = std::move(self);
    Pump();
  }

  // Finishes once everything that was read is answered and sent.
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    Pump();
  }

  void OnReadDone(bool ok) override {
    const bool readable = !ok || Submit();
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
      if (!ok) read_ended_ = true;
      if (!readable) unreadable_ = true;
    }
    Pump();
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      unsent_bytes_ -= std::exchange(writing_bytes_, 0);
      if (!ok) Break();
    }
    Pump();
  }

  void OnCancel() override {
    {
      std::lock_guard lock(mutex_);
      Break();
    }
    Pump();
  }

  void OnDone() override {
    // Answers that are still to come find the stream finished, and touch nothing but it: server,
    // service and core may be gone after Forget.
    std::shared_ptr<Stream> self = std::move(self_);
    core_.metrics().open_streams.Add(-1);
    service_.Forget(this);
  }

  void Deliver(Answers answers) override {
    if (answers.replies.empty()) return;
    std::vector<Unsent> encoded = Encode(answers);
    {
      std::lock_guard lock(mutex_);
      if (broken_ || finished_) return;
      for (Unsent& batch : encoded) Append(std::move(batch));
    }
    Pump();
  }

  bool Congested() const override {
    std::lock_guard lock(mutex_);
    return unsent_bytes_ > limits_.congested_bytes;
  }

 private:
  // A batch from the wire. Freed by whoever answers its last operation; only then does the stream
  // count it as done.
  struct Incoming {
    explicit Incoming(std::shared_ptr<Stream> stream)
        : stream(std::move(stream)),
          batch(google::protobuf::Arena::CreateMessage<v1::ReplicaBatch>(&arena)) {}
    ~Incoming() {
      if (bytes > 0) stream->Answered(bytes);
    }
    std::shared_ptr<Stream> stream;
    google::protobuf::Arena arena;  // a batch is thousands of small messages
    v1::ReplicaBatch* batch;
    size_t bytes = 0;  // counted as waiting; 0: not counted
  };
  // A ReplicaBatchReply, encoded. One message has one boot.
  struct Unsent {
    uint64_t boot;
    std::string wire;
  };
  enum class Action { kNothing, kRead, kWrite, kFinish };

  static std::string Header(uint64_t boot) {
    v1::ReplicaBatchReply batch;
    batch.set_boot(boot);
    return batch.SerializeAsString();
  }

  static std::vector<Unsent> Encode(const Answers& answers) {
    std::vector<Unsent> batches;
    for (const v1::ReplicaOpReply& reply : answers.replies) {
      const size_t bytes = reply.ByteSizeLong();
      const bool fits =
          !batches.empty() && batches.back().wire.size() + kWirePrefixBytes + bytes <= kBatchBytes;
      if (!fits) batches.push_back({answers.boot, Header(answers.boot)});
      AppendMessage(v1::ReplicaBatchReply::kRepliesFieldNumber, reply, bytes, &batches.back().wire);
    }
    return batches;
  }

  // With mutex_ held. Two batches with the same header are one, in the wire format: the later value
  // of a field counts, and elements add up.
  void Append(Unsent batch) {
    unsent_bytes_ += batch.wire.size();
    const bool fits = !unsent_.empty() && unsent_.back().boot == batch.boot &&
                      unsent_.back().wire.size() + batch.wire.size() <= kBatchBytes;
    if (fits) {
      unsent_.back().wire += batch.wire;
    } else {
      unsent_.push_back(std::move(batch));
    }
  }

  // On the thread of OnReadDone, before the next read is started: batches enter the core in order.
  // False: what came is no batch.
  bool Submit() {
    const size_t wire_bytes = incoming_.Length();
    auto incoming = std::make_shared<Incoming>(shared_from_this());
    if (!ParseMessage(&incoming_, incoming->batch)) return false;
    const v1::ReplicaBatch* batch = incoming->batch;
    core_.metrics().received_batches.Add();
    core_.metrics().received_bytes.Add(wire_bytes);
    incoming->bytes = wire_bytes + 1;
    for (const v1::ReplicaOp& op : batch->ops()) incoming->bytes += op.has_apply() ? 128 : 64;
    {
      std::lock_guard lock(mutex_);
      waiting_bytes_ += incoming->bytes;
      ++waiting_batches_;
    }
    if (batch->ops().empty()) return true;
    core_.Execute(std::shared_ptr<const v1::ReplicaBatch>(std::move(incoming), batch),
                  shared_from_this());
    return true;
  }

  void Answered(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      waiting_bytes_ -= bytes;
      --waiting_batches_;
    }
    Pump();
  }

  // With mutex_ held: nobody listens any more.
  void Break() {
    broken_ = true;
    unsent_.clear();
    unsent_bytes_ = writing_bytes_;
  }

  // Whoever changes the state calls this afterwards. One thread at a time does what is to be done;
  // the others leave it to that one, which looks at the state again before it leaves.
  void Pump() {
    // Finish may end the stream, on another thread, while this one is still here.
    std::shared_ptr<Stream> keep = shared_from_this();
    {
      std::lock_guard lock(mutex_);
      if (pumping_) return;
      pumping_ = true;
    }
    while (true) {
      Action action = Next();
      if (action == Action::kNothing) return;
      Do(action);
    }
  }

  Action Next() {
    std::lock_guard lock(mutex_);
    if (!finished_ && !writing_) {
      if (MayFinish()) {
        finished_ = true;
        return Action::kFinish;
      }
      if (!unsent_.empty()) {
        writing_ = true;
        writing_bytes_ = unsent_.front().wire.size();
        write_ = ToByteBuffer(std::move(unsent_.front().wire));
        unsent_.pop_front();
        return Action::kWrite;
      }
    }
    if (!finished_ && MayRead()) {
      reading_ = true;
      return Action::kRead;
    }
    pumping_ = false;
    return Action::kNothing;
  }

  // With mutex_ held. A read may be under way, for a peer that has nothing more to say: gRPC ends
  // it.
  bool MayFinish() const {
    if (broken_ || unreadable_) return true;
    return (read_ended_ || closing_) && waiting_batches_ == 0 && unsent_.empty();
  }

  // With mutex_ held.
  bool MayRead() const {
    if (reading_ || read_ended_ || closing_ || broken_ || unreadable_) return false;
    return waiting_batches_ < limits_.waiting_batches &&
           (waiting_batches_ == 0 || waiting_bytes_ < limits_.waiting_bytes) &&
           unsent_bytes_ < limits_.unsent_bytes;
  }

  void Do(Action action) {
    if (action == Action::kRead) {
      StartRead(&incoming_);
    } else if (action == Action::kWrite) {
      core_.metrics().sent_batches.Add();
      core_.metrics().sent_bytes.Add(write_.Length());
      StartWrite(&write_);
    } else {
      Finish(FinalStatus());
    }
  }

  grpc::Status FinalStatus() const {
    std::lock_guard lock(mutex_);
    if (broken_) return {grpc::StatusCode::CANCELLED, "the stream broke"};
    if (unreadable_) return {grpc::StatusCode::INVALID_ARGUMENT, "this is no ReplicaBatch"};
    if (read_ended_) return grpc::Status::OK;
    return {grpc::StatusCode::UNAVAILABLE, "the node is stopping"};
  }

  ReplicaServiceGrpc& service_;  // not after OnDone
  NodeCore& core_;               // not after OnDone
  const StreamLimits limits_;
  std::shared_ptr<Stream> self_;  // until OnDone
  grpc::ByteBuffer incoming_;     // of the read under way
  grpc::ByteBuffer write_;        // of the write under way

  mutable std::mutex mutex_;    // guards everything below
  bool pumping_ = false;        // a thread is in Pump and will look at all this again
  bool reading_ = false;        // StartRead without its OnReadDone
  bool writing_ = false;        // StartWrite without its OnWriteDone
  bool read_ended_ = false;     // the peer has sent everything, or is gone
  bool unreadable_ = false;     // what it sent last is no batch
  bool broken_ = false;         // nobody reads answers any more
  bool closing_ = false;        // we want to end
  bool finished_ = false;       // Finish was called: nothing may be started any more
  size_t waiting_batches_ = 0;  // read and not answered to the end
  size_t waiting_bytes_ = 0;    // of these
  std::deque<Unsent> unsent_;
  size_t writing_bytes_ = 0;  // in write_, until it is written
  size_t unsent_bytes_ = 0;   // in unsent_ and write_
};

ReplicaServiceGrpc::ReplicaServiceGrpc(NodeCore& core, StreamLimits limits)
    : core_(core), limits_(limits) {}

ReplicaServiceGrpc::~ReplicaServiceGrpc() {
  std::unique_lock lock(mutex_);
  all_forgotten_.wait(lock, [this] { return streams_.empty(); });
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ReplicaServiceGrpc::Exchange(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<Stream>(*this, core_, limits_);
  bool closing = false;
  {
    std::lock_guard lock(mutex_);
    streams_.emplace(stream.get(), stream);
    closing = closing_;
  }
  Stream* reactor = stream.get();
  reactor->Begin(stream);
  if (closing) reactor->Close();
  return reactor;
}

void ReplicaServiceGrpc::Forget(Stream* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
  all_forgotten_.notify_all();
}

void ReplicaServiceGrpc::CloseStreams() {
  std::vector<std::shared_ptr<Stream>> open;
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& [pointer, stream] : streams_) {
      if (auto alive = stream.lock()) open.push_back(std::move(alive));
    }
  }
  for (const auto& stream : open) stream->Close();
}

size_t ReplicaServiceGrpc::open_streams() const {
  std::lock_guard lock(mutex_);
  return streams_.size();
}

}  // namespace ringkv
