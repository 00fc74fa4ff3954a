// Questions to nodes that answer, are gone, or say nothing.
#include "router/node_inspection_grpc.h"

#include <gtest/gtest.h>

#include <optional>

#include "net/grpc_door.h"
#include "ringkv/v1/inspect.grpc.pb.h"
#include "tests/router/await.h"

namespace ringkv {
namespace {

class FakeNode final : public v1::Inspect::CallbackService {
 public:
  FakeNode() { RINGKV_CHECK(server_.Start("127.0.0.1:0", {this}).ok(), "a free port"); }
  ~FakeNode() override { server_.Stop(Duration::zero()); }
  const std::string& address() const { return server_.address(); }

  grpc::ServerUnaryReactor* ListSlotSizes(grpc::CallbackServerContext* call,
                                          const v1::ListSlotSizesRequest* request,
                                          v1::ListSlotSizesReply* reply) override {
    bool silent = false;
    await.Do([&] {
      ++asked;
      last_cluster = request->cluster_uuid();
      silent = this->silent;
    });
    if (silent) return new Silent;
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    reply->add_slots(static_cast<uint32_t>(request->node().size()));
    reply->add_incs(1);
    reply->add_bytes(77);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* DigestRanges(grpc::CallbackServerContext* call,
                                         const v1::DigestRangesRequest* request,
                                         v1::DigestRangesReply* reply) override {
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    bool full = false;
    await.Do([&] { full = ++asked <= full_for; });
    reply->add_digests()->set_records(request->node().size());
    reactor->Finish(full ? grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "later")
                         : grpc::Status::OK);
    return reactor;
  }
  grpc::ServerUnaryReactor* ListRecords(grpc::CallbackServerContext*, const v1::ListRecordsRequest*,
                                        v1::ListRecordsReply*) override {
    await.Do([&] { ++asked; });
    return new Silent;
  }

  Await await;
  int full_for = 0;
  int asked = 0;
  bool silent = false;
  std::string last_cluster;

 private:
  // Ends when who asked has gone.
  class Silent final : public grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  GrpcServer server_;
};

class NodeInspectionTest : public testing::Test {
 protected:
  void Ask(std::vector<NodeInspection::Target> targets, Duration patience = kTestPatience) {
    inspection_.ListSlotSizes("uuid", std::move(targets), patience,
                              [this](std::vector<NodeSlotSizes> answers) {
                                await_.Do([&] { answers_ = std::move(answers); });
                              });
  }
  void AwaitAnswers() {
    ASSERT_TRUE(await_.For([this] { return answers_.has_value(); }));
  }

