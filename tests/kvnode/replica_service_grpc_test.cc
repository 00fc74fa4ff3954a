#include "kvnode/replica_service_grpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/limits.h"
#include "kvnode/memory_store.h"
#include "net/grpc_door.h"
#include "tests/kvnode/gated_store.h"
#include "tests/kvnode/replica_requests.h"
#include "tests/net/raw_stream.h"

namespace ringkv {
namespace {

constexpr std::chrono::seconds kDeadline(30);

// One stream from a client's side. Reads on the calling thread.
class ClientStream {
 public:
  explicit ClientStream(const std::string& address)
      : stub_(v1::Replica::NewStub(MakeChannel(address, {.connection = Connection::kOwn}))) {
    context_.set_deadline(std::chrono::system_clock::now() + kDeadline);
    stream_ = stub_->Exchange(&context_);
  }

  bool Send(const v1::ReplicaBatch& batch) { return stream_->Write(batch); }

  // Reads until `count` replies have come.
  void Await(size_t count) {
    v1::ReplicaBatchReply batch;
    while (replies.size() < count) {
      ASSERT_TRUE(stream_->Read(&batch)) << "ended after " << replies.size() << " replies";
      Take(batch);
    }
  }

  // Says that nothing more will be asked, reads to the end.
  grpc::Status Finish() {
    stream_->WritesDone();
    return ReadToTheEnd();
  }
  grpc::Status ReadToTheEnd() {
    v1::ReplicaBatchReply batch;
    while (stream_->Read(&batch)) Take(batch);
    return stream_->Finish();
  }

  void Cancel() { context_.TryCancel(); }

  std::map<uint64_t, v1::ReplicaOpReply> replies;
  std::vector<size_t> batch_bytes;
  std::vector<uint64_t> boots;

 private:
  void Take(const v1::ReplicaBatchReply& batch) {
    batch_bytes.push_back(batch.ByteSizeLong());
    boots.push_back(batch.boot());
    for (const auto& reply : batch.replies()) {
      EXPECT_TRUE(replies.emplace(reply.op(), reply).second) << "answered twice: " << reply.op();
    }
  }

  std::unique_ptr<v1::Replica::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ReplicaBatch, v1::ReplicaBatchReply>> stream_;
};

class ReplicaServiceTest : public testing::Test {
 protected:
  void SetUp() override { PrepareDisk(disk_); }

  void StartServer(StreamLimits limits = {}, bool serve = true) {
    NodeCoreOptions options;
    options.node = NodeId::Parse("n1").value();
    options.workers = 2;
    core_ = std::make_unique<NodeCore>(clock_, metrics_, options, nullptr);
    service_ = std::make_unique<ReplicaServiceGrpc>(*core_, limits);
    ASSERT_TRUE(server_.Start("127.0.0.1:0", {service_.get()}).ok());
    if (serve) {
      ASSERT_TRUE(core_->Serve(store_, TestRegistered()).ok());
    }
  }

  // As a node stops (kvnode/node_server_grpc.cc).
  void StopServer() {
    core_->Drain();
    service_->CloseStreams();
    server_.Stop(std::chrono::seconds(10));
  }

  void TearDown() override {
    store_.Open();
    StopServer();
    service_.reset();
    core_.reset();
  }

  // Polls a condition that no event announces.
  template <class Condition>
  void Await(Condition condition) {
    auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }

