// A cluster that loses power, as far as processes can show it: every process dies, the disks of
// some nodes are put back to what they were a moment before, as if that had been the last sync, and
// every disk says that another kernel wrote it.
#include <gtest/gtest.h>

#include <filesystem>

#include "kvnode/rocks_store.h"
#include "ringkv/v1/disk.pb.h"
#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"

namespace ringkv {
namespace {

namespace fs = std::filesystem;

class PowerLoss : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(cluster_.WaitFor([](const v1::GetClusterResponse& cluster) {
      return cluster.slot_health().fully_replicated() == cluster.slots();
    }));
  }

  void Put(const std::string& prefix, int count) {
    auto client = cluster_.NewClient();
    for (int i = 0; i < count; ++i) {
      const std::string key = prefix + std::to_string(i);
      const Status put = client->Put(key, "value of " + key).status;
      ASSERT_TRUE(put.ok()) << key << ": " << put.ToString();
    }
  }

  // How many are there; each with its value.
  int Found(const std::string& prefix, int count) {
    auto client = cluster_.NewClient();
    int found = 0;
    for (int i = 0; i < count; ++i) {
      const std::string key = prefix + std::to_string(i);
      const GetResult get = client->Get(key);
      if (get.status.code() == StatusCode::kNotFound) continue;
      EXPECT_TRUE(get.status.ok()) << key << ": " << get.status.ToString();
      EXPECT_EQ(get.value, "value of " + key);
      ++found;
    }
    return found;
  }

  // The disk as it is now. The node stands still meanwhile.
  void CopyDisk(int node) {
    cluster_.node(node).Pause();
    fs::remove_all(CopyOf(node));
    fs::copy(cluster_.NodeDir(node), CopyOf(node), fs::copy_options::recursive);
    cluster_.node(node).Resume();
  }

  void PutCopyBack(int node) {
    fs::remove_all(cluster_.NodeDir(node));
    fs::rename(CopyOf(node), cluster_.NodeDir(node));
  }

  // As after a start of the machine.
  void WrittenByAnotherKernel(int node) {
    auto store = RocksStore::Open(cluster_.NodeDir(node) + "/db", {});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    auto bytes = (*store)->GetMeta("node/running");
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    v1::DiskRunning running;
    ASSERT_TRUE(running.ParseFromString(*bytes));
    running.set_kernel_boot_id("the one before");
    StoreBatch batch;
    batch.PutMeta("node/running", running.SerializeAsString());
    ASSERT_TRUE((*store)->Write(batch, /*sync=*/true).ok());
    ASSERT_TRUE((*store)->Close().ok());
  }

  void StartNodes(std::vector<int> nodes) {
    for (int node : nodes) cluster_.node(node).Start();
  }

  bool WaitWhole() {
    return cluster_.WaitFor([](const v1::GetClusterResponse& cluster) {
      return cluster.health() == v1::HEALTH_OK &&
             cluster.slot_health().fully_replicated() == cluster.slots();
    });
  }

  // What is acknowledged may still be on its way to one of three.
  void WaitUntilAllHaveAll() {
    const KvctlResult check =
        RunKvctl(cluster_.router_address(), {"--timeout", "60s", "admin", "check"});
    EXPECT_EQ(check.code, 0) << check.out << check.err;
  }

  v1::GetClusterResponse Status_() {
    v1::GetClusterResponse last;
    cluster_.WaitFor([&](const v1::GetClusterResponse& cluster) {
      last = cluster;
      return true;
    });
    return last;
  }

  std::string CopyOf(int node) { return cluster_.NodeDir(node) + ".copy"; }

  LocalCluster cluster_;
};

TEST_F(PowerLoss, OfAllNodesKeepsWhatAnyOfThemHadSynced) {
  Put("synced", 100);
  for (int node : {1, 2, 3}) CopyDisk(node);
  Put("third", 50);
  WaitUntilAllHaveAll();
  CopyDisk(3);
  Put("late", 50);
  cluster_.KillAll();
  // n3 had synced a little more than the others, and everybody lost the rest.
  for (int node : {1, 2, 3}) PutCopyBack(node);
  for (int node : {1, 2, 3}) WrittenByAnotherKernel(node);
  cluster_.router().Start();
  StartNodes({1, 2, 3});
  ASSERT_TRUE(WaitWhole());
  EXPECT_EQ(Found("synced", 100), 100);
  EXPECT_EQ(Found("third", 50), 50);
  EXPECT_EQ(Found("late", 50), 0);
  const v1::GetClusterResponse status = Status_();
  EXPECT_EQ(status.unions().slots(), status.slots());
  EXPECT_EQ(status.unions().window_ms(), 100u);
  EXPECT_EQ(status.blocked_size(), 0);
  Put("after", 20);
  EXPECT_EQ(Found("after", 20), 20);
}

