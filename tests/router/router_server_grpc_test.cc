// The whole router process, but for main, on free loopback ports; its nodes are not there.
#include "router/router_server_grpc.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

#include "ringkv/v1/admin.grpc.pb.h"
#include "tests/kvnode/temp_dir.h"
#include "tests/router/await.h"
#include "tests/router/fake_replica_grpc.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;

class NoControl final : public DaemonControl {
 public:
  void RequestStop(Status why) override {
    await.Do([&] { stop = std::move(why); });
  }
  void RequestRestart() override {}
  Await await;
  Status stop;
};

class RouterServerTest : public testing::Test {
 protected:
  RouterServerTest() {
    options_.listen = "127.0.0.1:0";
    options_.http_listen = "127.0.0.1:0";
    options_.data_dir = dir_.Sub("r1");
    options_.slots = 64;
    options_.replicas = 1;
    options_.loops = 2;
    options_.default_timeout = std::chrono::milliseconds(200);
    // Nobody listens on the discard port.
    options_.nodes = {{*NodeId::Parse("n1"), "127.0.0.1:9", "", 128}};
  }

  Status Start() {
    server_ = std::make_unique<RouterServer>(options_);
    return server_->Start(control_);
  }

  std::pair<int, std::string> HttpGet(const std::string& path) {
    httplib::Client client("http://" + server_->http_address());
    auto response = client.Get(path);
    if (!response) return {0, ""};
    return {response->status, response->body};
  }

  template <class Service>
  auto Stub() {
    return Service::NewStub(MakeChannel(server_->grpc_address()));
  }

  // Polls until it holds; each look is a request of its own, so that nothing is slept away.
  template <class Condition>
  bool Eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + kTestPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (condition()) return true;
    }
    return false;
  }

  TempDir dir_;
  RouterOptions options_;
  NoControl control_;
  std::unique_ptr<RouterServer> server_;
};

