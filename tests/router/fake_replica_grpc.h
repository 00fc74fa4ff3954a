// A node's Replica service for tests of links: answers Hello as it is told to, counts what comes,
// and answers each operation with OK, or holds everything back. Can be stopped and started again on
// the same port, as a node that is killed and comes back. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc_door.h"
#include "ringkv/v1/replica.grpc.pb.h"
#include "tests/router/await.h"

namespace ringkv {

class FakeReplica final : public v1::Replica::CallbackService {
 public:
  struct Batch {
    int ops = 0;
    size_t bytes = 0;
    size_t largest_value = 0;
    int large_reads = 0;
  };

  ~FakeReplica() override { Stop(); }

  void Start(const std::string& address = "127.0.0.1:0") {
    server_ = std::make_unique<GrpcServer>();
    Status started = server_->Start(address, {this});
    ASSERT_TRUE(started.ok()) << started.ToString();
    address_ = server_->address();
  }
  // All streams break.
  void Stop() {
    // Nobody may be held back any more: gRPC waits for what has been started.
    server_.reset();
  }
  const std::string& address() const { return address_; }

  // Under await: how Hello is answered, and what came.
  Await await;
  v1::ReplicaCode hello_code = v1::REPLICA_CODE_OK;
  uint64_t boot = 1;
  std::string store_uuid = std::string(16, 's');
  bool reading = true;    // false: takes Hello only, then reads nothing
  bool answering = true;  // false: answers Hello only
  std::vector<Batch> batches;
  uint64_t ops = 0;
  int hellos = 0;
  int open_streams = 0;

  grpc::ServerBidiReactor<v1::ReplicaBatch, v1::ReplicaBatchReply>* Exchange(
      grpc::CallbackServerContext*) override {
    return new Stream(*this);
  }

 private:
  class Stream final : public grpc::ServerBidiReactor<v1::ReplicaBatch, v1::ReplicaBatchReply> {
   public:
    explicit Stream(FakeReplica& fake) : fake_(fake) {
      fake_.await.Do([&] { ++fake_.open_streams; });
      StartRead(&incoming_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return FinishOnce();
      outgoing_.Clear();
      fake_.Answer(incoming_, &outgoing_);
      const bool hello = incoming_.ops_size() == 1 && incoming_.ops(0).has_hello();
      if (!hello && !fake_.await.Get([&] { return fake_.answering; })) {
        incoming_.Clear();
        return StartRead(&incoming_);
      }
      StartWrite(&outgoing_);
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return FinishOnce();
      incoming_.Clear();
      if (fake_.await.Get([&] { return fake_.reading; })) StartRead(&incoming_);
    }
    void OnCancel() override { FinishOnce(); }
    void OnDone() override {
      fake_.await.Do([&] { --fake_.open_streams; });
      delete this;
    }

   private:
    void FinishOnce() {
      if (!finished_.exchange(true)) Finish(grpc::Status::OK);
    }
    FakeReplica& fake_;
    v1::ReplicaBatch incoming_;
    v1::ReplicaBatchReply outgoing_;
    std::atomic<bool> finished_{false};
  };

  void Answer(const v1::ReplicaBatch& batch, v1::ReplicaBatchReply* out) {
    await.Do([&] {
      out->set_boot(hello_code == v1::REPLICA_CODE_NOT_READY ? 0 : boot);
      Batch seen;
      seen.bytes = batch.ByteSizeLong();
      for (const v1::ReplicaOp& op : batch.ops()) {
        v1::ReplicaOpReply* reply = out->add_replies();
        reply->set_op(op.op());
        if (op.has_hello()) {
          ++hellos;
          EXPECT_EQ(batch.ops_size(), 1);
          reply->set_code(hello_code);
          reply->mutable_hello()->set_store_uuid(store_uuid);
          continue;
        }
        ++ops;
        ++seen.ops;
        seen.large_reads += op.read().large();
        seen.largest_value = std::max(seen.largest_value, op.apply().record().value().size());
      }
      if (seen.ops > 0) batches.push_back(seen);
    });
  }

  std::unique_ptr<GrpcServer> server_;
  std::string address_;
};

}  // namespace ringkv