// The router knows more than the nodes have: it has to go on under fresh terms.
TEST_F(PowerLoss, OfAllNodesUnderARunningRouter) {
  Put("synced", 100);
  for (int node : {1, 2, 3}) CopyDisk(node);
  Put("late", 50);
  for (int node : {1, 2, 3}) cluster_.node(node).Kill();
  for (int node : {1, 2, 3}) PutCopyBack(node);
  for (int node : {1, 2, 3}) WrittenByAnotherKernel(node);
  StartNodes({1, 2});
  ASSERT_TRUE(cluster_.WaitFor([](const v1::GetClusterResponse& cluster) {
    return cluster.blocked_size() > 0 && cluster.blocked(0).by() == v1::BLOCKED_BY_ABSENCE &&
           cluster.blocked(0).replicas_size() == 3 && cluster.nodes(0).reach() == v1::REACH_UP &&
           cluster.nodes(1).reach() == v1::REACH_UP;
  }));
  const KvctlResult status = RunKvctl(cluster_.router_address(), {"admin", "status"});
  EXPECT_NE(status.out.find("waits for n3"), std::string::npos) << status.out;
  StartNodes({3});
  ASSERT_TRUE(WaitWhole());
  EXPECT_EQ(Found("synced", 100), 100);
  EXPECT_EQ(Found("late", 50), 0);
  Put("late", 50);
  EXPECT_EQ(Found("late", 50), 50);
}

TEST_F(PowerLoss, OfWhichOneNodeDoesNotComeBackIsAcceptedByAnOperator) {
  Put("synced", 100);
  cluster_.KillAll();
  for (int node : {1, 2, 3}) WrittenByAnotherKernel(node);
  cluster_.router().Start();
  StartNodes({1, 2});
  ASSERT_TRUE(cluster_.WaitFor([](const v1::GetClusterResponse& cluster) {
    return cluster.slot_health().blocked() == cluster.slots() &&
           cluster.nodes(0).reach() == v1::REACH_UP && cluster.nodes(1).reach() == v1::REACH_UP;
  }));
  const std::string router = cluster_.router_address();
  // Nobody is asked at a pipe, and nothing is done.
  const KvctlResult refused = RunKvctl(router, {"admin", "accept-loss", "all"});
  EXPECT_EQ(refused.code, 5) << refused.err;
  EXPECT_NE(refused.out.find("slots 0-255 (256):"), std::string::npos) << refused.out;
  EXPECT_NE(refused.out.find("given up: n3's copy"), std::string::npos) << refused.out;
  EXPECT_NE(refused.out.find("n1's copy, which may lack what it acknowledged in the last 100 ms"),
            std::string::npos)
      << refused.out;
  EXPECT_EQ(RunKvctl(router, {"--timeout", "1s", "get", "synced1"}).code, 3);
  EXPECT_TRUE(cluster_.WaitFor([this](const v1::GetClusterResponse&) {
    return cluster_.Log("r1").find("alarm: no quorum for 256 slots") != std::string::npos;
  })) << cluster_.Log("r1");

  const KvctlResult accepted = RunKvctl(router, {"admin", "accept-loss", "all", "--yes"});
  EXPECT_EQ(accepted.code, 0) << accepted.err;
  ASSERT_TRUE(cluster_.WaitFor(
      [](const v1::GetClusterResponse& cluster) { return cluster.slot_health().blocked() == 0; }));
  EXPECT_EQ(Found("synced", 100), 100);
  Put("without", 20);
  EXPECT_EQ(RunKvctl(router, {"admin", "accept-loss", "all", "--yes"}).code, 0);
  EXPECT_EQ(RunKvctl(router, {"admin", "accept-loss", "7", "--yes"}).code, 1);
  EXPECT_EQ(RunKvctl(router, {"admin", "accept-loss", "256", "--yes"}).code, 2);
  // The one that was given up comes back, empty, and is filled.
  StartNodes({3});
  ASSERT_TRUE(WaitWhole());
  cluster_.node(1).Kill();
  EXPECT_EQ(Found("synced", 100), 100);
  EXPECT_EQ(Found("without", 20), 20);
}

}  // namespace
}  // namespace ringkv
