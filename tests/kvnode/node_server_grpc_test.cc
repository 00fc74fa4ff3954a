// A whole node with a real disk, and a router that only registers.
#include "kvnode/node_server_grpc.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "ringkv/v1/inspect.grpc.pb.h"
#include "ringkv/v1/replica.grpc.pb.h"
#include "tests/kvnode/fake_registrar.h"
#include "tests/kvnode/replica_requests.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kDeadline(30);

class FakeRouter final : public v1::Membership::Service {
 public:
  FakeRouter() { RINGKV_CHECK(server_.Start("127.0.0.1:0", {this}).ok(), "a free port"); }
  ~FakeRouter() override { server_.Stop(Duration::zero()); }

  grpc::Status Register(grpc::ServerContext*, const v1::RegisterRequest* request,
                        v1::RegisterReply* reply) override {
    std::lock_guard lock(mutex);
    last = *request;
    *reply = registrar.Register(*request);
    return grpc::Status::OK;
  }
  const std::string& address() const { return server_.address(); }

  std::mutex mutex;
  FakeRegistrar registrar;   // guarded by mutex
  v1::RegisterRequest last;  // guarded by mutex

 private:
  GrpcServer server_;
};

class NoControl final : public DaemonControl {
 public:
  void RequestStop(Status) override {}
  void RequestRestart() override {}
};

class NodeServerTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.id = "n1";
    options_.listen = options_.http_listen = "127.0.0.1:0";
    options_.data_dir = dir_.Sub("n1");
    options_.routers = {router_.address()};
    for (uint32_t slot = 0; slot < kTestSlots; ++slot) router_.registrar.Grant(slot, 1);
    for (uint32_t group = 0; group < kTestGroups; ++group) {
      router_.registrar.Own(group, kTestTerm, kTestOwner);
    }
  }

  Status Start() {
    server_ = std::make_unique<NodeServer>(options_);
    return server_->Start(control_);
  }
  void StartReady() {
    ASSERT_TRUE(Start().ok());
    Await([this] { return server_->WhyNotReady().empty(); });
  }

  template <class Condition>
  void Await(Condition condition) {
    auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline)
          << testing::PrintToString(server_->WhyNotReady());
      std::this_thread::yield();
    }
  }

  // Sends one batch, returns its replies by operation.
  std::map<uint64_t, v1::ReplicaOpReply> Ask(const v1::ReplicaBatch& batch) {
    auto stub = v1::Replica::NewStub(MakeChannel(server_->address()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    context.set_wait_for_ready(true);
    auto stream = stub->Exchange(&context);
    EXPECT_TRUE(stream->Write(batch));
    stream->WritesDone();
    std::map<uint64_t, v1::ReplicaOpReply> replies;
    v1::ReplicaBatchReply reply;
    while (stream->Read(&reply)) {
      boot_ = reply.boot();
      for (auto& one : reply.replies()) replies[one.op()] = one;
    }
    EXPECT_TRUE(stream->Finish().ok());
    return replies;
  }

  void PutValue(const std::string& value, uint64_t seq) {
    v1::ReplicaBatch batch = MakeBatch();
    AddApply(&batch, 1, 3, "key", seq, value);
    EXPECT_EQ(Ask(batch)[1].code(), v1::REPLICA_CODE_OK);
  }
  v1::ReplicaOpReply GetValue() {
    v1::ReplicaBatch batch = MakeBatch();
    AddRead(&batch, 1, 3, "key");
    return Ask(batch)[1];
  }
  grpc::Status AskSizes(const std::string& node, const std::string& cluster,
                        v1::ListSlotSizesReply* reply) {
    auto stub = v1::Inspect::NewStub(MakeChannel(server_->address()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    context.set_wait_for_ready(true);
    v1::ListSlotSizesRequest request;
    request.set_node(node);
    request.set_cluster_uuid(cluster);
    return stub->ListSlotSizes(&context, request, reply);
  }
  uint64_t NonVoting() {
    v1::ReplicaBatch batch = MakeBatch();
    AddOp(&batch, 1, 0)->mutable_stats();
    v1::NodeStats stats = Ask(batch)[1].stats();
    return stats.instances() - stats.voting_instances();
  }

  TempDir dir_;
  FakeRouter router_;
  NoControl control_;
  NodeOptions options_;
  uint64_t boot_ = 0;
  std::unique_ptr<NodeServer> server_;
};

TEST_F(NodeServerTest, RegistersServesAndKeepsWhatItStoredAcrossAStop) {
  StartReady();
  EXPECT_EQ(router_.last.node(), "n1");
  EXPECT_EQ(router_.last.address(), server_->address());
  PutValue("v1", 1);
  EXPECT_EQ(boot_, 1u);
  server_->Stop();
  StartReady();
  EXPECT_EQ(GetValue().read().record().value(), "v1");
  EXPECT_TRUE(GetValue().voting());
  EXPECT_EQ(boot_, 2u);
  EXPECT_EQ(NonVoting(), 0u);
}

TEST_F(NodeServerTest, TellsTheSizesOfItsSlots) {
  StartReady();
  PutValue(std::string(3000, 'v'), 1);
  v1::ListSlotSizesReply reply;
  const grpc::Status asked = AskSizes("n1", kTestCluster, &reply);
  ASSERT_TRUE(asked.ok()) << asked.error_message();
  ASSERT_EQ(reply.slots_size(), static_cast<int>(kTestSlots));
  ASSERT_EQ(reply.incs_size(), reply.slots_size());
  ASSERT_EQ(reply.bytes_size(), reply.slots_size());
  for (int i = 0; i < reply.slots_size(); ++i) {
    EXPECT_EQ(reply.slots(i), static_cast<uint32_t>(i));
    EXPECT_EQ(reply.incs(i), 1u);
    EXPECT_EQ(reply.bytes(i), i == 3 ? 3000u + 12 + 3 + 30 : 0u) << i;
  }
  EXPECT_EQ(AskSizes("n2", kTestCluster, &reply).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(AskSizes("n1", "another", &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(NodeServerTest, TellsNoSizesBeforeItHasRegistered) {
  router_.registrar.member = false;
  ASSERT_TRUE(Start().ok());
  v1::ListSlotSizesReply reply;
  EXPECT_EQ(AskSizes("n1", kTestCluster, &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(NodeServerTest, SaysWhyItIsNotReady) {
  router_.registrar.member = false;
  ASSERT_TRUE(Start().ok());
  Await([this] {
    return server_->WhyNotReady() ==
           std::vector<std::string>{"waits for kvctl admin add-node n1 " + server_->address()};
  });
  v1::ReplicaBatch batch = MakeBatch();
  AddHello(&batch, 1);
  EXPECT_EQ(Ask(batch)[1].code(), v1::REPLICA_CODE_NOT_READY);
  EXPECT_EQ(boot_, 0u);
  server_->Stop();
  EXPECT_THAT(server_->WhyNotReady(), ElementsAre("the node is stopping"));
}

TEST_F(NodeServerTest, RouterThatIsAwayIsNamed) {
  options_.routers = {"127.0.0.1:1"};
  ASSERT_TRUE(Start().ok());
  Await([this] {
    const std::vector<std::string> why = server_->WhyNotReady();
    return why.size() == 1 &&
           why[0].starts_with("not registered: router 127.0.0.1:1 does not answer");
  });
}

TEST_F(NodeServerTest, AsksTheNextRouterWhenOneIsAway) {
  options_.routers = {"127.0.0.1:1", router_.address()};
  StartReady();
}

TEST_F(NodeServerTest, OldDiskIsMovedAsideAndNothingIsDeleted) {
  StartReady();
  PutValue("v1", 1);
  server_->Stop();
  server_.reset();
  router_.registrar.nodes["n1"].boot = 9;
  router_.registrar.nodes["n1"].nonce += 1;
  StartReady();
  EXPECT_TRUE(GetValue().read().record().tombstone());
  EXPECT_EQ(NonVoting(), kTestSlots);
  std::vector<std::string> aside;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.Sub(""))) {
    if (entry.path().filename() != "n1") aside.push_back(entry.path());
  }
  ASSERT_EQ(aside.size(), 1u);
  EXPECT_THAT(aside[0], testing::MatchesRegex(".*/n1\\.aside-[0-9TZ]+-boot1"));
  EXPECT_TRUE(std::filesystem::exists(aside[0] + "/db"));
}

TEST_F(NodeServerTest, DirectoryInUseIsRefused) {
  StartReady();
  NodeServer second(options_);
  Status status = second.Start(control_);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(options_.data_dir));
  EXPECT_THAT(server_->WhyNotReady(), IsEmpty());
}

TEST_F(NodeServerTest, DirectoryOfAnotherNodeIsRefused) {
  StartReady();
  server_->Stop();
  server_.reset();
  options_.id = "n2";
  Status status = Start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("belongs to node 'n1'"));
}

TEST_F(NodeServerTest, AddressInUseIsRefused) {
  options_.listen = router_.address();
  Status status = Start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(router_.address()));
}

TEST_F(NodeServerTest, ListeningAnywhereNeedsAnAddressToAdvertise) {
  options_.listen = "0.0.0.0:0";
  Status status = Start();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("advertise"));
}

}  // namespace
}  // namespace ringkv
