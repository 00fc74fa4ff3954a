#include "router/node_link_grpc.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/limits.h"
#include "tests/router/fake_replica_grpc.h"

namespace ringkv {
namespace {

using std::chrono::milliseconds;

// Answers whatever comes with bytes that are no message.
class GarbledReplica final
    : public v1::Replica::WithRawCallbackMethod_Exchange<v1::Replica::Service> {
 public:
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Exchange(
      grpc::CallbackServerContext*) override {
    return new Stream;
  }

 private:
  class Stream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Stream() {
      StartRead(&incoming_);
      StartWrite(&garbled_);
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer incoming_;
    const grpc::Slice slice_{std::string("\xff\xff\xff")};
    const grpc::ByteBuffer garbled_{&slice_, 1};
  };
};

// A loop with links, and what they reported.
class NodeLinkTest : public testing::Test, public LinkEvents {
 protected:
  void SetUp() override { node_.Start(); }

  void StartLinks(NodeLinkOptions options = {}) {
    options.router = "r1";
    options.log = false;
    loop_ = std::make_unique<EventLoop>("test", clock_, [this] {
      if (links_->NextDue() <= clock_.Now()) links_->RunDue();
      links_->Flush();
      return links_->NextDue();
    });
    links_ = std::make_unique<GrpcNodeLinks>(options, clock_, *loop_, *this);
    loop_->Start();
    SetPeer();
  }

  void TearDown() override {
    if (links_ == nullptr) return;
    links_->Stop();
    loop_->Stop();
  }

  PeerAddress Address() {
    PeerAddress peer;
    peer.peer = Peer(0);
    peer.cluster_uuid = std::string(16, 'u');
    peer.node = *NodeId::Parse("n1");
    peer.address = node_.address();
    return peer;
  }
  void SetPeer() { SetPeer(Address()); }
  void SetPeer(const PeerAddress& peer) {
    loop_->Post([this, peer] { links_->SetPeer(peer); });
  }

  // Runs on the loop and waits for it.
  void OnLoop(std::function<void()> what) {
    bool done = false;
    loop_->Post([&] {
      what();
      seen_.Do([&] { done = true; });
    });
    ASSERT_TRUE(seen_.For([&] { return done; }));
  }

  static v1::ReplicaOp Apply(uint64_t op, size_t value_bytes = 10) {
    v1::ReplicaOp apply;
    apply.set_op(op);
    apply.mutable_apply()->set_key("k");
    apply.mutable_apply()->mutable_record()->set_value(std::string(value_bytes, 'v'));
    return apply;
  }

  LinkReport Report() {
    LinkReport report;
    OnLoop([&] { report = links_->Report().at(0); });
    return report;
  }

  bool Connected(int times) {
    return seen_.For([&] { return connects_ == times; });
  }

  void OnConnected(Peer, Boot boot) override {
    seen_.Do([&] {
      EXPECT_EQ(connects_, disconnects_);
      ++connects_, boot_ = boot;
    });
  }
  void OnDisconnected(Peer) override {
    seen_.Do([&] {
      ++disconnects_;
      EXPECT_EQ(connects_, disconnects_);
    });
  }
  void OnReplies(Peer, const v1::ReplicaBatchReply& batch) override {
    seen_.Do([&] {
      EXPECT_EQ(connects_, disconnects_ + 1);
      replies_ += static_cast<uint64_t>(batch.replies_size());
    });
  }

