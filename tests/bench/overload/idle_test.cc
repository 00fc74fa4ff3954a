// Idle connections against a real gRPC server, as the router has one.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "bench/overload/deaf_client_grpc.h"
#include "bench/overload/idle_connections.h"
#include "net/grpc_door.h"
#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv::bench {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

// Takes streams, counts them, and reads what comes; answers a batch with a value of 1 MiB for each
// operation, where it is to.
class CountingKv final : public v1::Kv::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::BatchRequest, v1::BatchResponse>* Batch(
      grpc::CallbackServerContext*) override {
    return new Stream(*this);
  }
  std::atomic<int> open{0};
  std::atomic<int> asked{0};
  std::atomic<int> written{0};

 private:
  class Stream final : public grpc::ServerBidiReactor<v1::BatchRequest, v1::BatchResponse> {
   public:
    explicit Stream(CountingKv& kv) : kv_(kv) {
      ++kv_.open;
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      kv_.asked += request_.ops_size();
      for (const v1::Op& op : request_.ops()) {
        v1::OpResult* result = response_.add_results();
        result->set_id(op.id());
        result->mutable_get()->set_value(std::string(1 << 20, 'v'));
      }
      StartWrite(&response_);
    }
    void OnWriteDone(bool ok) override {
      if (ok) ++kv_.written;
      StartRead(&request_);
    }
    void OnDone() override {
      --kv_.open;
      delete this;
    }

   private:
    CountingKv& kv_;
    v1::BatchRequest request_;
    v1::BatchResponse response_;
  };
};

bool Becomes(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
  }
  return condition();
}

class IdleConnectionsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.Start("127.0.0.1:0", {&kv_}).ok()); }
  void TearDown() override { server_.Stop(Duration::zero()); }
  CountingKv kv_;
  GrpcServer server_;
};

TEST_F(IdleConnectionsTest, EachHasAStreamThatTheServerKnows) {
  {
    IdleConnections idle(server_.address(), "/ringkv.v1.Kv/Batch");
    const Status opened = idle.Open(100, kPatience);
    ASSERT_TRUE(opened.ok()) << opened.message();
    EXPECT_EQ(idle.open(), 100u);
    EXPECT_TRUE(Becomes([this] { return kv_.open == 100; })) << kv_.open;
  }
  EXPECT_TRUE(Becomes([this] { return kv_.open == 0; })) << kv_.open;
}

TEST_F(IdleConnectionsTest, ThoseThatTheServerEndsAreNotOpen) {
  IdleConnections idle(server_.address(), "/ringkv.v1.Kv/Batch");
  ASSERT_TRUE(idle.Open(10, kPatience).ok());
  server_.Stop(Duration::zero());
  EXPECT_TRUE(Becomes([&] { return idle.open() == 0; })) << idle.open();
}

TEST_F(IdleConnectionsTest, MethodThatIsNotThereIsTold) {
  IdleConnections idle(server_.address(), "/ringkv.v1.Kv/Nonsense");
  EXPECT_EQ(idle.Open(3, kPatience).code(), StatusCode::kIoError);
}

TEST_F(IdleConnectionsTest, BadAddressesAndNobodyThere) {
  EXPECT_EQ(IdleConnections("nowhere", "/a/b").Open(1, kPatience).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(IdleConnections("router.example:1", "/a/b").Open(1, kPatience).code(),
            StatusCode::kInvalidArgument);
  const std::string address = server_.address();
  server_.Stop(Duration::zero());
  EXPECT_EQ(IdleConnections(address, "/a/b").Open(1, kPatience).code(), StatusCode::kUnavailable);
}

TEST_F(IdleConnectionsTest, DeafClientsAskAndTakeNoAnswer) {
  {
    DeafClient deaf(server_.address());
    const Status asked = deaf.Ask(3, 4, 0, 2);
    ASSERT_TRUE(asked.ok()) << asked.message();
    EXPECT_TRUE(Becomes([this] { return kv_.asked == 12; })) << kv_.asked;
    EXPECT_EQ(kv_.open, 3);
  }
  EXPECT_TRUE(Becomes([this] { return kv_.open == 0; })) << kv_.open;
  EXPECT_EQ(kv_.written, 0) << "4 MiB do not fit into what a client takes unread";
}

}  // namespace
}  // namespace ringkv::bench
