// What `admin plan` says, against the planner's list of moves added up by hand.
#include "router/change_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "router/cluster_report.h"
#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void PutNode(ClusterState* state, const v1::NodeRecord& record) {
  MetadataTxn txn;
  txn.puts.emplace_back(NodeName(record.id()), record.SerializeAsString());
  ASSERT_TRUE(state->Apply(txn).ok());
}

v1::NodeRecord Waiting(const std::string& id, const std::string& address) {
  v1::NodeRecord record;
  record.set_id(id);
  record.set_address(address);
  record.set_vnodes(128);
  record.set_state(v1::NODE_STATE_WAITING);
  return record;
}

v1::PlanChangeRequest AddNodeRequest(const std::string& id, const std::string& address = "",
                                     uint32_t vnodes = 0) {
  v1::PlanChangeRequest request;
  request.mutable_add_node()->set_node(id);
  request.mutable_add_node()->set_address(address);
  request.mutable_add_node()->set_vnodes(vnodes);
  return request;
}

v1::PlanChangeRequest RemoveNodeRequest(const std::string& id) {
  v1::PlanChangeRequest request;
  request.mutable_remove_node()->set_node(id);
  return request;
}

v1::PlanChangeRequest SetReplicasRequest(uint32_t replicas) {
  v1::PlanChangeRequest request;
  request.mutable_set_replicas()->set_replicas(replicas);
  return request;
}

// As every holder of a slot would tell it: the slot's number and 1000 bytes.
SlotBytes Sizes(const ClusterState& state) {
  SlotBytes bytes;
  for (size_t slot = 0; slot < state.slots().size(); ++slot) bytes.emplace_back(1000 + slot);
  return bytes;
}

v1::PlanChangeResponse Report(const ClusterState& state, const v1::PlanChangeRequest& request) {
  const Result<ChangePlan> plan = PlanRequestedChange(state, request);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  if (!plan.ok()) return {};
  return ReportPlan(*plan, Sizes(state), {});
}

Status ErrorOf(const ClusterState& state, const v1::PlanChangeRequest& request) {
  return PlanRequestedChange(state, request).status();
}

const v1::PlannedNode& NodeIn(const v1::PlanChangeResponse& response, const std::string& id) {
  for (const v1::PlannedNode& node : response.nodes()) {
    if (node.id() == id) return node;
  }
  ADD_FAILURE() << id << " is not in the answer";
  static const v1::PlannedNode kNone;
  return kNone;
}

std::vector<std::string> Notes(const v1::PlanChangeResponse& response) {
  return {response.notes().begin(), response.notes().end()};
}

// ---- what would move

TEST(ChangePlan, NodeThatJoinsGetsItsShareFromAllAndNothingElseMoves) {
  const ClusterState state = Formed();
  const v1::PlanChangeResponse plan = Report(state, AddNodeRequest("n4", "127.0.0.1:7530"));
  EXPECT_EQ(plan.status().outcome(), v1::OUTCOME_DONE);
  EXPECT_EQ(plan.epoch(), 1u);
  EXPECT_EQ(plan.slots(), 64u);
  EXPECT_EQ(plan.moves(), 48u);  // 64 × 3 / 4
  EXPECT_EQ(plan.least_moves(), 48u);
  EXPECT_EQ(plan.drops(), 0u);
  ASSERT_EQ(plan.transfers_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(plan.transfers(i).from(), "n" + std::to_string(i + 1));
    EXPECT_EQ(plan.transfers(i).to(), "n4");
    EXPECT_EQ(plan.transfers(i).slots(), 16u);
  }
  ASSERT_EQ(plan.nodes_size(), 4);
  EXPECT_EQ(plan.nodes(0).before().replicas(), 64u);
  EXPECT_EQ(plan.nodes(0).after().replicas(), 48u);
  EXPECT_DOUBLE_EQ(plan.nodes(0).before().share(), 1 / 3.0);
  EXPECT_DOUBLE_EQ(plan.nodes(0).after().share(), 0.25);
  EXPECT_EQ(plan.nodes(0).before().vnodes(), 128u);
  EXPECT_EQ(plan.nodes(3).id(), "n4");
  EXPECT_EQ(plan.nodes(3).address(), "127.0.0.1:7530");
  EXPECT_EQ(plan.nodes(3).before().vnodes(), 0u);
  EXPECT_EQ(plan.nodes(3).before().replicas(), 0u);
  EXPECT_EQ(plan.nodes(3).after().replicas(), 48u);
  EXPECT_EQ(plan.nodes(3).after().bytes(), plan.bytes());
  EXPECT_DOUBLE_EQ(plan.after().max_over_mean(), 1.0);
}