  RealClock clock_;
  FakeReplica node_;
  Await seen_;
  int connects_ = 0;
  int disconnects_ = 0;
  Boot boot_;
  uint64_t replies_ = 0;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<GrpcNodeLinks> links_;
};

TEST_F(NodeLinkTest, ConnectsWithBothStreamsAndCarriesOperationsBothWays) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  EXPECT_EQ(boot_, Boot(1));
  EXPECT_EQ(node_.await.Get([&] { return node_.hellos; }), 2);
  OnLoop([&] {
    for (uint64_t i = 1; i <= 100; ++i) EXPECT_TRUE(links_->Send(Peer(0), Apply(i)));
  });
  EXPECT_TRUE(seen_.For([&] { return replies_ == 100; }));
  EXPECT_TRUE(Report().connected);
  EXPECT_EQ(links_->Counts().ops_out, 100u);
  // What was handed over in one turn went together.
  EXPECT_EQ(node_.await.Get([&] { return node_.batches.size(); }), 1u);
}

TEST_F(NodeLinkTest, TakesNothingBeforeItIsConnected) {
  node_.hello_code = v1::REPLICA_CODE_NOT_READY;
  StartLinks();
  OnLoop([&] {
    EXPECT_FALSE(links_->Send(Peer(0), Apply(1)));
    EXPECT_FALSE(links_->Send(Peer(7), Apply(1)));
  });
}

TEST_F(NodeLinkTest, AsksANodeThatIsNotReadyAgainAndSaysWhy) {
  node_.hello_code = v1::REPLICA_CODE_NOT_READY;
  StartLinks();
  ASSERT_TRUE(node_.await.For([&] { return node_.hellos >= 3; }));
  LinkReport report = Report();
  EXPECT_FALSE(report.connected);
  EXPECT_TRUE(report.answers);
  EXPECT_NE(report.why.find("not ready"), std::string::npos) << report.why;
  node_.await.Do([&] { node_.hello_code = v1::REPLICA_CODE_OK; });
  EXPECT_TRUE(Connected(1));
}

TEST_F(NodeLinkTest, EndsASessionWhoseAnswersCannotBeRead) {
  GarbledReplica garbled;
  GrpcServer server;
  ASSERT_TRUE(server.Start("127.0.0.1:0", {&garbled}).ok());
  StartLinks();
  ASSERT_TRUE(Connected(1));
  PeerAddress elsewhere = Address();
  elsewhere.address = server.address();
  SetPeer(elsewhere);
  ASSERT_TRUE(seen_.For([&] { return disconnects_ == 1; }));
  LinkReport report = Report();
  const MonoTime deadline = clock_.Now() + kTestPatience;
  while (report.why.find("no answer") == std::string::npos && clock_.Now() < deadline) {
    report = Report();
  }
  EXPECT_NE(report.why.find("something that is no answer"), std::string::npos) << report.why;
  EXPECT_FALSE(report.connected);
  links_->Stop();  // before the server that they may be trying
  server.Stop(Duration::zero());
}

TEST_F(NodeLinkTest, DoesNotTalkToAnotherNodeOrCluster) {
  for (auto code : {v1::REPLICA_CODE_WRONG_NODE, v1::REPLICA_CODE_WRONG_CLUSTER}) {
    node_.await.Do([&] { node_.hello_code = code, node_.hellos = 0; });
    if (links_ == nullptr) StartLinks();
    ASSERT_TRUE(node_.await.For([&] { return node_.hellos >= 2; }));
  }
  EXPECT_EQ(seen_.Get([&] { return connects_; }), 0);
  EXPECT_NE(Report().why.find("wrong"), std::string::npos) << Report().why;
}

TEST_F(NodeLinkTest, DoesNotTalkToAnotherDiskOrAnEarlierProcess) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  PeerAddress expected = Address();
  expected.store_uuid = std::string(16, 't');
  expected.boot = Boot(1);
  SetPeer(expected);  // it has registered from another disk
  ASSERT_TRUE(seen_.For([&] { return disconnects_ == 1; }));
  ASSERT_TRUE(node_.await.For([&] { return node_.hellos >= 4; }));
  EXPECT_NE(Report().why.find("another disk"), std::string::npos) << Report().why;
  node_.await.Do([&] { node_.store_uuid = std::string(16, 't'); });
  ASSERT_TRUE(Connected(2));

  expected.boot = Boot(2);  // it has registered again
  SetPeer(expected);
  ASSERT_TRUE(seen_.For([&] { return disconnects_ == 2; }));
  const int hellos = node_.await.Get([&] { return node_.hellos; });
  ASSERT_TRUE(node_.await.For([&] { return node_.hellos >= hellos + 2; }));
  EXPECT_NE(Report().why.find("earlier process"), std::string::npos) << Report().why;
  node_.await.Do([&] { node_.boot = 2; });
  ASSERT_TRUE(Connected(3));
  EXPECT_EQ(boot_, Boot(2));
}

TEST_F(NodeLinkTest, GathersWhileAWriteIsOutstanding) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  // Every operation in a turn of its own; they find a write outstanding more often than not.
  for (uint64_t i = 1; i <= 5000; ++i) {
    loop_->Post([this, i] { links_->Send(Peer(0), Apply(i, 2000)); });
  }
  ASSERT_TRUE(seen_.For([&] { return replies_ == 5000; }));
  const auto batches = node_.await.Get([&] { return node_.batches; });
  EXPECT_LT(batches.size(), 5000u);
  for (const auto& batch : batches) {
    EXPECT_LE(batch.ops, kMaxBatchOps);
    EXPECT_LE(batch.bytes, kBatchBytes);
  }
}

