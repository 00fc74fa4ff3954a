#include "router/change_planner.h"

#include <gtest/gtest.h>

#include <deque>

#include "tests/router/await.h"
#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

// Nodes that answer when the test says so.
class HeldInspection final : public NodeInspection {
 public:
  using Done = std::function<void(std::vector<NodeSlotSizes>)>;

  void ListSlotSizes(const std::string& cluster_uuid, std::vector<Target> targets,
                     Duration patience, Done done) override {
    await.Do([&] {
      last_targets = std::move(targets);
      last_cluster = cluster_uuid;
      last_patience = patience;
      questions.push_back(std::move(done));
    });
  }

  // No plan asks for these.
  void DigestRanges(const Target&, v1::DigestRangesRequest, Duration,
                    std::function<void(Result<v1::DigestRangesReply>)> done) override {
    done(Status::Refused("not here"));
  }
  void ListRecords(const Target&, v1::ListRecordsRequest, Duration,
                   std::function<void(Result<v1::ListRecordsReply>)> done) override {
    done(Status::Refused("not here"));
  }

  // Every slot of n1 has 1000 bytes; nobody else says anything.
  void AnswerOldest() {
    NodeSlotSizes n1;
    n1.node = "n1";
    for (uint32_t slot = 0; slot < 64; ++slot) {
      n1.sizes.add_slots(slot);
      n1.sizes.add_incs(1);
      n1.sizes.add_bytes(1000);
    }
    NodeSlotSizes n2;
    n2.node = "n2";
    n2.status = Status::Unavailable("gone");
    Done done;
    await.Do([&] {
      done = std::move(questions.front());
      questions.pop_front();
    });
    done({n1, n2});
  }

  Await await;
  std::deque<Done> questions;
  std::vector<Target> last_targets;
  std::string last_cluster;
  Duration last_patience{0};
};

class ChangePlannerTest : public testing::Test {
 protected:
  ChangePlannerTest() {
    ClusterView view;
    view.state = std::make_shared<const ClusterState>(Formed());
    view_ = std::make_shared<const ClusterView>(std::move(view));
  }

  void Ask(const std::string& node) {
    v1::PlanChangeRequest request;
    request.mutable_add_node()->set_node(node);
    request.mutable_add_node()->set_address("127.0.0.1:7999");
    planner_.Plan(std::move(request), std::chrono::milliseconds(300),
                  [this](v1::PlanChangeResponse answer) {
                    await_.Do([&] { answers_.push_back(std::move(answer)); });
                  });
  }
  void AwaitAnswers(size_t count) {
    ASSERT_TRUE(await_.For([&] { return answers_.size() >= count; }));
  }
  void AwaitQuestions(size_t count) {
    ASSERT_TRUE(inspection_.await.For([&] { return inspection_.questions.size() >= count; }));
  }

  const RealClock clock_;
  HeldInspection inspection_;
  std::shared_ptr<const ClusterView> view_;
  Await await_;
  std::vector<v1::PlanChangeResponse> answers_;  // guarded by await_
  ChangePlanner planner_{clock_, inspection_, [this] { return view_; }};
};

TEST_F(ChangePlannerTest, AsksEveryNodeAndAnswersWithWhatTheySay) {
  Ask("n4");
  AwaitQuestions(1);
  ASSERT_EQ(inspection_.last_targets.size(), 3u);
  EXPECT_EQ(inspection_.last_targets[1].node, "n2");
  EXPECT_EQ(inspection_.last_targets[1].address, "127.0.0.1:7510");
  EXPECT_EQ(inspection_.last_cluster, std::string(16, 'u'));
  EXPECT_EQ(inspection_.last_patience, std::chrono::milliseconds(300));
  inspection_.AnswerOldest();
  AwaitAnswers(1);
  EXPECT_EQ(answers_[0].status().outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(answers_[0].moves(), 48u);
  EXPECT_EQ(answers_[0].bytes(), 48'000u);
  EXPECT_EQ(answers_[0].slots_without_estimate(), 0u);
  ASSERT_EQ(answers_[0].silent_nodes_size(), 1);
  EXPECT_EQ(answers_[0].silent_nodes(0).why(), "gone");
}

TEST_F(ChangePlannerTest, RefusesWithoutAskingAnyNode) {
  Ask("n2");
  AwaitAnswers(1);
  EXPECT_EQ(answers_[0].status().outcome(), v1::OUTCOME_NOT_APPLIED);
  EXPECT_EQ(answers_[0].status().code(), v1::ERROR_CODE_REFUSED);
  EXPECT_TRUE(inspection_.questions.empty());
}

TEST_F(ChangePlannerTest, IsUnavailableWhileNoClusterIsKnown) {
  view_ = std::make_shared<const ClusterView>();
  Ask("n4");
  AwaitAnswers(1);
  EXPECT_EQ(answers_[0].status().code(), v1::ERROR_CODE_UNAVAILABLE);
}

TEST_F(ChangePlannerTest, PlansAtOnceAreBoundedAndTheNextFindsRoomAgain) {
  for (size_t i = 0; i < ChangePlanner::kMaxPlans; ++i) Ask("n4");
  AwaitQuestions(ChangePlanner::kMaxPlans);
  Ask("n4");
  AwaitAnswers(1);
  EXPECT_EQ(answers_[0].status().code(), v1::ERROR_CODE_OVERLOADED);
  inspection_.AnswerOldest();
  AwaitAnswers(2);
  EXPECT_EQ(answers_[1].status().outcome(), v1::OUTCOME_DONE);
  Ask("n4");
  AwaitQuestions(ChangePlanner::kMaxPlans);
  for (size_t i = 0; i < ChangePlanner::kMaxPlans; ++i) inspection_.AnswerOldest();
  AwaitAnswers(2 + ChangePlanner::kMaxPlans);
  EXPECT_EQ(answers_.back().status().outcome(), v1::OUTCOME_DONE);
}

TEST_F(ChangePlannerTest, IsUnavailableOnceStopped) {
  Ask("n4");
  AwaitQuestions(1);
  planner_.Stop();
  inspection_.AnswerOldest();  // comes too late for its thread
  Ask("n4");
  AwaitAnswers(2);
  EXPECT_EQ(answers_[0].status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_EQ(answers_[1].status().code(), v1::ERROR_CODE_UNAVAILABLE);
}

}  // namespace
}  // namespace ringkv