TEST(ChangePlan, FewerReplicasAreDroppedAndMoreAreCopied) {
  const ClusterState state = Formed();
  const v1::PlanChangeResponse fewer = Report(state, SetReplicasRequest(2));
  EXPECT_EQ(fewer.replicas_before(), 3u);
  EXPECT_EQ(fewer.replicas_after(), 2u);
  EXPECT_EQ(fewer.moves(), 0u);
  EXPECT_EQ(fewer.bytes(), 0u);
  EXPECT_EQ(fewer.drops(), 64u);
  for (const v1::PlannedTransfer& transfer : fewer.transfers()) {
    EXPECT_EQ(transfer.to(), "");
    EXPECT_NE(transfer.from(), "");
  }

  FormationRequest two = ThreeNodes();
  two.replicas = 2;
  const v1::PlanChangeResponse more = Report(Formed(two), SetReplicasRequest(3));
  EXPECT_EQ(more.moves(), 64u);
  EXPECT_EQ(more.drops(), 0u);
  for (const v1::PlannedTransfer& transfer : more.transfers()) {
    EXPECT_EQ(transfer.from(), "");
    EXPECT_NE(transfer.to(), "");
  }
}

// Random clusters, changes and sizes: every sum against a plain walk over the moves.
TEST(ChangePlan, AddsUpForEveryNodeAndPair) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  int planned = 0;
  for (int round = 0; round < 60; ++round) {
    FormationRequest request = ThreeNodes(256);
    const auto nodes = static_cast<int>(random.Between(3, 9));
    request.nodes.clear();
    for (int n = 1; n <= nodes; ++n) {
      request.nodes.push_back(Entry("n" + std::to_string(n), 7500 + 10 * n,
                                    static_cast<uint32_t>(random.Between(32, 256))));
    }
    request.replicas = static_cast<uint32_t>(random.Between(1, 3));
    const ClusterState state = Formed(request);
    v1::PlanChangeRequest change = AddNodeRequest("m1", "127.0.0.1:9000", 100);
    if (round % 4 == 1) change = RemoveNodeRequest("n2");
    if (round % 4 == 2) change = SetReplicasRequest(static_cast<uint32_t>(random.Between(1, 3)));
    if (round % 4 == 3) {
      change.mutable_set_vnodes()->set_node("n3");
      change.mutable_set_vnodes()->set_vnodes(static_cast<uint32_t>(random.Between(1, 999)));
    }
    SlotBytes sizes;
    for (int slot = 0; slot < 256; ++slot) {
      sizes.push_back(random.Chance(0.1) ? std::nullopt : std::optional(random.Below(1 << 30)));
    }
    const Result<ChangePlan> plan = PlanRequestedChange(state, change);
    if (plan.status().code() == StatusCode::kRefused) continue;  // too few nodes
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    ++planned;
    const v1::PlanChangeResponse report = ReportPlan(*plan, sizes, {});
    EXPECT_EQ(report.SerializeAsString(), ReportPlan(*plan, sizes, {}).SerializeAsString());

    const auto name = [&](const Ring& ring, std::optional<NodeIndex> node) {
      return node.has_value() ? ring.member(*node).id.value() : "";
    };
    std::map<std::pair<std::string, std::string>, std::pair<uint64_t, uint64_t>> pairs;
    std::map<std::string, int64_t> gained;
    std::map<std::string, int64_t> gained_bytes;
    uint64_t copied = 0;
    for (const Move& move : plan->change.moves) {
      const uint64_t bytes = sizes[move.slot.value()].value_or(0);
      const std::string from = name(plan->before, move.from);
      const std::string to = name(plan->change.next, move.to);
      auto& [slots, sum] = pairs[{from, to}];
      ++slots;
      sum += bytes;
      --gained[from];
      ++gained[to];
      gained_bytes[from] -= static_cast<int64_t>(bytes);
      gained_bytes[to] += static_cast<int64_t>(bytes);
      if (!to.empty()) copied += bytes;
    }
    EXPECT_EQ(report.bytes(), copied);
    EXPECT_EQ(report.moves() + report.drops(), plan->change.moves.size());
    ASSERT_EQ(report.transfers_size(), static_cast<int>(pairs.size()));
    auto pair = pairs.begin();
    for (const v1::PlannedTransfer& transfer : report.transfers()) {
      EXPECT_EQ(std::pair(transfer.from(), transfer.to()), pair->first);
      EXPECT_EQ(std::pair(transfer.slots(), transfer.bytes()), pair->second);
      ++pair;
    }
    double before = 0, after = 0;
    std::string last;
    for (const v1::PlannedNode& node : report.nodes()) {
      EXPECT_LT(last, node.id());
      last = node.id();
      EXPECT_EQ(static_cast<int64_t>(node.after().replicas()),
                static_cast<int64_t>(node.before().replicas()) + gained[node.id()]);
      EXPECT_EQ(static_cast<int64_t>(node.after().bytes()),
                static_cast<int64_t>(node.before().bytes()) + gained_bytes[node.id()]);
      before += node.before().share();
      after += node.after().share();
    }
    EXPECT_NEAR(before, 1, 1e-9);
    EXPECT_NEAR(after, 1, 1e-9);
  }
  EXPECT_GT(planned, 40);
}

