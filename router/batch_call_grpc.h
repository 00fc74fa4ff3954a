// One client's Batch stream: splits what comes in by the loops that own the slots, one task a loop,
// and gathers answers that come within a short while into one message (AnswerHold).
//
// Guarantees
//  1. Every operation that was read gets one result, unless the client goes away first.
//  2. At most about `max_unanswered` operations are without an answer that was written; beyond it
//     nothing more is read (one batch may go over).
//  3. Answers that the client does not take are bounded in bytes: beyond `max_untaken_bytes` of
//     this stream, or `max_untaken_bytes_of_all`, what reads found is dropped for OVERLOADED. A
//     stream without untaken answers gets one in any case.
//  4. At most one write and one read are outstanding.
//
// Made by the service for each call; destroys itself when gRPC and all its calls are done with it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ringkv/v1/kv.grpc.pb.h"
#include "router/answer_hold.h"
#include "router/kv_context.h"
#include "router/untaken_answers.h"

namespace ringkv {

class BatchCalls;

class BatchCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // Borrows all three. Begins to read.
  BatchCall(KvContext& context, BatchCalls& streams, UntakenAnswers& untaken);

  // Ends the stream when what it has in flight is answered.
  void EndSoon();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // Where the results of one loop arrive.
  struct Port final : TurnEnd {
    BatchCall* stream = nullptr;
    ShardLoop* loop = nullptr;
    bool listed = false;   // asked for this turn's end
    uint64_t results = 0;  // of this turn
    void OnTurnEnd() override;
  };

  ~BatchCall() override;
  // A BatchResponse, encoded.
  struct Answers {
    std::string wire;
    uint64_t results = 0;
  };

  void Handle(v1::BatchRequest& batch, size_t bytes);
  void Dispatch(v1::BatchRequest& batch, MonoTime now);
  void StartScan(const v1::Op& op, MonoTime now);
  void OnResult(Port& port, MonoTime started, v1::OpResult result);
  // When the answers that are held back are to leave.
  void ArmTimer(MonoTime due);
  void Refuse(const v1::Op& op, v1::ErrorCode code, const std::string& message);
  // `took`: since the operation came.
  void Append(const v1::OpResult& result, MonoTime now, Duration took);
  // Puts an error in the place of what was read if there is no room for it.
  void BoundAnswer(const std::string& cursor, v1::OpResult* result);
  void ForgetAnswers(size_t bytes);  // mutex_ held
  void DropOutbox();                 // likewise
  // Goes on with whatever may go on: a write, a read, the end. The caller keeps the object alive.
  void Advance();
  struct Next {
    bool write = false;
    bool read = false;
    bool finish = false;
    MonoTime timer = kNever;
    grpc::Status status;
    bool any() const { return write || read || finish || timer != kNever; }
  };
  Next Decide();         // mutex_ held
  bool MayHold() const;  // likewise; something is there to be written
  void Start(const Next& next);
  void LeaveAndMaybeDelete(uint64_t calls);

  KvContext& context_;
  BatchCalls& streams_;
  UntakenAnswers& untaken_;
  const std::shared_ptr<CallerState> caller_ = std::make_shared<CallerState>();
  std::vector<Port> ports_;    // by loop; each used on its loop only
  ShardLoop& timer_loop_;      // streams take turns
  grpc::ByteBuffer incoming_;  // gRPC's while a read is outstanding

  std::mutex mutex_;
  // All guarded by mutex_. `writing_` is gRPC's to read while it is set.
  std::deque<Answers> outbox_;
  AnswerHold hold_;
  MonoTime timer_due_ = kNever;  // of the earliest timer that is armed
  std::optional<grpc::ByteBuffer> writing_;
  uint64_t writing_results_ = 0;
  size_t writing_bytes_ = 0;
  size_t untaken_bytes_ = 0;  // of the outbox, and of what is being written
  uint64_t unanswered_ = 0;   // read and not written
  uint64_t in_flight_ = 0;    // calls whose `done` has not run, and those who hold the object
  bool reading_ = true;
  bool half_closed_ = false;  // nothing more will be read
  bool unreadable_ = false;   // what was read last is no BatchRequest
  bool cancelled_ = false;
  bool end_soon_ = false;
  bool finished_ = false;
  // One thread at a time starts operations, so that none is started after the end; who comes in
  // between leaves word.
  bool starting_ = false;
  bool look_again_ = false;
  bool done_ = false;  // gRPC is done with it
};

// The streams that are open, so that a stop can end them. Thread-safe.
class BatchCalls {
 public:
  void Add(BatchCall* stream);
  void Remove(BatchCall* stream);
  // Of those there are and those to come.
  void EndAll();
  size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::vector<BatchCall*> streams_;  // guarded by mutex_
  bool ending_ = false;              // guarded by mutex_
};

}  // namespace ringkv