  FakeNode node_;
  Await await_;
  std::optional<std::vector<NodeSlotSizes>> answers_;  // guarded by await_
  GrpcNodeInspection inspection_;
};

TEST_F(NodeInspectionTest, AnswersComeInTheOrderOfTheTargetsAlsoWhereOneIsGone) {
  // Nobody listens on the discard port.
  Ask({{"n1", node_.address()}, {"n22", "127.0.0.1:9"}, {"n333", node_.address()}});
  AwaitAnswers();
  ASSERT_EQ(answers_->size(), 3u);
  EXPECT_EQ((*answers_)[0].node, "n1");
  EXPECT_TRUE((*answers_)[0].status.ok());
  EXPECT_EQ((*answers_)[0].sizes.slots(0), 2u);
  EXPECT_EQ((*answers_)[0].sizes.bytes(0), 77u);
  EXPECT_EQ((*answers_)[1].node, "n22");
  EXPECT_EQ((*answers_)[1].status.code(), StatusCode::kUnavailable);
  EXPECT_EQ((*answers_)[1].sizes.slots_size(), 0);
  EXPECT_EQ((*answers_)[2].sizes.slots(0), 4u);
  EXPECT_EQ(node_.last_cluster, "uuid");
}

TEST_F(NodeInspectionTest, MoreNodesThanAreAskedAtATimeAreAllAsked) {
  std::vector<NodeInspection::Target> targets;
  for (int i = 0; i < 200; ++i) targets.push_back({"n" + std::to_string(i), node_.address()});
  Ask(targets);
  AwaitAnswers();
  ASSERT_EQ(answers_->size(), 200u);
  for (const NodeSlotSizes& answer : *answers_) EXPECT_TRUE(answer.status.ok()) << answer.node;
  EXPECT_EQ(node_.asked, 200);
}

TEST_F(NodeInspectionTest, SilentNodeCostsItsOwnAnswerOnly) {
  FakeNode silent;
  silent.await.Do([&] { silent.silent = true; });
  Ask({{"n1", silent.address()}, {"n2", node_.address()}}, std::chrono::milliseconds(300));
  AwaitAnswers();
  EXPECT_EQ((*answers_)[0].status.code(), StatusCode::kDeadline);
  EXPECT_TRUE((*answers_)[1].status.ok()) << (*answers_)[1].status.ToString();
}

TEST_F(NodeInspectionTest, NoNodesAreAnsweredAtOnce) {
  Ask({});
  ASSERT_TRUE(answers_.has_value());
  EXPECT_TRUE(answers_->empty());
}

TEST_F(NodeInspectionTest, StopEndsAQuestionAndRefusesTheNext) {
  node_.await.Do([&] { node_.silent = true; });
  std::vector<NodeInspection::Target> targets;
  for (int i = 0; i < 100; ++i) targets.push_back({"n" + std::to_string(i), node_.address()});
  Ask(targets);
  ASSERT_TRUE(node_.await.For([&] { return node_.asked > 0; }));
  inspection_.Stop();
  ASSERT_TRUE(answers_.has_value());
  ASSERT_EQ(answers_->size(), 100u);
  for (const NodeSlotSizes& answer : *answers_) EXPECT_FALSE(answer.status.ok());
  answers_.reset();
  Ask({{"n1", node_.address()}});
  ASSERT_TRUE(answers_.has_value());
  EXPECT_EQ((*answers_)[0].status.code(), StatusCode::kUnavailable);
}

TEST_F(NodeInspectionTest, AsksOneNodeForDigestsAndSaysWhenItIsAskedTooMuch) {
  node_.await.Do([&] { node_.full_for = 1; });
  std::vector<Result<v1::DigestRangesReply>> replies;
  for (size_t i = 1; i <= 2; ++i) {
    inspection_.DigestRanges({"n22", node_.address()}, {}, kTestPatience,
                             [&](Result<v1::DigestRangesReply> reply) {
                               await_.Do([&] { replies.push_back(std::move(reply)); });
                             });
    ASSERT_TRUE(await_.For([&] { return replies.size() == i; }));
  }
  EXPECT_EQ(replies[0].status().code(), StatusCode::kOverloaded);
  ASSERT_TRUE(replies[1].ok()) << replies[1].status().ToString();
  EXPECT_EQ(replies[1]->digests(0).records(), 3u) << "the node is told who is meant";
}

TEST_F(NodeInspectionTest, SilentNodeIsGivenUpAndStopEndsAQuestionOfOne) {
  std::vector<Status> replies;
  const auto done = [&](const Result<v1::ListRecordsReply>& reply) {
    await_.Do([&] { replies.push_back(reply.status()); });
  };
  inspection_.ListRecords({"n1", node_.address()}, {}, std::chrono::milliseconds(200), done);
  ASSERT_TRUE(await_.For([&] { return replies.size() == 1; }));
  EXPECT_EQ(replies[0].code(), StatusCode::kDeadline);
  inspection_.ListRecords({"n1", node_.address()}, {}, kTestPatience, done);
  ASSERT_TRUE(node_.await.For([&] { return node_.asked == 2; }));
  inspection_.Stop();
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(replies[1].code(), StatusCode::kUnavailable);
  inspection_.ListRecords({"n1", node_.address()}, {}, kTestPatience, done);
  ASSERT_EQ(replies.size(), 3u) << "answered at once";
}

}  // namespace
}  // namespace ringkv