// ---- the node to add

TEST(ChangePlan, NodeThatWaitsNeedsNothingButItsName) {
  ClusterState state = Formed();
  v1::NodeRecord n4 = Waiting("n4", "127.0.0.1:7530");
  n4.set_zone("z2");
  n4.set_vnodes(64);
  PutNode(&state, n4);
  const v1::PlanChangeResponse plan = Report(state, AddNodeRequest("n4"));
  EXPECT_THAT(Notes(plan), IsEmpty());
  EXPECT_EQ(NodeIn(plan, "n4").address(), "127.0.0.1:7530");
  EXPECT_EQ(NodeIn(plan, "n4").zone(), "z2");
  EXPECT_EQ(NodeIn(plan, "n4").after().vnodes(), 64u);

  v1::PlanChangeRequest other = AddNodeRequest("n4", "127.0.0.1:7999", 256);
  other.mutable_add_node()->set_zone("");
  const v1::PlanChangeResponse said = Report(state, other);
  EXPECT_EQ(NodeIn(said, "n4").address(), "127.0.0.1:7999");
  EXPECT_EQ(NodeIn(said, "n4").zone(), "");
  EXPECT_EQ(NodeIn(said, "n4").after().vnodes(), 256u);
  EXPECT_THAT(Notes(said), ElementsAre(HasSubstr("registered with address 127.0.0.1:7530"),
                                       HasSubstr("registered with zone 'z2'")));
}

TEST(ChangePlan, NodeThatHasNotRegisteredNeedsAnAddress) {
  ClusterState state = Formed();
  const Status unknown = ErrorOf(state, AddNodeRequest("n9"));
  EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
  EXPECT_THAT(unknown.message(), HasSubstr("kvctl admin plan add-node n9 HOST:PORT"));
  EXPECT_THAT(Notes(Report(state, AddNodeRequest("n9", "127.0.0.1:7999"))),
              ElementsAre(HasSubstr("has not registered yet")));
  // What is left of a node that was removed is not where it will be.
  v1::NodeRecord gone = Waiting("n9", "127.0.0.1:7999");
  gone.set_state(v1::NODE_STATE_REMOVED);
  PutNode(&state, gone);
  EXPECT_EQ(ErrorOf(state, AddNodeRequest("n9")).code(), StatusCode::kNotFound);
}

