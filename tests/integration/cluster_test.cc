// What the README promises, with real processes.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "base/random.h"
#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/writer.h"

namespace ringkv {
namespace {

TEST(Cluster, DoesWhatTheDataCommandsSay) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  auto client = cluster.NewClient();
  EXPECT_EQ(client->Get("a").status.code(), StatusCode::kNotFound);
  WriteResult first = client->Put("a", "1");
  ASSERT_TRUE(first.status.ok()) << first.status.ToString();
  PutOptions if_absent;
  if_absent.if_absent = true;
  EXPECT_EQ(client->Put("a", "2", if_absent).status.code(), StatusCode::kConditionFailed);
  PutOptions if_version;
  if_version.if_version = first.version;
  EXPECT_TRUE(client->Put("a", "3", if_version).status.ok());
  EXPECT_EQ(client->Put("a", "4", if_version).status.code(), StatusCode::kConditionFailed);
  EXPECT_EQ(client->Get("a").value, "3");
  EXPECT_EQ(client->Increment("a", 39).value, 42);
  EXPECT_TRUE(client->Put("text", "abc").status.ok());
  EXPECT_EQ(client->Increment("text", 1).status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(client->Delete("a").status.ok());
  EXPECT_EQ(client->Delete("a").status.code(), StatusCode::kNotFound);
  EXPECT_EQ(client->Get("a").status.code(), StatusCode::kNotFound);
}

TEST(Cluster, ExpiredKeyIsGoneFromReadsScansAndConditions) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  auto client = cluster.NewClient();
  PutOptions brief;
  brief.ttl_ms = 1000;
  ASSERT_TRUE(client->Put("brief", "x", brief).status.ok());
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (client->Get("brief").status.ok()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two looks
  }
  EXPECT_EQ(client->Get("brief").status.code(), StatusCode::kNotFound);
  Status scanned = client->Scan({}, [](ScanEntry entry) {
    ADD_FAILURE() << entry.key << " has expired";
    return true;
  });
  EXPECT_TRUE(scanned.ok());
  PutOptions if_absent;
  if_absent.if_absent = true;
  EXPECT_TRUE(client->Put("brief", "y", if_absent).status.ok());
}

TEST(Cluster, GoesOnWhileANodeIsDeadAndTakesItBack) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  Writer writer(cluster, "k");
  ASSERT_TRUE(writer.WaitForMore(50));
  cluster.node(2).Kill();
  ASSERT_TRUE(writer.WaitForMore(200)) << "writes stopped when a node died";
  ASSERT_TRUE(cluster.WaitReach(2, v1::REACH_DOWN));
  cluster.node(2).Start();
  ASSERT_TRUE(cluster.WaitAllUp());
  ASSERT_TRUE(writer.WaitForMore(50));
  writer.Stop();
  EXPECT_TRUE(writer.failures().empty())
      << writer.failures().size() << " failed, first " << writer.failures()[0];
  // What it missed was sent to it again: any two nodes are enough.
  ASSERT_TRUE(cluster.WaitFor(FullyReplicated)) << "the node that came back never caught up";
  cluster.node(1).Kill();
  ExpectAllThere(cluster, writer.acknowledged());
}

TEST(Cluster, KeepsEveryAcknowledgedKeyWhenAllIsKilledAlsoWhileStarting) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  std::set<std::string> acknowledged;
  Random random(20261121);
  for (int round = 0; round < 3; ++round) {
    Writer writer(cluster, "r" + std::to_string(round) + "-");
    ASSERT_TRUE(writer.WaitForMore(100));
    cluster.KillAll();
    // Start, and kill again while starting: after a random while, wherever that finds them.
    for (int again = 0; again < 3; ++again) {
      cluster.router().Start();
      for (int node = 1; node <= 3; ++node) cluster.node(node).Start();
      std::this_thread::sleep_for(
          std::chrono::milliseconds(random.Between(5, 700)));  // the fault's time
      cluster.KillAll();
    }
    ASSERT_TRUE(cluster.Start());
    writer.Stop();
    acknowledged.insert(writer.acknowledged().begin(), writer.acknowledged().end());
    ExpectAllThere(cluster, acknowledged);
  }
}

