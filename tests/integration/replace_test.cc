// Nodes join and leave under load, by kvctl, with real processes; some of them die meanwhile.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/writer.h"

namespace ringkv {
namespace {

class ReplaceTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(cluster_.Start()); }

  KvctlResult Kvctl(std::vector<std::string> arguments) {
    return RunKvctl(cluster_.router_address(), arguments);
  }

  bool WaitState(int node, v1::NodeState state) {
    const std::string id = "n" + std::to_string(node);
    return cluster_.WaitFor([&](const v1::GetClusterResponse& cluster) {
      for (const v1::NodeStatus& status : cluster.nodes()) {
        if (status.node().id() == id) return status.node().state() == state;
      }
      return false;
    });
  }

  void StartFurther(int node) {
    cluster_.node(node).Start();
    ASSERT_TRUE(cluster_.WaitReach(node, v1::REACH_UP)) << "it never registered";
  }

  bool WaitNoMigration() {
    return cluster_.WaitFor(
        [](const v1::GetClusterResponse& cluster) { return cluster.migrations().empty(); });
  }

  uint64_t SlotsOf(int node) {
    uint64_t slots = 0;
    cluster_.WaitFor([&](const v1::GetClusterResponse& cluster) {
      for (const v1::NodeStatus& status : cluster.nodes()) {
        if (status.node().id() == "n" + std::to_string(node)) slots = status.slots();
      }
      return true;
    });
    return slots;
  }

  LocalCluster cluster_;
};

TEST_F(ReplaceTest, NodeJoinsAndAnotherLeavesUnderLoad) {
  Writer writer(cluster_, "k");
  ASSERT_TRUE(writer.WaitForMore(200));
  StartFurther(4);
  KvctlResult add = Kvctl({"admin", "add-node", "n4", cluster_.node_address(4), "--wait"});
  ASSERT_EQ(add.code, 0) << add.err;
  EXPECT_NE(add.out.find("done"), std::string::npos) << add.out;
  EXPECT_EQ(SlotsOf(4), 192u);  // 256 slots x 3 over 4 nodes
  ASSERT_TRUE(writer.WaitForMore(50));
  KvctlResult remove = Kvctl({"admin", "remove-node", "n1", "--wait"});
  ASSERT_EQ(remove.code, 0) << remove.err;
  EXPECT_TRUE(WaitState(1, v1::NODE_STATE_REMOVED));
  EXPECT_EQ(SlotsOf(1), 0u);
  EXPECT_EQ(cluster_.node(1).Stop(), 0);
  ASSERT_TRUE(writer.WaitForMore(50));
  writer.Stop();
  EXPECT_TRUE(writer.failures().empty())
      << writer.failures().size() << " failed, first " << writer.failures()[0];
  ASSERT_TRUE(cluster_.WaitFor(FullyReplicated));
  ExpectAllThere(cluster_, writer.acknowledged());
  // Any two of the three that are left are enough.
  cluster_.node(2).Kill();
  ASSERT_TRUE(cluster_.WaitReach(2, v1::REACH_DOWN));
  ExpectAllThere(cluster_, writer.acknowledged());
  cluster_.node(2).Start();
  ASSERT_TRUE(cluster_.WaitFor(FullyReplicated));
  // The one that left comes back with an empty disk, as a new member.
  cluster_.WipeNode(1);
  StartFurther(1);
  KvctlResult again = Kvctl({"admin", "add-node", "n1", cluster_.node_address(1), "--wait"});
  ASSERT_EQ(again.code, 0) << again.err;
  ExpectAllThere(cluster_, writer.acknowledged());
}

TEST_F(ReplaceTest, EverybodyDiesOnceWhileANodeJoins) {
  std::set<std::string> acknowledged;
  {
    Writer writer(cluster_, "before");
    ASSERT_TRUE(writer.WaitForMore(2000));
    writer.Stop();
    acknowledged = writer.acknowledged();
  }
  StartFurther(4);
  ASSERT_EQ(Kvctl({"admin", "add-node", "n4", cluster_.node_address(4)}).code, 0);
  for (int victim : {4, 1, 2, 3}) {
    Writer writer(cluster_, "n" + std::to_string(victim) + "-");
    ASSERT_TRUE(writer.WaitForMore(5));
    cluster_.node(victim).Kill();
    ASSERT_TRUE(writer.WaitForMore(20));
    cluster_.node(victim).Start();
    ASSERT_TRUE(cluster_.WaitReach(victim, v1::REACH_UP));
    writer.Stop();
    acknowledged.insert(writer.acknowledged().begin(), writer.acknowledged().end());
  }
  cluster_.router().Kill();
  cluster_.router().Start();
  ASSERT_TRUE(cluster_.WaitAllUp());
  ASSERT_TRUE(WaitNoMigration());
  EXPECT_EQ(SlotsOf(4), 192u);
  ASSERT_TRUE(cluster_.WaitFor(FullyReplicated));
  ExpectAllThere(cluster_, acknowledged);
}

