// `kvctl admin plan` on a cluster with data: what it says of slots and bytes, and that it changes
// nothing.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "tests/client/kvctl_process.h"
#include "tests/integration/local_cluster.h"

namespace ringkv {
namespace {

using Json = nlohmann::json;

// Keys and values as text that does not compress well: most inline, some in files of their own.
// Returns what one copy of it takes, by docs/record-format.md.
uint64_t WriteRecords(const std::string& file) {
  Random random(7);
  std::string lines;
  uint64_t bytes = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = "key-" + std::to_string(i);
    std::string value;
    for (uint64_t left = i % 200 == 0 ? 20'000 : random.Between(50, 500); left > 0; --left) {
      value.push_back(static_cast<char>('!' + 2 + random.Below(50)));  // neither " nor a backslash
    }
    lines += "{\"key\":\"" + key + "\",\"value\":\"" + value + "\"}\n";
    bytes += 12 + key.size() + 46 + value.size();
  }
  WriteFile(file, lines);
  return bytes;
}

class PlanTest : public testing::Test {
 protected:
  static LocalClusterOptions Options() {
    LocalClusterOptions options;
    options.slots = 4096;
    return options;
  }

  Json RunJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-o", "json"});
    const KvctlResult result = RunKvctl(cluster_.router_address(), arguments);
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    return Json::parse(result.out, nullptr, false);
  }
  void ExpectRefused(const std::vector<std::string>& arguments, int code, const std::string& says) {
    const KvctlResult result = RunKvctl(cluster_.router_address(), arguments);
    EXPECT_EQ(result.code, code) << result.out << result.err;
    EXPECT_NE(result.err.find(says), std::string::npos) << result.err;
  }
  bool WaitUntilWhole() {
    return cluster_.WaitFor([](const v1::GetClusterResponse& status) {
      return status.slot_health().fully_replicated() == status.slots();
    });
  }
  bool WaitUntilN4Waits() {
    return cluster_.WaitFor([](const v1::GetClusterResponse& status) {
      for (const v1::NodeStatus& node : status.nodes()) {
        if (node.node().id() == "n4") return node.node().state() == v1::NODE_STATE_WAITING;
      }
      return false;
    });
  }

  LocalCluster cluster_{Options()};
};

double Number(const Json& text) { return std::stod(text.get<std::string>()); }

// Three of four slots get a replica on n4, each the size of its slot. Within a tenth: which slots
// those are is the planner's choice, and a value of 20 kB makes a slot large.
void ExpectShareOfN4(const Json& plan, double bytes) {
  EXPECT_EQ(plan["moves"], "3072");
  EXPECT_EQ(plan["least_moves"], "3072");
  EXPECT_EQ(plan["slots_without_estimate"], "0");
  EXPECT_NEAR(Number(plan["bytes"]), bytes * 0.75, bytes * 0.075);
  // What each node holds now is everything, to a twentieth.
  for (int node = 0; node < 3; ++node) {
    EXPECT_NEAR(Number(plan["nodes"][node]["before"]["bytes"]), bytes, bytes * 0.05);
    EXPECT_EQ(plan["nodes"][node]["after"]["replicas"], "3072");
  }
  EXPECT_EQ(plan["nodes"][3]["id"], "n4");
  EXPECT_EQ(plan["nodes"][3]["after"]["bytes"], plan["bytes"]);
}

TEST_F(PlanTest, SaysWhatANodeThatJoinsWouldGetAndChangesNothing) {
  ASSERT_TRUE(cluster_.Start());
  ScratchDirectory scratch;
  const auto bytes = static_cast<double>(WriteRecords(scratch.Path("in.jsonl")));
  ASSERT_EQ(RunKvctl(cluster_.router_address(), {"import", scratch.Path("in.jsonl")}).code, 0);
  ASSERT_TRUE(WaitUntilWhole());  // the third copy may come later than the acknowledgement
  cluster_.node(4).Start();
  ASSERT_TRUE(WaitUntilN4Waits());
  const Json ring = RunJson({"admin", "ring"});

  Json plan = RunJson({"admin", "plan", "add-node", "n4"});
  ExpectShareOfN4(plan, bytes);
  EXPECT_EQ(plan["notes"].size(), 0u) << plan["notes"];
  EXPECT_EQ(plan["epoch"], ring["epoch"]);

  // Once the nodes have written everything to table files, they tell the same.
  for (int node = 1; node <= 3; ++node) {
    EXPECT_EQ(cluster_.node(node).Stop(), 0);
    cluster_.node(node).Start();
  }
  ASSERT_TRUE(WaitUntilWhole());
  ExpectShareOfN4(RunJson({"admin", "plan", "add-node", "n4"}), bytes);

  // A dead node keeps its sizes to itself; the others hold the same slots.
  cluster_.node(2).Kill();
  plan = RunJson({"admin", "plan", "add-node", "n4"});
  ExpectShareOfN4(plan, bytes);
  ASSERT_EQ(plan["silent_nodes"].size(), 1u);
  EXPECT_EQ(plan["silent_nodes"][0]["id"], "n2");

  EXPECT_EQ(RunJson({"admin", "ring"}), ring) << "a plan changes nothing";
}

TEST_F(PlanTest, WhatCannotBeIsRefusedWithTheReasonAndTheCommandThatWouldDo) {
  ASSERT_TRUE(cluster_.Start());
  const Json ring = RunJson({"admin", "ring"});
  ExpectRefused({"admin", "plan", "remove-node", "n2"}, 5, "kvctl admin set-replicas 2");
  ExpectRefused({"admin", "plan", "remove-node", "n9"}, 1, "'n9' is not part of the cluster");
  ExpectRefused({"admin", "plan", "add-node", "n9"}, 1, "'n9' has not registered");
  ExpectRefused({"admin", "plan", "add-node", "n9", "nowhere"}, 2, "nowhere");
  ExpectRefused({"admin", "plan", "add-node", "n2"}, 5, "'n2' is part of the cluster already");
  ExpectRefused({"admin", "plan", "add-node", "n9", "127.0.0.1:1", "--zone", std::string(64, 'z')},
                2, "zone");
  ExpectRefused({"admin", "plan", "set-replicas", "4"}, 5, "kvctl admin add-node");
  EXPECT_EQ(RunJson({"admin", "ring"}), ring);
}

}  // namespace
}  // namespace ringkv