TEST(Cluster, WipedNodeIsFilledAgainAndVotesAndServes) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  Writer writer(cluster, "k");
  ASSERT_TRUE(writer.WaitForMore(300));
  auto client = cluster.NewClient();
  const std::string large(2 << 20, 'x');
  ASSERT_TRUE(client->Put("large", large).status.ok());
  cluster.node(3).Kill();
  cluster.WipeNode(3);
  cluster.node(3).Start();
  ASSERT_TRUE(cluster.WaitFor(FullyReplicated));
  ASSERT_TRUE(writer.WaitForMore(100));
  writer.Stop();
  EXPECT_TRUE(writer.failures().empty()) << writer.failures()[0];
  EXPECT_TRUE(cluster.WaitFor([](const v1::GetClusterResponse& status) {
    for (const v1::NodeStatus& node : status.nodes()) {
      if (node.node().id() == "n3")
        return node.voting_slots() == status.slots() && node.clean_slots() == status.slots();
    }
    return false;
  }));
  // It is a full member of every quorum: with it and one other all is there.
  cluster.node(1).Kill();
  ASSERT_TRUE(cluster.WaitReach(1, v1::REACH_DOWN));
  ExpectAllThere(cluster, writer.acknowledged());
  EXPECT_EQ(client->Get("large").value, large);
}

TEST(Cluster, BecomesHealthyByItselfAfterTheRouterWasKilledUnderLoad) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  std::set<std::string> acknowledged;
  {
    Writer writer(cluster, "k");
    ASSERT_TRUE(writer.WaitForMore(300));
    cluster.router().Kill();
    writer.Stop();
    acknowledged = writer.acknowledged();
  }
  cluster.router().Start();
  ASSERT_TRUE(cluster.WaitAllUp());
  Writer writer(cluster, "after");
  ASSERT_TRUE(cluster.WaitFor(FullyReplicated, /*seconds=*/15));
  ASSERT_TRUE(writer.WaitForMore(50));
  writer.Stop();
  EXPECT_TRUE(writer.failures().empty()) << writer.failures()[0];
  acknowledged.insert(writer.acknowledged().begin(), writer.acknowledged().end());
  ExpectAllThere(cluster, acknowledged);
}

TEST(Cluster, StopsGracefullyAndStartsAgainWithAllItsData) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  Writer writer(cluster, "k");
  ASSERT_TRUE(writer.WaitForMore(100));
  writer.Stop();
  EXPECT_EQ(cluster.router().Stop(), 0);
  for (int node = 1; node <= 3; ++node) EXPECT_EQ(cluster.node(node).Stop(), 0);
  ASSERT_TRUE(cluster.Start());
  ExpectAllThere(cluster, writer.acknowledged());
}

TEST(Cluster, FurtherNodeRegistersAndWaits) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  cluster.node(4).Start();
  EXPECT_TRUE(cluster.WaitFor([](const v1::GetClusterResponse& status) {
    for (const v1::NodeStatus& node : status.nodes()) {
      if (node.node().id() == "n4")
        return node.node().state() == v1::NODE_STATE_WAITING && node.slots() == 0;
    }
    return false;
  }));
}

TEST(Cluster, OneNodeIsAClusterToo) {
  LocalClusterOptions options;
  options.nodes = options.replicas = 1;
  LocalCluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  Writer writer(cluster, "k");
  ASSERT_TRUE(writer.WaitForMore(50));
  writer.Stop();
  EXPECT_TRUE(writer.failures().empty()) << writer.failures()[0];
  ExpectAllThere(cluster, writer.acknowledged());
}

TEST(Cluster, RefusesAtOnceWithoutAQuorum) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  cluster.node(1).Kill();
  cluster.node(2).Kill();
  ASSERT_TRUE(cluster.WaitReach(1, v1::REACH_DOWN));
  ASSERT_TRUE(cluster.WaitReach(2, v1::REACH_DOWN));
  KvctlResult put = RunKvctl(cluster.router_address(), {"--timeout", "1s", "put", "a", "b"});
  EXPECT_EQ(put.code, 3) << put.err;
  EXPECT_NE(put.err.find("too few replicas"), std::string::npos) << put.err;
}

// ---- kvctl on real data -----------------------------------------------------------------------

std::string EveryByte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

