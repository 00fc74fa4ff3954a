#include "kvnode/node_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "kvnode/memory_store.h"
#include "tests/kvnode/fake_registrar.h"

namespace ringkv {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kDeadline(20);

class FakeDisk final : public NodeDisk {
 public:
  Store& store() override { return memory; }
  bool log_damaged() const override { return damaged; }
  Status MoveAside(Boot boot, std::string* where) override {
    if (!can_move) return Status::IoError("no room");
    moved = boot;
    *where = "elsewhere";
    memory.Wipe();
    return Status::Ok();
  }
  MemoryStore memory;
  bool damaged = false;
  bool can_move = true;
  std::optional<Boot> moved;
};

// Answers as it is told, and lets the test wait for what happens.
class NodeStartTest : public testing::Test {
 protected:
  ~NodeStartTest() override { start_.reset(); }

  void Make() {
    BootOptions boot;
    boot.node = NodeId::Parse("n1").value();
    boot.address = "127.0.0.1:7500";
    boot.kernel_boot_id = "kernel";
    NodeStart::Actions actions;
    actions.ask = [this](const v1::RegisterRequest& request) { return Answer(request); };
    actions.cancel_ask = [this] { Change([this] { cancelled_ = true; }); };
    actions.serve = [this](const Registered& registered) { Change([&] { served_ = registered; }); };
    actions.fail = [this](const Status& why) { Change([&] { failed_ = why; }); };
    start_ =
        std::make_unique<NodeStart>(disk_, clock_, /*seed=*/1, boot, std::move(actions), pauses_);
  }
  void Run() {
    Make();
    ASSERT_TRUE(start_->Prepare().ok());
    start_->Start();
  }

  template <class Action>
  void Change(Action action) {
    std::lock_guard lock(mutex_);
    action();
    changed_.notify_all();
  }
  template <class Condition>
  void Await(Condition condition) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kDeadline, condition));
  }
  // Until so many more questions were asked; only while the node goes on asking.
  void AwaitQuestions(int questions) {
    std::unique_lock lock(mutex_);
    int until = asked_ + questions;
    ASSERT_TRUE(changed_.wait_for(lock, kDeadline, [&] { return asked_ >= until; }));
  }

  Result<v1::RegisterReply> Answer(const v1::RegisterRequest& request) {
    std::unique_lock lock(mutex_);
    ++asked_;
    changed_.notify_all();
    if (hang_) {
      changed_.wait(lock, [this] { return cancelled_; });
      return Status::Unavailable("cancelled");
    }
    if (!unreachable_.empty()) return Status::Unavailable(unreachable_);
    return registrar_.Register(request);
  }

  RealClock clock_;
  FakeDisk disk_;
  NodeStart::Pauses pauses_{std::chrono::milliseconds(1), std::chrono::milliseconds(4),
                            std::chrono::milliseconds(4)};

  std::mutex mutex_;
  std::condition_variable changed_;
  FakeRegistrar registrar_;  // guarded by mutex_, as is the rest
  std::string unreachable_;
  bool hang_ = false;
  bool cancelled_ = false;
  int asked_ = 0;
  std::optional<Registered> served_;
  std::optional<Status> failed_;

  std::unique_ptr<NodeStart> start_;
};

TEST_F(NodeStartTest, ServesWhenTheRouterRegistersIt) {
  registrar_.Grant(1, 1);
  Run();
  Await([this] { return served_.has_value(); });
  EXPECT_EQ(served_->boot, Boot(1));
  EXPECT_EQ(served_->instances, 1u);
  start_->Stop();
  EXPECT_EQ(start_->reason(), "");
}

TEST_F(NodeStartTest, SaysWhyNotAndAsksUntilItIs) {
  unreachable_ = "router 127.0.0.1:7400 does not answer";
  registrar_.member = false;
  Run();
  AwaitQuestions(3);
  EXPECT_EQ(start_->reason(), "not registered: router 127.0.0.1:7400 does not answer");
  Change([this] { unreachable_.clear(); });
  AwaitQuestions(3);
  EXPECT_EQ(start_->reason(), "waits for kvctl admin add-node n1 127.0.0.1:7500");
  Change([this] { registrar_.member = true; });
  Await([this] { return served_.has_value(); });
}

TEST_F(NodeStartTest, RefusalIsExplainedAndAskedAgain) {
  Run();
  Await([this] { return served_.has_value(); });
  start_->Stop();
  served_.reset();
  registrar_.cluster_uuid = std::string(16, 'd');
  Run();
  AwaitQuestions(3);
  EXPECT_THAT(start_->reason(), HasSubstr("this disk belongs to cluster"));
  Change([this] { registrar_.cluster_uuid = std::string(16, 'c'); });
  Await([this] { return served_.has_value(); });
}

TEST_F(NodeStartTest, OldDiskIsMovedAsideAndTheNodeStartsEmpty) {
  registrar_.Grant(1, 1);
  Run();
  Await([this] { return served_.has_value(); });
  start_->Stop();
  served_.reset();
  registrar_.nodes["n1"].boot = 7;
  registrar_.nodes["n1"].nonce += 1;
  Run();
  Await([this] { return served_.has_value(); });
  EXPECT_EQ(disk_.moved, Boot(1));
  EXPECT_EQ(served_->boot, Boot(8));
  EXPECT_EQ(served_->non_voting, 1u);
  EXPECT_FALSE(failed_.has_value());
}

TEST_F(NodeStartTest, OldDiskThatCannotBeMovedFailsTheNode) {
  Run();
  Await([this] { return served_.has_value(); });
  start_->Stop();
  registrar_.nodes["n1"].boot = 7;
  registrar_.nodes["n1"].nonce += 1;
  disk_.can_move = false;
  Run();
  Await([this] { return failed_.has_value(); });
  EXPECT_THAT(failed_->message(), HasSubstr("no room"));
}

TEST_F(NodeStartTest, DiskErrorOnTheWayFailsTheNode) {
  unreachable_ = "nobody";
  Run();
  AwaitQuestions(1);
  disk_.memory.SetDiskError(true);
  Change([this] { unreachable_.clear(); });
  Await([this] { return failed_.has_value(); });
  EXPECT_FALSE(served_.has_value());
}

TEST_F(NodeStartTest, StopEndsAQuestionAndAPause) {
  hang_ = true;
  Run();
  Await([this] { return asked_ == 1; });
  start_->Stop();
  EXPECT_FALSE(served_.has_value());

  hang_ = false;
  pauses_.refused = std::chrono::hours(1);
  disk_.memory.Wipe();
  registrar_.cluster_uuid = "too short";
  Run();
  Await([this] { return asked_ == 2; });
  start_->Stop();
  EXPECT_FALSE(served_.has_value());
}

TEST_F(NodeStartTest, DiskOfAnotherNodeIsRefusedBeforeAnybodyIsAsked) {
  Run();
  Await([this] { return served_.has_value(); });
  start_->Stop();
  StoreBatch batch;
  v1::DiskIdentity identity;
  identity.set_format_version(1);
  identity.set_node("n9");
  identity.set_store_uuid(std::string(16, 'u'));
  batch.PutMeta("node/identity", identity.SerializeAsString());
  ASSERT_TRUE(disk_.memory.Write(batch, true).ok());
  Make();
  EXPECT_EQ(start_->Prepare().code(), StatusCode::kRefused);
}

}  // namespace
}  // namespace ringkv
