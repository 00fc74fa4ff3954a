// Nodes without space to spare, on real processes: more is kept in reserve than any disk has.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"

namespace ringkv {
namespace {

bool AllFull(const v1::GetClusterResponse& cluster) {
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (!node.disk_full()) return false;
  }
  return cluster.nodes_size() == 3;
}

void RestartNodes(LocalCluster* cluster) {
  for (int node = 1; node <= 3; ++node) {
    ASSERT_EQ(cluster->node(node).Stop(), 0);
    cluster->node(node).Start();
  }
  ASSERT_TRUE(cluster->WaitAllUp());
}

TEST(FullDisk, RefusesValuesWithTheReasonAndServesReadsAndDeletes) {
  TempDir directory;
  const std::string config = directory.Sub("node.yaml");
  const auto reserve = [&](const std::string& bytes) {
    std::ofstream(config) << "disk-reserve: " << bytes << '\n';
  };
  reserve("0");
  LocalClusterOptions options;
  options.node_arguments = {"--config", config};
  LocalCluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  auto client = cluster.NewClient();
  ASSERT_TRUE(client->Put("stays", "1").status.ok());
  ASSERT_TRUE(client->Put("goes", "1").status.ok());
  reserve("1024TiB");
  RestartNodes(&cluster);
  ASSERT_TRUE(cluster.WaitFor(AllFull));

  const KvctlResult put = RunKvctl(cluster.router_address(), {"--timeout", "2s", "put", "k", "v"});
  EXPECT_EQ(put.code, 3) << put.err;
  EXPECT_NE(put.err.find("space on their disks"), std::string::npos) << put.err;
  EXPECT_EQ(client->Get("k").status.code(), StatusCode::kNotFound);
  EXPECT_EQ(client->Get("stays").value, "1");
  EXPECT_TRUE(client->Delete("goes").status.ok());
  EXPECT_EQ(client->Get("goes").status.code(), StatusCode::kNotFound);
  const KvctlResult status = RunKvctl(cluster.router_address(), {"admin", "status"});
  EXPECT_NE(status.out.find("n1 takes no values: its disk is full"), std::string::npos)
      << status.out;

  // With space again they go on, and nothing was lost.
  reserve("0");
  RestartNodes(&cluster);
  EXPECT_TRUE(client->Put("k", "v").status.ok());
  EXPECT_EQ(client->Get("stays").value, "1");
}

}  // namespace
}  // namespace ringkv