TEST(ChangePlan, EachFaultIsAnErrorOfItsOwn) {
  const ClusterState state = Formed();
  const auto code = [&](const v1::PlanChangeRequest& request) {
    return ErrorOf(state, request).code();
  };
  EXPECT_EQ(code(AddNodeRequest("N4", "127.0.0.1:7530")), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(AddNodeRequest("n4", "nowhere")), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(AddNodeRequest("n4", "127.0.0.1:7530", 5000)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(AddNodeRequest("n2")), StatusCode::kRefused);
  EXPECT_EQ(code(AddNodeRequest("n2", "127.0.0.1:7530")), StatusCode::kRefused);
  const Status taken = ErrorOf(state, AddNodeRequest("n4", "127.0.0.1:7510"));
  EXPECT_EQ(taken.code(), StatusCode::kRefused);
  EXPECT_THAT(taken.message(), HasSubstr("'n2' is at 127.0.0.1:7510"));
  EXPECT_EQ(code(RemoveNodeRequest("n9")), StatusCode::kNotFound);
  EXPECT_EQ(code(RemoveNodeRequest("")), StatusCode::kInvalidArgument);
  const Status few = ErrorOf(state, RemoveNodeRequest("n2"));
  EXPECT_EQ(few.code(), StatusCode::kRefused);
  EXPECT_THAT(few.message(), HasSubstr("kvctl admin set-replicas 2"));
  EXPECT_EQ(code(SetReplicasRequest(4)), StatusCode::kRefused);
  EXPECT_EQ(code(SetReplicasRequest(8)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({}), StatusCode::kInvalidArgument);
}

TEST(ChangePlan, SaysWhatGoesOnAlready) {
  ClusterState state = Formed();
  v1::NodeRecord leaving = *state.FindNode("n3");
  leaving.set_state(v1::NODE_STATE_DRAINING);
  PutNode(&state, leaving);
  PutNode(&state, Waiting("n4", "127.0.0.1:7530"));
  v1::SlotPlacement moving = state.slots()[7];
  moving.mutable_learner()->set_node("n4");
  moving.mutable_learner()->set_inc(2);
  moving.set_last_inc(2);
  MetadataTxn txn;
  txn.puts.emplace_back(SlotName(SlotId(7)), moving.SerializeAsString());
  ASSERT_TRUE(state.Apply(txn).ok());
  EXPECT_THAT(Notes(Report(state, AddNodeRequest("n5", "127.0.0.1:7540"))),
              ElementsAre(HasSubstr("'n5' has not registered"), HasSubstr("1 slot is on the move"),
                          HasSubstr("'n3' is leaving")));
}

// ---- sizes

NodeSlotSizes Says(const std::string& node,
                   const std::vector<std::tuple<uint32_t, uint64_t, uint64_t>>& sizes) {
  NodeSlotSizes answer;
  answer.node = node;
  for (const auto& [slot, inc, bytes] : sizes) {
    answer.sizes.add_slots(slot);
    answer.sizes.add_incs(inc);
    answer.sizes.add_bytes(bytes);
  }
  return answer;
}

TEST(SlotBytes, AreTheLargestThatAHolderTells) {
  FormationRequest request = ThreeNodes(16);
  request.replicas = 1;
  request.nodes.push_back(Entry("n4", 7530));
  const ClusterState one = Formed(request);
  const std::string holder = one.slots()[5].replicas(0).node();
  const std::string other = holder == "n1" ? "n2" : "n1";
  SlotBytes bytes =
      MergeSlotSizes(one, {Says(other, {{5, 1, 999}}), Says(holder, {{5, 2, 888}, {4000, 1, 7}})});
  EXPECT_EQ(bytes, SlotBytes(16)) << "another node's, another incarnation's, no slot";
  bytes = MergeSlotSizes(one, {Says(holder, {{5, 1, 0}})});
  EXPECT_EQ(bytes[5], std::optional<uint64_t>(0)) << "told, and empty";

  const ClusterState three = Formed(ThreeNodes(16));
  bytes = MergeSlotSizes(three, {Says("n1", {{5, 1, 300}, {6, 1, 50}}), Says("n2", {}),
                                 Says("n3", {{5, 1, 0}, {6, 1, 60}})});
  EXPECT_EQ(bytes[5], std::optional<uint64_t>(300));
  EXPECT_EQ(bytes[6], std::optional<uint64_t>(60));
  EXPECT_EQ(bytes[7], std::nullopt);
}

TEST(SlotBytes, ListsOfDifferentLengthsAreReadAsFarAsTheyGo) {
  NodeSlotSizes torn = Says("n1", {{5, 1, 300}, {6, 1, 50}});
  torn.sizes.mutable_bytes()->RemoveLast();
  const SlotBytes bytes = MergeSlotSizes(Formed(ThreeNodes(16)), {torn});
  EXPECT_EQ(bytes[5], std::optional<uint64_t>(300));
  EXPECT_EQ(bytes[6], std::nullopt);
}

TEST(ChangePlan, CountsWhatNobodyTellsAndNamesWhoIsSilent) {
  const ClusterState state = Formed();
  const Result<ChangePlan> plan = PlanRequestedChange(state, AddNodeRequest("n4", "h:1"));
  ASSERT_TRUE(plan.ok());
  NodeSlotSizes silent;
  silent.node = "n2";
  silent.status = Status::Deadline("it did not answer in time");
  SlotBytes bytes(64);
  bytes[3] = 10;
  const v1::PlanChangeResponse report = ReportPlan(*plan, bytes, {Says("n1", {}), silent});
  EXPECT_EQ(report.slots_without_estimate(), 63u);
  ASSERT_EQ(report.silent_nodes_size(), 1);
  EXPECT_EQ(report.silent_nodes(0).id(), "n2");
  EXPECT_EQ(report.silent_nodes(0).why(), "it did not answer in time");
  EXPECT_LE(report.bytes(), 10u);
  EXPECT_EQ(report.moves(), 48u);
}

}  // namespace
}  // namespace ringkv