TEST(Kvctl, KeepsBinaryKeysAndValuesByteForByte) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  ScratchDirectory scratch;
  std::string large(8 * 1024 * 1024, '\0');
  Random random(5);
  for (char& c : large) c = static_cast<char>(random.Next());
  const std::string& router = cluster.router_address();
  EXPECT_EQ(RunKvctl(router, {"put", "bytes", "--file", "-"}, EveryByte()).code, 0);
  EXPECT_EQ(RunKvctl(router, {"put", "empty", "--file", "-"}, "").code, 0);
  EXPECT_EQ(RunKvctl(router, {"put", "large", "--file", "-"}, large).code, 0);
  EXPECT_EQ(RunKvctl(router, {"put", "--key-base64", "AAECAwD/", "--file", "-"}, EveryByte()).code,
            0);
  EXPECT_TRUE(RunKvctl(router, {"get", "bytes"}).out == EveryByte());
  KvctlResult empty = RunKvctl(router, {"get", "empty"});
  EXPECT_EQ(empty.code, 0);
  EXPECT_EQ(empty.out, "");
  EXPECT_TRUE(RunKvctl(router, {"get", "large"}).out == large);
  EXPECT_TRUE(RunKvctl(router, {"get", "--key-base64", "AAECAwD/"}).out == EveryByte());

  std::string file = scratch.Path("out.jsonl");
  ASSERT_EQ(RunKvctl(router, {"export", file}).code, 0);
  for (const char* key : {"bytes", "empty", "large"})
    EXPECT_EQ(RunKvctl(router, {"del", key}).code, 0);
  EXPECT_EQ(RunKvctl(router, {"get", "large"}).code, 1);
  KvctlResult import = RunKvctl(router, {"import", file});
  ASSERT_EQ(import.code, 0) << import.err;
  EXPECT_TRUE(RunKvctl(router, {"get", "bytes"}).out == EveryByte());
  EXPECT_TRUE(RunKvctl(router, {"get", "large"}).out == large);
  EXPECT_EQ(RunKvctl(router, {"get", "empty"}).code, 0);
}

TEST(Kvctl, ImportEndsWithoutAnErrorWhileANodeDiesAndASecondChangesNothing) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  ScratchDirectory scratch;
  std::string lines;
  std::set<std::string> sorted;
  for (int i = 0; i < 30'000; ++i) {
    std::string line =
        "{\"key\":\"package-" + std::to_string(i) + "\",\"value\":\"" +
        std::string(static_cast<size_t>(100 + i % 900), static_cast<char>('a' + i % 26)) + "\"}";
    lines += line + "\n";
    sorted.insert(line);
  }
  std::string file = scratch.Path("in.jsonl");
  WriteFile(file, lines);
  Writer writer(cluster, "other-");
  ASSERT_TRUE(writer.WaitForMore(20));
  KvctlResult import;
  std::thread importer([&] { import = RunKvctl(cluster.router_address(), {"import", file}); });
  ASSERT_TRUE(writer.WaitForMore(50));
  cluster.node(1).Kill();
  ASSERT_TRUE(writer.WaitForMore(50));
  cluster.node(1).Start();
  importer.join();
  writer.Stop();
  EXPECT_EQ(import.code, 0) << import.err;
  EXPECT_TRUE(writer.failures().empty()) << writer.failures()[0];

  auto exported = [&] {
    std::string out = scratch.Path("out.jsonl");
    KvctlResult result = RunKvctl(cluster.router_address(), {"export", out});
    EXPECT_EQ(result.code, 0) << result.err;
    std::set<std::string> found;
    std::istringstream in(ReadFile(out));
    for (std::string line; std::getline(in, line);) {
      if (line.find("\"other-") == std::string::npos) found.insert(line);
    }
    return found;
  };
  EXPECT_TRUE(exported() == sorted);
  EXPECT_EQ(RunKvctl(cluster.router_address(), {"import", file}).code, 0);
  EXPECT_TRUE(exported() == sorted);
}

TEST(Kvctl, LimitsHaveTheirOwnErrorsAndChangeNothing) {
  LocalCluster cluster;
  ASSERT_TRUE(cluster.Start());
  const std::string& router = cluster.router_address();
  auto refused = [&](const std::vector<std::string>& arguments, const std::string& input,
                     const std::string& says) {
    KvctlResult result = RunKvctl(router, arguments, input);
    EXPECT_EQ(result.code, 2) << arguments[0];
    EXPECT_NE(result.err.find(says), std::string::npos) << result.err;
  };
  refused({"put", "", "x"}, "", "the key is empty");
  refused({"put", std::string(4097, 'k'), "x"}, "", "4097 bytes");
  refused({"put", "k", "--file", "-"}, std::string(8 * 1024 * 1024 + 1, 'x'), "8388608");
  refused({"put", "k", "x", "--ttl", "500ms"}, "", "1 s to 10 years");
  refused({"put", "k", "x", "--ttl", "100000d"}, "", "");
  refused({"put", "k", "x", "--if-version", "abc"}, "", "not a version");
  refused({"put", "k", "x", "--if-absent", "--if-version", "1.1"}, "", "");
  EXPECT_EQ(RunKvctl(router, {"get", "k"}).code, 1);
  EXPECT_EQ(RunKvctl(router, {"put", std::string(4096, 'k'), "x"}).code, 0);
  EXPECT_EQ(RunKvctl(router, {"get", std::string(4096, 'k')}).out, "x");
}

}  // namespace
}  // namespace ringkv