TEST_F(NodeLinkTest, HoldsBackWhatComesWhileABatchIsNotAnswered) {
  node_.await.Do([&] { node_.reading = false; });
  NodeLinkOptions options;
  options.max_unanswered_batches = 1;
  options.patience = std::chrono::minutes(10);
  StartLinks(options);
  ASSERT_TRUE(Connected(1));
  OnLoop([&] { ASSERT_TRUE(links_->Send(Peer(0), Apply(1))); });
  EXPECT_EQ(Report().queued_ops, 0u);
  OnLoop([&] { ASSERT_TRUE(links_->Send(Peer(0), Apply(2))); });
  OnLoop([&] { ASSERT_TRUE(links_->Send(Peer(0), Apply(3))); });
  EXPECT_EQ(Report().queued_ops, 2u);
}

TEST_F(NodeLinkTest, WhatFillsMoreThanOneBatchIsNotHeldBack) {
  node_.await.Do([&] { node_.answering = false; });
  NodeLinkOptions options;
  options.max_unanswered_batches = 1;
  options.patience = std::chrono::minutes(10);
  StartLinks(options);
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 0; i < kMaxBatchOps + 10; ++i) ASSERT_TRUE(links_->Send(Peer(0), Apply(i)));
  });
  EXPECT_TRUE(node_.await.For([&] { return node_.ops == kMaxBatchOps + 10; }));
}

TEST_F(NodeLinkTest, WhatIsHeldBackLeavesWithTheAnswer) {
  NodeLinkOptions options;
  options.max_unanswered_batches = 1;
  options.patience = std::chrono::minutes(10);
  StartLinks(options);
  ASSERT_TRUE(Connected(1));
  for (uint64_t i = 1; i <= 5000; ++i) {
    loop_->Post([this, i] { links_->Send(Peer(0), Apply(i)); });
  }
  ASSERT_TRUE(seen_.For([&] { return replies_ == 5000; }));
}

TEST_F(NodeLinkTest, WhatIsHeldBackLeavesWhenPatienceEnds) {
  node_.await.Do([&] { node_.reading = false; });
  NodeLinkOptions options;
  options.max_unanswered_batches = 1;
  options.patience = milliseconds(20);
  StartLinks(options);
  ASSERT_TRUE(Connected(1));
  OnLoop([&] { ASSERT_TRUE(links_->Send(Peer(0), Apply(1))); });
  OnLoop([&] { ASSERT_TRUE(links_->Send(Peer(0), Apply(2))); });
  const MonoTime limit = clock_.Now() + std::chrono::seconds(30);
  while (Report().queued_ops != 0 && clock_.Now() < limit) std::this_thread::yield();
  EXPECT_EQ(Report().queued_ops, 0u);
}

TEST_F(NodeLinkTest, ClosesABatchByCountAndBySize) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 1; i <= 10'000; ++i) ASSERT_TRUE(links_->Send(Peer(0), Apply(i)));
    for (uint64_t i = 1; i <= 20; ++i) {
      ASSERT_TRUE(links_->Send(Peer(0), Apply(i, kLargeValueBytes)));
    }
  });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 10'020; }));
  for (const auto& batch : node_.await.Get([&] { return node_.batches; })) {
    EXPECT_LE(batch.ops, kMaxBatchOps);
    EXPECT_LE(batch.bytes, kBatchBytes);
  }
}

TEST_F(NodeLinkTest, LargeValuesTravelAloneAndApartFromSmallOnes) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(links_->Send(Peer(0), Apply(i, kMaxValueBytes)));
      ASSERT_TRUE(links_->Send(Peer(0), Apply(i, 10)));
    }
  });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 8; }));
  for (const auto& batch : node_.await.Get([&] { return node_.batches; })) {
    if (batch.largest_value > kLargeValueBytes) {
      EXPECT_EQ(batch.ops, 1);
    }
  }
}

TEST_F(NodeLinkTest, LargeReadsTravelApartFromSmallOnes) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 0; i < 8; ++i) {
      v1::ReplicaOp read;
      read.mutable_read()->set_key("k");
      read.mutable_read()->set_large(i % 2 == 1);
      ASSERT_TRUE(links_->Send(Peer(0), read));
    }
  });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 8; }));
  int large = 0;
  for (const auto& batch : node_.await.Get([&] { return node_.batches; })) {
    large += batch.large_reads;
    EXPECT_TRUE(batch.large_reads == 0 || batch.large_reads == batch.ops);
  }
  EXPECT_EQ(large, 4);
}