TEST_F(RouterServerTest, SaysWhyItIsNotReadyWithoutNodes) {
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(HttpGet("/livez").first, 200);
  ASSERT_TRUE(Eventually([&] {
    auto [code, body] = HttpGet("/readyz");
    return code == 503 && body.find("no quorum for 64 slots") != std::string::npos;
  })) << HttpGet("/readyz").second;

  v1::GetRequest get;
  get.set_key("k");
  v1::GetResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(Stub<v1::Kv>()->Get(&context, get, &response).ok());
  EXPECT_EQ(response.status().outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(response.status().code(), v1::ERROR_CODE_UNAVAILABLE) << response.status().message();
}

TEST_F(RouterServerTest, ShowsTheClusterAsJsonWithNothingLeftOut) {
  ASSERT_TRUE(Start().ok());
  const Json cluster = Json::parse(HttpGet("/api/v1/cluster").second);
  EXPECT_EQ(cluster["health"], "blocked");
  EXPECT_EQ(cluster["cluster_uuid"].get<std::string>().size(), 32u);
  EXPECT_EQ(cluster["epoch"], "1");
  EXPECT_EQ(cluster["slots"], 64);
  ASSERT_EQ(cluster["nodes"].size(), 1u);
  EXPECT_EQ(cluster["nodes"][0]["node"]["id"], "n1");
  EXPECT_EQ(cluster["nodes"][0]["node"]["state"], "member");
  EXPECT_EQ(cluster["nodes"][0]["node"]["boot"], "0");
  EXPECT_EQ(cluster["nodes"][0]["reach"], "down");
  EXPECT_EQ(cluster["slot_health"]["total"], "64");

  const Json ring = Json::parse(HttpGet("/api/v1/ring").second);
  EXPECT_EQ(ring["table"].size(), 64u);
  EXPECT_TRUE(ring["table"][3]["learner"].is_null());
  EXPECT_EQ(ring["nodes"][0]["share"], 1.0);
  EXPECT_EQ(Json::parse(HttpGet("/api/v1/ring?table=false").second)["table"].size(), 0u);
  EXPECT_TRUE(Json::parse(HttpGet("/api/v1/migrations").second)["migrations"].empty());
  EXPECT_NE(HttpGet("/").second.find("<!doctype html>"), std::string::npos);
}

TEST_F(RouterServerTest, ExposesMetrics) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(Eventually([&] {
    return HttpGet("/metrics").second.find("ringkv_slots{health=\"blocked\"} 64") !=
           std::string::npos;
  }));
  const std::string text = HttpGet("/metrics").second;
  for (const char* name :
       {"ringkv_build_info", "ringkv_operations_total", "ringkv_operation_duration_seconds",
        "ringkv_node_up", "ringkv_metadata_keys", "ringkv_commits_total", "ringkv_calls_in_flight",
        "ringkv_node_sent_bytes_total", "ringkv_loop_queue_tasks", "ringkv_reads_spread_total",
        "ringkv_node_reads_in_flight{node=\"n1\"} 0",
        "ringkv_node_reads_asked_total{node=\"n1\"} 0"}) {
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
}

TEST_F(RouterServerTest, RegistersANodeConnectsToItAndReportsIt) {
  ASSERT_TRUE(Start().ok());
  FakeReplica node;
  node.Start();
  v1::RegisterRequest request;
  request.set_format_version(1);
  request.set_node("n1");
  request.set_address(node.address());
  request.set_store_uuid(std::string(16, 's'));
  request.set_nonce(5);
  v1::RegisterReply reply;
  grpc::ClientContext context;
  ASSERT_TRUE(Stub<v1::Membership>()->Register(&context, request, &reply).ok());
  EXPECT_EQ(reply.outcome(), v1::REGISTER_OUTCOME_REGISTERED);
  EXPECT_EQ(reply.instances_size(), 64);
  EXPECT_EQ(reply.promises_size(), 64);
  // Two loops, two streams each.
  ASSERT_TRUE(node.await.For([&] { return node.hellos == 4; }));
  ASSERT_TRUE(Eventually([&] {
    v1::GetClusterResponse cluster;
    grpc::ClientContext call;
    EXPECT_TRUE(Stub<v1::Admin>()->GetCluster(&call, {}, &cluster).ok());
    return cluster.nodes(0).reach() == v1::REACH_UP;
  }));

  request.set_store_uuid("short");
  grpc::ClientContext again;
  EXPECT_EQ(Stub<v1::Membership>()->Register(&again, request, &reply).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);

  v1::LocateRequest locate;
  locate.set_key("hello");
  v1::LocateResponse located;
  grpc::ClientContext third;
  ASSERT_TRUE(Stub<v1::Admin>()->Locate(&third, locate, &located).ok());
  EXPECT_EQ(located.token(), TokenOf("hello").value());
  EXPECT_EQ(located.owner_router(), "r1");
  ASSERT_EQ(located.replicas_size(), 1);
  EXPECT_EQ(located.replicas(0).node(), "n1");
  EXPECT_EQ(located.replicas(0).address(), node.address());
  server_->Stop();  // before the node goes
}

TEST_F(RouterServerTest, PlansAChangeWithoutTheSizesThatASilentNodeKeepsToItself) {
  ASSERT_TRUE(Start().ok());
  auto stub = Stub<v1::Admin>();
  v1::PlanChangeRequest request;
  request.mutable_add_node()->set_node("n2");
  request.mutable_add_node()->set_address("127.0.0.1:7510");
  v1::PlanChangeResponse plan;
  grpc::ClientContext first;
  ASSERT_TRUE(stub->PlanChange(&first, request, &plan).ok());
  EXPECT_EQ(plan.status().outcome(), v1::OUTCOME_DONE) << plan.status().message();
  EXPECT_EQ(plan.moves(), 32u);
  EXPECT_EQ(plan.slots_without_estimate(), 64u);
  ASSERT_EQ(plan.silent_nodes_size(), 1);
  EXPECT_EQ(plan.silent_nodes(0).id(), "n1");

  request.mutable_remove_node()->set_node("n1");
  grpc::ClientContext second;
  ASSERT_TRUE(stub->PlanChange(&second, request, &plan).ok());
  EXPECT_EQ(plan.status().code(), v1::ERROR_CODE_REFUSED);
  EXPECT_EQ(Json::parse(HttpGet("/api/v1/cluster").second)["epoch"], "1");
}

TEST_F(RouterServerTest, TakesOverWhatAnEarlierProcessFormed) {
  ASSERT_TRUE(Start().ok());
  const Json before = Json::parse(HttpGet("/api/v1/cluster").second);
  server_->Stop();
  options_.nodes.clear();
  options_.slots = 128;
  ASSERT_TRUE(Start().ok());
  const Json after = Json::parse(HttpGet("/api/v1/cluster").second);
  EXPECT_EQ(after["cluster_uuid"], before["cluster_uuid"]);
  EXPECT_EQ(after["slots"], 64);
}

TEST_F(RouterServerTest, DoesNotStartWithWhatCannotWork) {
  options_.replicas = 3;
  Status status = Start();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  EXPECT_NE(status.message().find("fewer than `replicas`"), std::string::npos);
  options_.replicas = 1;
  options_.slots = 100;
  EXPECT_EQ(Start().code(), StatusCode::kInvalidArgument);
  options_.slots = 64;
  ASSERT_TRUE(Start().ok());
  RouterServer second(options_);
  EXPECT_EQ(second.Start(control_).code(), StatusCode::kRefused);
}

TEST_F(RouterServerTest, StopsWithAnOpenStreamAndACallThatCannotBeAnswered) {
  options_.stop_timeout = std::chrono::milliseconds(100);
  ASSERT_TRUE(Start().ok());
  auto stub = Stub<v1::Kv>();
  grpc::ClientContext context;
  auto stream = stub->Batch(&context);
  v1::BatchRequest batch;
  batch.add_ops()->mutable_get()->set_key("k");
  ASSERT_TRUE(stream->Write(batch));
  v1::BatchResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server_->Stop();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace ringkv