TEST_F(ReplaceTest, DeadNodeIsRemovedByForceOnly) {
  StartFurther(4);
  ASSERT_EQ(Kvctl({"admin", "add-node", "n4", cluster_.node_address(4), "--wait"}).code, 0);
  Writer writer(cluster_, "k");
  ASSERT_TRUE(writer.WaitForMore(200));
  cluster_.node(1).Kill();
  ASSERT_TRUE(cluster_.WaitReach(1, v1::REACH_DOWN));
  KvctlResult refused = Kvctl({"admin", "remove-node", "n1"});
  EXPECT_EQ(refused.code, 5) << refused.err;
  EXPECT_NE(refused.err.find("--force"), std::string::npos) << refused.err;
  KvctlResult forced = Kvctl({"admin", "remove-node", "n1", "--force", "--wait"});
  ASSERT_EQ(forced.code, 0) << forced.err;
  writer.Stop();
  EXPECT_TRUE(WaitState(1, v1::NODE_STATE_REMOVED));
  ASSERT_TRUE(cluster_.WaitFor(FullyReplicated));
  ExpectAllThere(cluster_, writer.acknowledged());
}

TEST_F(ReplaceTest, PauseResumeAbortAndShow) {
  StartFurther(4);
  ASSERT_EQ(Kvctl({"admin", "add-node", "n4", cluster_.node_address(4)}).code, 0);
  KvctlResult paused = Kvctl({"admin", "migrations", "pause", "1"});
  if (paused.code == 0) {
    EXPECT_NE(paused.out.find("paused"), std::string::npos) << paused.out;
    KvctlResult second = Kvctl({"admin", "set-vnodes", "n2", "64"});
    EXPECT_EQ(second.code, 5);
    EXPECT_NE(second.err.find("migrations abort 1"), std::string::npos) << second.err;
    // Once it goes on it may be over at any moment: it is called back before.
    KvctlResult aborted = Kvctl({"admin", "migrations", "abort", "1"});
    EXPECT_EQ(aborted.code, 0) << aborted.err;
  }
  EXPECT_EQ(Kvctl({"admin", "migrations", "watch"}).code, 0);
  ASSERT_TRUE(WaitNoMigration());
  KvctlResult shown = Kvctl({"-o", "json", "admin", "migrations", "show", "1"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const auto document = nlohmann::json::parse(shown.out);
  EXPECT_EQ(document["node"], "n4");
  EXPECT_EQ(document["kind"], "add-node");
  ASSERT_EQ(Kvctl({"admin", "set-vnodes", "n1", "32"}).code, 0);
  if (Kvctl({"admin", "migrations", "pause", "2"}).code == 0) {
    EXPECT_EQ(Kvctl({"admin", "migrations", "resume", "2"}).code, 0);
  }
  ASSERT_TRUE(WaitNoMigration());
  ASSERT_TRUE(cluster_.WaitFor(FullyReplicated));
}

TEST_F(ReplaceTest, EachBadOrderHasItsErrorAndExitCode) {
  auto expect = [&](const std::vector<std::string>& arguments, int code, const std::string& says) {
    KvctlResult result = Kvctl(arguments);
    EXPECT_EQ(result.code, code) << arguments[1] << ": " << result.err;
    EXPECT_NE(result.err.find(says), std::string::npos) << result.err;
  };
  expect({"admin", "add-node", "n9", "127.0.0.1:7999"}, 1, "has not registered");
  expect({"admin", "add-node", "n1", cluster_.node_address(1)}, 5, "already");
  expect({"admin", "add-node", "n4"}, 2, "HOST:PORT");
  expect({"admin", "add-node", "N4", "127.0.0.1:7999"}, 2, "");
  expect({"admin", "add-node", "n4", "nonsense"}, 2, "HOST:PORT");
  expect({"admin", "remove-node", "n9"}, 1, "n9");
  expect({"admin", "remove-node", "n1"}, 5, "kvctl admin add-node");
  expect({"admin", "set-vnodes", "n1", "0"}, 2, "");
  expect({"admin", "set-vnodes", "n9", "10"}, 1, "n9");
  expect({"admin", "migrations", "show", "7"}, 1, "no migration 7");
  expect({"admin", "migrations", "pause", "7"}, 1, "no migration 7");
  expect({"admin", "migrations", "stop"}, 2, "none of list");
  EXPECT_EQ(Kvctl({"admin", "migrations"}).code, 0);
  KvctlResult weighed = Kvctl({"admin", "set-vnodes", "n1", "128", "--wait"});
  EXPECT_EQ(weighed.code, 0) << weighed.err;
}

}  // namespace
}  // namespace ringkv