  RealClock clock_;
  MemoryMetrics metrics_;
  MemoryStore disk_;
  GatedStore store_{disk_};
  std::unique_ptr<NodeCore> core_;
  std::unique_ptr<ReplicaServiceGrpc> service_;
  GrpcServer server_;
};

TEST_F(ReplicaServiceTest, HelloPromiseApplyRead) {
  StartServer();
  ClientStream stream(server_.address());
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  ASSERT_TRUE(stream.Send(batch));
  stream.Await(1);
  EXPECT_EQ(stream.replies[1].hello().node(), "n1");
  batch = MakeBatch();
  AddPromise(&batch, 2, 1, kTestTerm, kTestOwner);
  AddApply(&batch, 3, 5, "key", 1, "value");
  ASSERT_TRUE(stream.Send(batch));
  stream.Await(3);
  EXPECT_EQ(stream.replies[2].promise().group(), 1u);
  EXPECT_EQ(stream.replies[3].apply().stored().seq(), 1u);
  batch = MakeBatch();
  AddRead(&batch, 4, 5, "key");
  AddRead(&batch, 5, 5, "absent");
  ASSERT_TRUE(stream.Send(batch));
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(stream.replies[4].read().record().value(), "value");
  EXPECT_TRUE(stream.replies[5].read().record().tombstone());
  EXPECT_THAT(stream.boots, testing::Each(5));
}

TEST_F(ReplicaServiceTest, BeforeRegistrationEverythingIsNotReadyUnderBootZero) {
  StartServer({}, /*serve=*/false);
  ClientStream stream(server_.address());
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  ASSERT_TRUE(stream.Send(batch));
  stream.Await(1);
  EXPECT_EQ(stream.replies[1].code(), v1::REPLICA_CODE_NOT_READY);
  // The same stream serves once the node has registered.
  ASSERT_TRUE(core_->Serve(store_, TestRegistered()).ok());
  batch.mutable_ops(0)->set_op(2);
  ASSERT_TRUE(stream.Send(batch));
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(stream.replies[2].code(), v1::REPLICA_CODE_OK);
  EXPECT_THAT(stream.boots, testing::ElementsAre(0, 5));
}

TEST_F(ReplicaServiceTest, BytesThatAreNoBatchEndTheStream) {
  StartServer();
  const grpc::Status ended = RawStream::EndOf(MakeChannel(server_.address()),
                                              "/ringkv.v1.Replica/Exchange", "\xff\xff\xff");
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << ended.error_message();
}

TEST_F(ReplicaServiceTest, LargestValueThereAndBack) {
  StartServer();
  ClientStream stream(server_.address());
  std::string value(kMaxValueBytes, 'x');
  value.back() = 'y';
  v1::ReplicaBatch batch = MakeBatch();
  AddApply(&batch, 1, 2, std::string(kMaxKeyBytes, 'k'), 1, value);
  ASSERT_TRUE(stream.Send(batch));
  stream.Await(1);
  batch = MakeBatch();
  for (uint64_t op = 2; op < 5; ++op) AddRead(&batch, op, 2, std::string(kMaxKeyBytes, 'k'));
  for (v1::ReplicaOp& op : *batch.mutable_ops()) op.mutable_read()->set_large(true);
  ASSERT_TRUE(stream.Send(batch));
  EXPECT_TRUE(stream.Finish().ok());
  for (uint64_t op = 2; op < 5; ++op) EXPECT_EQ(stream.replies[op].read().record().value(), value);
  for (size_t bytes : stream.batch_bytes) EXPECT_LE(bytes, kMaxMessageBytes);
}

TEST_F(ReplicaServiceTest, RepliesLeaveInBatchesOfBoundedSize) {
  StartServer();
  ClientStream stream(server_.address());
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 40; ++op) {
    AddApply(&batch, op, 1, "k" + std::to_string(op), op, std::string(100'000, 'v'));
  }
  ASSERT_TRUE(stream.Send(batch));
  stream.Await(40);
  batch = MakeBatch();
  for (uint64_t op = 1; op <= 40; ++op) AddRead(&batch, 100 + op, 1, "k" + std::to_string(op));
  ASSERT_TRUE(stream.Send(batch));
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(stream.replies.size(), 80u);
  for (size_t bytes : stream.batch_bytes) EXPECT_LE(bytes, kBatchBytes + 1024);
}

TEST_F(ReplicaServiceTest, ReadsOnWhileWorkIsQueued) {
  StartServer();
  store_.Close();
  ClientStream stream(server_.address());
  for (uint64_t op = 1; op <= 50; ++op) {
    v1::ReplicaBatch batch = MakeBatch();
    AddApply(&batch, op, 0, "k", op, "v");
    ASSERT_TRUE(stream.Send(batch));
  }
  Await([&] { return core_->totals().queued_ops == 50; });
  store_.Open();
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(stream.replies.size(), 50u);
}

TEST_F(ReplicaServiceTest, StreamIsReadOnlyUpToItsBound) {
  StreamLimits limits;
  limits.waiting_batches = 4;
  StartServer(limits);
  store_.Close();
  ClientStream stream(server_.address());
  for (uint64_t op = 1; op <= 20; ++op) {
    v1::ReplicaBatch batch = MakeBatch();
    AddApply(&batch, op, 0, "k", op, "v");
    ASSERT_TRUE(stream.Send(batch));
  }
  Await([&] { return metrics_.Value("node_received_batches_total") == 4; });
  // A stream of its own is served meanwhile, so that the bound is this stream's.
  ClientStream other(server_.address());
  v1::ReplicaBatch hello = MakeBatch();
  AddHello(&hello, 1);
  ASSERT_TRUE(other.Send(hello));
  EXPECT_TRUE(other.Finish().ok());
  EXPECT_EQ(metrics_.Value("node_received_batches_total"), 5);
  store_.Open();
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(stream.replies.size(), 20u);
}

TEST_F(ReplicaServiceTest, StreamThatIsCancelledWhileItsWorkIsQueuedGoesAway) {
  StartServer();
  store_.Close();
  {
    ClientStream stream(server_.address());
    for (uint64_t op = 1; op <= 30; ++op) {
      v1::ReplicaBatch batch = MakeBatch();
      AddApply(&batch, op, static_cast<uint32_t>(op % kTestSlots), "k", op, "v");
      ASSERT_TRUE(stream.Send(batch));
    }
    Await([&] { return core_->totals().queued_ops == 30; });
    stream.Cancel();
    EXPECT_EQ(stream.ReadToTheEnd().error_code(), grpc::StatusCode::CANCELLED);
  }
  Await([&] { return service_->open_streams() == 0; });
  store_.Open();
  Await([&] { return core_->totals().replica.applies == 30; });  // what was queued is executed
  EXPECT_EQ(metrics_.Value("node_open_streams"), 0);
}

TEST_F(ReplicaServiceTest, StreamEndsAfterTheAnswersToWhatItAsked) {
  StartServer();
  store_.Close();
  ClientStream stream(server_.address());
  v1::ReplicaBatch batch = MakeBatch();
  AddApply(&batch, 1, 0, "k", 1, "v");
  ASSERT_TRUE(stream.Send(batch));
  std::thread opener([this] {
    store_.AwaitWaiting();
    store_.Open();
  });
  EXPECT_TRUE(stream.Finish().ok());
  opener.join();
  EXPECT_EQ(stream.replies[1].code(), v1::REPLICA_CODE_OK);
}

TEST_F(ReplicaServiceTest, GracefulStopAnswersWhatWasQueuedAndEndsOpenStreams) {
  StartServer();
  store_.Close();
  ClientStream busy(server_.address()), idle(server_.address());
  v1::ReplicaBatch hello = MakeBatch();
  AddHello(&hello, 1);
  ASSERT_TRUE(idle.Send(hello));
  idle.Await(1);
  v1::ReplicaBatch batch = MakeBatch();
  for (uint64_t op = 1; op <= 10; ++op) AddApply(&batch, op, 0, "k", op, "v");
  ASSERT_TRUE(busy.Send(batch));
  store_.AwaitWaiting();
  Await([&] { return core_->totals().queued_ops == 10; });
  std::thread stopper([this] { StopServer(); });
  store_.Open();
  EXPECT_EQ(busy.ReadToTheEnd().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(busy.replies.size(), 10u);
  for (auto& [op, reply] : busy.replies) EXPECT_EQ(reply.code(), v1::REPLICA_CODE_OK);
  EXPECT_EQ(idle.ReadToTheEnd().error_code(), grpc::StatusCode::UNAVAILABLE);
  stopper.join();
  EXPECT_EQ(service_->open_streams(), 0u);
}

TEST_F(ReplicaServiceTest, ServerStopsWithoutGraceWhileAStreamsWorkIsQueued) {
  StartServer();
  store_.Close();
  ClientStream stream(server_.address());
  v1::ReplicaBatch batch = MakeBatch();
  AddApply(&batch, 1, 0, "k", 1, "v");
  ASSERT_TRUE(stream.Send(batch));
  store_.AwaitWaiting();
  server_.Stop(std::chrono::seconds(0));  // the answer comes after gRPC has let go of the stream
  EXPECT_EQ(service_->open_streams(), 0u);
  EXPECT_FALSE(stream.ReadToTheEnd().ok());
}

TEST_F(ReplicaServiceTest, StreamsThatComeAndGoAtRandomLeaveNothingBehind) {
  StartServer();
  constexpr int kThreads = 4, kStreams = 60;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      Random dice(static_cast<uint64_t>(t) + 1);
      for (int s = 0; s < kStreams; ++s) {
        ClientStream stream(server_.address());
        uint64_t sent = 0;
        for (uint64_t b = dice.Below(4); b > 0; --b) {
          v1::ReplicaBatch batch = MakeBatch();
          for (uint64_t i = dice.Below(20); i > 0; --i) {
            ++sent;
            AddApply(&batch, sent, static_cast<uint32_t>(sent % kTestSlots), "k", sent,
                     std::string(dice.Below(3000), 'v'));
          }
          if (!stream.Send(batch)) {
            const grpc::Status why = stream.ReadToTheEnd();
            ADD_FAILURE() << "stream " << s << " of thread " << t << " ended: " << why.error_code()
                          << " " << why.error_message();
            return;
          }
        }
        switch (dice.Below(3)) {
          case 0: {
            const grpc::Status end = stream.Finish();
            EXPECT_TRUE(end.ok()) << end.error_code() << " " << end.error_message();
            EXPECT_EQ(stream.replies.size(), sent);
            break;
          }
          case 1:
            stream.Await(sent / 2);
            stream.Cancel();
            (void)stream.ReadToTheEnd();
            break;
          default:
            stream.Cancel();
            (void)stream.ReadToTheEnd();
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  Await([&] { return service_->open_streams() == 0 && core_->totals().queued_ops == 0; });
}

}  // namespace
}  // namespace ringkv