TEST_F(NodeLinkTest, HasABoundedOutbox) {
  NodeLinkOptions options;
  options.max_outbox_ops = 100;
  options.max_outbox_bytes = 50'000;
  StartLinks(options);
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    int taken = 0;
    while (links_->Send(Peer(0), Apply(1))) ++taken;
    EXPECT_EQ(taken, 100);
  });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 100; }));
  OnLoop([&] {
    int taken = 0;
    while (links_->Send(Peer(0), Apply(1, 9'900))) ++taken;
    EXPECT_EQ(taken, 5);
  });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 105; }));
  EXPECT_EQ(links_->Counts().refused_full, 2u);
  // However small the bound, an operation can be sent.
  OnLoop([&] { EXPECT_TRUE(links_->Send(Peer(0), Apply(1, 60'000))); });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 106; }));
}

TEST_F(NodeLinkTest, NoticesADeathAtOnceAndAReturnSoon) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  for (int round = 1; round <= 3; ++round) {
    const std::string address = node_.address();
    node_.Stop();
    ASSERT_TRUE(seen_.For([&] { return disconnects_ == round; }));
    OnLoop([&] { EXPECT_FALSE(links_->Send(Peer(0), Apply(1))); });
    node_.await.Do([&] { ++node_.boot; });
    node_.Start(address);
    ASSERT_TRUE(Connected(round + 1));
    EXPECT_EQ(boot_, Boot(static_cast<uint64_t>(round) + 1));
  }
  OnLoop([&] { EXPECT_TRUE(links_->Send(Peer(0), Apply(1))); });
  EXPECT_TRUE(seen_.For([&] { return replies_ >= 1; }));
}

TEST_F(NodeLinkTest, DropsWhatWaitedForAnEarlierSession) {
  node_.reading = false;  // Hello only
  StartLinks();
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 0; i < 200; ++i) links_->Send(Peer(0), Apply(i, 200'000));
  });
  const std::string address = node_.address();
  node_.Stop();
  ASSERT_TRUE(seen_.For([&] { return disconnects_ == 1; }));
  node_.await.Do([&] { node_.reading = true, node_.ops = 0; });
  node_.Start(address);
  ASSERT_TRUE(Connected(2));
  OnLoop([&] { EXPECT_TRUE(links_->Send(Peer(0), Apply(1))); });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 1; }));
  EXPECT_EQ(node_.await.Get([&] { return node_.ops; }), 1u);
}

TEST_F(NodeLinkTest, FollowsANodeToAnotherAddress) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  FakeReplica elsewhere;
  elsewhere.Start();
  elsewhere.boot = 2;
  PeerAddress moved = Address();
  moved.address = elsewhere.address();
  moved.store_uuid = std::string(16, 's');
  moved.boot = Boot(2);
  SetPeer(moved);
  ASSERT_TRUE(Connected(2));
  EXPECT_EQ(boot_, Boot(2));
  ASSERT_TRUE(node_.await.For([&] { return node_.open_streams == 0; }));
  links_->Stop();  // before the node that it is connected to goes
}

TEST_F(NodeLinkTest, StaysConnectedWhenItIsToldWhatItKnows) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  PeerAddress known = Address();
  known.store_uuid = std::string(16, 's');
  known.boot = Boot(1);
  known.vnodes = 200;  // of no concern to a link
  SetPeer(known);
  OnLoop([&] { EXPECT_TRUE(links_->Send(Peer(0), Apply(1))); });
  ASSERT_TRUE(seen_.For([&] { return replies_ == 1; }));
  EXPECT_EQ(seen_.Get([&] { return disconnects_; }), 0);
}

TEST_F(NodeLinkTest, StopsWithOperationsUnderWayAndReportsNothingAfterwards) {
  StartLinks();
  ASSERT_TRUE(Connected(1));
  OnLoop([&] {
    for (uint64_t i = 0; i < 1000; ++i) links_->Send(Peer(0), Apply(i, 10'000));
  });
  links_->Stop();
  const uint64_t replies = seen_.Get([&] { return replies_; });
  OnLoop([] {});
  EXPECT_EQ(seen_.Get([&] { return replies_; }), replies);
  EXPECT_EQ(seen_.Get([&] { return disconnects_; }), 0);
}

}  // namespace
}  // namespace ringkv
