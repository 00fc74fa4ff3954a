#include "net/grpc_door.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <set>

#include "net/http_server.h"
#include "ringkv/v1/kv.grpc.pb.h"

namespace ringkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Answers a get with the key as the value, and remembers the peers (one for each TCP connection).
class EchoKv final : public v1::Kv::Service {
 public:
  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   v1::GetResponse* response) override {
    {
      std::lock_guard lock(mutex_);
      peers_.insert(context->peer());
    }
    if (request->key() == "slow") {
      entered_.set_value();
      may_go_.get_future().wait();
    }
    if (request->key() == "forever") {
      entered_.set_value();
      while (!context->IsCancelled()) std::this_thread::yield();
    }
    response->set_value(request->key() == "large" ? std::string(kMaxMessageBytes - 100, 'x')
                                                  : request->key());
    return grpc::Status::OK;
  }

  size_t peers() {
    std::lock_guard lock(mutex_);
    return peers_.size();
  }

  std::promise<void> entered_;
  std::promise<void> may_go_;

 private:
  std::mutex mutex_;
  std::set<std::string> peers_;  // guarded by mutex_
};

struct Answer {
  grpc::Status status;
  std::string value;
};

Answer Get(const std::shared_ptr<grpc::Channel>& channel, const std::string& key) {
  auto stub = v1::Kv::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  context.set_wait_for_ready(true);
  v1::GetRequest request;
  request.set_key(key);
  v1::GetResponse response;
  grpc::Status status = stub->Get(&context, request, &response);
  return {status, response.value()};
}

// Calls a unary method by its name with raw bytes: for services whose stubs Debian does not ship.
Answer CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
               const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  grpc::Slice slice(bytes);
  grpc::ByteBuffer request(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::string out;
  std::vector<grpc::Slice> slices;
  if (status.ok() && response.Dump(&slices).ok()) {
    for (const grpc::Slice& each : slices) {
      out.append(reinterpret_cast<const char*>(each.begin()), each.size());
    }
  }
  return {status, out};
}

class GrpcDoorTest : public ::testing::Test {
 protected:
  void Start() {
    Status status = server_.Start("127.0.0.1:0", {&kv_});
    ASSERT_TRUE(status.ok()) << status.message();
  }
  std::shared_ptr<grpc::Channel> Channel(Connection connection = Connection::kShared) {
    return MakeChannel(server_.address(), {.connection = connection});
  }

  EchoKv kv_;
  GrpcServer server_;
};

TEST_F(GrpcDoorTest, ServesOnTheFreePortThatItReports) {
  Start();
  EXPECT_EQ(server_.address(), "127.0.0.1:" + std::to_string(server_.port()));
  EXPECT_EQ(Get(Channel(), "k").value, "k");
}

TEST_F(GrpcDoorTest, CarriesMessagesUpToTheLimit) {
  Start();
  Answer answer = Get(Channel(), "large");
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.value.size(), kMaxMessageBytes - 100);
  auto small = MakeChannel(server_.address(), {.max_message_bytes = 1000});
  EXPECT_EQ(Get(small, "large").status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcDoorTest, AnAddressInUseIsAClearError) {
  Start();
  GrpcServer second;
  EchoKv other;
  Status status = second.Start(server_.address(), {&other});
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(server_.address()), HasSubstr("the address is in use")));
  HttpServer http;
  EXPECT_EQ(http.Start(server_.address()).code(), StatusCode::kUnavailable);
}

TEST_F(GrpcDoorTest, AddressesThatAreNotOursAreErrors) {
  EXPECT_EQ(GrpcServer().Start("192.0.2.1:0", {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(GrpcServer().Start("nonsense", {}).code(), StatusCode::kInvalidArgument);
}

TEST_F(GrpcDoorTest, ChannelsShareAConnectionUnlessTheyWantTheirOwn) {
  Start();
  auto a = Channel();
  auto b = Channel();
  EXPECT_TRUE(Get(a, "k").status.ok());
  EXPECT_TRUE(Get(b, "k").status.ok());
  EXPECT_EQ(kv_.peers(), 1u);
  auto c = Channel(Connection::kOwn);
  auto d = Channel(Connection::kOwn);
  EXPECT_TRUE(Get(c, "k").status.ok());
  EXPECT_TRUE(Get(d, "k").status.ok());
  EXPECT_EQ(kv_.peers(), 3u);
}

TEST_F(GrpcDoorTest, HealthFollowsSetServing) {
  Start();
  const std::string method = "/grpc.health.v1.Health/Check";
  // HealthCheckResponse: field 1, a varint: 1 SERVING, 2 NOT_SERVING.
  EXPECT_EQ(CallRaw(Channel(), method, "").value, "\x08\x02");
  server_.SetServing(true);
  EXPECT_EQ(CallRaw(Channel(), method, "").value, "\x08\x01");
  server_.SetServing(false);
  EXPECT_EQ(CallRaw(Channel(), method, "").value, "\x08\x02");
}

TEST_F(GrpcDoorTest, ReflectionIsOn) {
  Start();
  // A stream's method: a unary call of it reaches the service, and is not UNIMPLEMENTED.
  // ServerReflectionRequest with list_services (field 7) = "".
  Answer answer = CallRaw(
      Channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.value, AllOf(HasSubstr("ringkv.v1.Kv"), HasSubstr("grpc.health.v1.Health")));
}

TEST_F(GrpcDoorTest, StopLetsACallInFlightFinish) {
  Start();
  auto channel = Channel();
  auto answer = std::async(std::launch::async, [&] { return Get(channel, "slow"); });
  kv_.entered_.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { server_.Stop(std::chrono::seconds(30)); });
  kv_.may_go_.set_value();
  EXPECT_TRUE(answer.get().status.ok());
  stopped.get();
  server_.Stop(Duration::zero());
}

TEST_F(GrpcDoorTest, StopCancelsWhatIsInFlightAfterItsGrace) {
  Start();
  auto channel = Channel();
  auto answer = std::async(std::launch::async, [&] { return Get(channel, "forever"); });
  kv_.entered_.get_future().wait();
  server_.Stop(std::chrono::milliseconds(20));
  EXPECT_FALSE(answer.get().status.ok());
}

TEST_F(GrpcDoorTest, AChannelFindsAServerThatComesBack) {
  Start();
  std::string address = server_.address();
  auto channel = Channel();
  EXPECT_TRUE(Get(channel, "k").status.ok());
  server_.Stop(Duration::zero());
  GrpcServer next;
  EchoKv kv;
  Status status = next.Start(address, {&kv});
  ASSERT_TRUE(status.ok()) << status.message();
  // A call that is under way when the connection ends fails, even where the new server is there.
  const RealClock clock;
  const MonoTime deadline = clock.Now() + std::chrono::seconds(10);
  auto answer = Get(channel, "k");
  while (!answer.status.ok() && clock.Now() < deadline) answer = Get(channel, "k");
  EXPECT_EQ(answer.value, "k") << answer.status.error_message();
}

}  // namespace
}  // namespace ringkv
