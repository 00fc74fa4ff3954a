#include "router/cluster_state.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

TEST(Formation, MakesIdentityGroupsRowsAndMembers) {
  auto txn = FormCluster(ThreeNodes(256));
  ASSERT_TRUE(txn.ok());
  ASSERT_EQ(txn->expect.size(), 1u);
  EXPECT_EQ(txn->expect[0].first, "cluster");
  EXPECT_FALSE(txn->expect[0].second.has_value());

  const ClusterState state = StateOf(*txn);
  EXPECT_EQ(state.identity().slots(), 256u);
  EXPECT_EQ(state.identity().groups(), 64u);
  EXPECT_EQ(state.placement().replicas(), 3u);
  EXPECT_EQ(state.placement().epoch(), 1u);
  EXPECT_EQ(state.next_term(), 1u);
  std::map<std::string, int> primaries;
  for (const v1::SlotPlacement& slot : state.slots()) {
    ASSERT_EQ(slot.replicas_size(), 3);
    for (const v1::ReplicaRef& replica : slot.replicas()) EXPECT_EQ(replica.inc(), 1u);
    EXPECT_EQ(slot.last_inc(), 1u);
    ++primaries[slot.replicas(0).node()];
  }
  for (const auto& [id, count] : primaries) EXPECT_NEAR(count, 256 / 3.0, 1) << id;
  ASSERT_EQ(state.nodes().size(), 3u);
  EXPECT_EQ(state.FindNode("n2")->state(), v1::NODE_STATE_MEMBER);
  EXPECT_TRUE(state.FindNode("n2")->store_uuid().empty());
}

TEST(Formation, HasAsManyGroupsAsSlotsWhereThereAreFew) {
  EXPECT_EQ(Formed(ThreeNodes(16)).identity().groups(), 16u);
}

TEST(Formation, TakesAsManyGroupsAsItIsTold) {
  FormationRequest request = ThreeNodes(16);
  request.groups = 4;
  EXPECT_EQ(Formed(request).groups().size(), 4u);
  for (uint32_t groups : {0u, 3u, 32u}) {
    request.groups = groups;
    const Status refused = FormCluster(request).status();
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << groups;
    EXPECT_NE(refused.message().find("groups"), std::string::npos) << refused.message();
  }
}

TEST(Formation, SaysWhatIsWrongWithTheConfiguration) {
  auto message = [](const FormationRequest& request) {
    auto txn = FormCluster(request);
    EXPECT_EQ(txn.status().code(), StatusCode::kInvalidArgument);
    return txn.status().message();
  };
  auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  FormationRequest request = ThreeNodes();
  request.nodes.pop_back();
  EXPECT_TRUE(has(message(request), "fewer than `replicas`: 3")) << message(request);
  request.nodes.clear();
  EXPECT_TRUE(has(message(request), "`nodes` names none")) << message(request);
  request = ThreeNodes();
  request.nodes[1].id = request.nodes[0].id;
  EXPECT_TRUE(has(message(request), "`nodes`")) << message(request);
  request = ThreeNodes();
  request.nodes[1].address = request.nodes[0].address;
  EXPECT_TRUE(has(message(request), "`nodes`")) << message(request);
  request = ThreeNodes();
  request.nodes[1].address = "nowhere";
  EXPECT_TRUE(has(message(request), "n2")) << message(request);
  request = ThreeNodes();
  request.slots = 100;
  EXPECT_TRUE(has(message(request), "`slots`")) << message(request);
  request = ThreeNodes();
  request.replicas = 9;
  EXPECT_TRUE(has(message(request), "`replicas`")) << message(request);
}

TEST(Ownership, GivesEveryGroupATermOfItsOwnAndARandomOwner) {
  ClusterState state = Formed();
  Random random(1);
  auto txn = TakeOwnership(state, "r1", random);
  ASSERT_TRUE(txn.ok());
  EXPECT_EQ(txn->expect.size(), 65u);  // the next term and every group, as they were
  ASSERT_TRUE(state.Apply(*txn).ok());
  std::set<uint32_t> terms;
  std::set<uint64_t> owners;
  for (const v1::GroupOwnership& group : state.groups()) {
    terms.insert(group.term());
    owners.insert(group.owner());
    EXPECT_EQ(group.first_term(), group.term());
    EXPECT_EQ(group.router(), "r1");
  }
  EXPECT_EQ(terms.size(), 64u);
  EXPECT_EQ(owners.size(), 64u);
  EXPECT_EQ(state.next_term(), 65u);
}

TEST(Ownership, TakenAgainHasFreshTermsAndRemembersTheFirst) {
  ClusterState state = Owned();
  const ClusterState before = state;
  Random random(2);
  auto txn = TakeOwnership(state, "r2", random);
  ASSERT_TRUE(state.Apply(*txn).ok());
  for (size_t i = 0; i < state.groups().size(); ++i) {
    EXPECT_GT(state.groups()[i].term(), 64u);
    EXPECT_EQ(state.groups()[i].first_term(), before.groups()[i].term());
    EXPECT_NE(state.groups()[i].owner(), before.groups()[i].owner());
  }
  // Whoever planned on the old state comes too late.
  auto late = TakeOwnership(before, "r3", random);
  bool holds = true;
  for (const auto& [name, value] : late->expect) {
    MetadataTxn now;
    state.Expect(name, &now);
    holds = holds && now.expect[0].second == value;
  }
  EXPECT_FALSE(holds);
}

TEST(Ownership, IsRefusedWhenTheTermsAreUsedUp) {
  ClusterState state = Formed();
  MetadataTxn near_the_end;
  near_the_end.puts.emplace_back("next_term", "4294967290");
  ASSERT_TRUE(state.Apply(near_the_end).ok());
  Random random(1);
  EXPECT_EQ(TakeOwnership(state, "r1", random).status().code(), StatusCode::kRefused);
}

TEST(Load, FindsNoClusterInAnEmptyStore) {
  auto loaded = ClusterState::Load({});
  ASSERT_TRUE(loaded.ok());
  EXPECT_FALSE(loaded->has_value());
}

TEST(Load, LeavesNamesOfNewerVersionsAlone) {
  auto txn = FormCluster(ThreeNodes());
  txn->puts.emplace_back("wish/xyz", "whatever");
  EXPECT_TRUE(ClusterState::Load(txn->puts).ok());
}

// Each fault in what is stored is an error that names the entry.
class Faults : public testing::Test {
 protected:
  Faults() {
    auto txn = FormCluster(ThreeNodes());
    entries_.insert(txn->puts.begin(), txn->puts.end());
  }
  Status Load() { return ClusterState::Load({entries_.begin(), entries_.end()}).status(); }
  template <class Message>
  void Edit(const std::string& name, std::function<void(Message*)> edit) {
    Message message;
    ASSERT_TRUE(message.ParseFromString(entries_.at(name)));
    edit(&message);
    entries_[name] = message.SerializeAsString();
  }
  void ExpectFault(const std::string& name, StatusCode code = StatusCode::kCorruption) {
    Status status = Load();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_NE(status.message().find(name), std::string::npos) << status.message();
  }
  std::map<std::string, std::string> entries_;
};

TEST_F(Faults, SoundAsFormed) { EXPECT_TRUE(Load().ok()); }
TEST_F(Faults, MissingEntries) {
  const auto whole = entries_;
  for (std::string name : {"placement", "next_term", "group/00000003", "slot/00000063"}) {
    entries_ = whole;
    entries_.erase(name);
    ExpectFault(name);
  }
  entries_ = whole;
  entries_.erase("cluster");
  ExpectFault("placement");
}
TEST_F(Faults, Undecodable) {
  entries_["slot/00000005"] = "\xff\xff\xff";
  ExpectFault("slot/00000005");
}
TEST_F(Faults, AnotherFormat) {
  Edit<v1::ClusterIdentity>("cluster", [](auto* m) { m->set_format_version(2); });
  ExpectFault("format version 2", StatusCode::kRefused);
}
TEST_F(Faults, ImpossibleNumberOfSlots) {
  Edit<v1::ClusterIdentity>("cluster", [](auto* m) { m->set_slots(48); });
  ExpectFault("cluster");
}
TEST_F(Faults, ReplicaOnAnUnknownNode) {
  Edit<v1::SlotPlacement>("slot/00000001", [](auto* m) { m->mutable_replicas(0)->set_node("n9"); });
  ExpectFault("n9");
}
TEST_F(Faults, TwoReplicasOnOneNode) {
  Edit<v1::SlotPlacement>("slot/00000001",
                          [](auto* m) { m->mutable_replicas(0)->set_node(m->replicas(1).node()); });
  ExpectFault("slot/00000001");
}
TEST_F(Faults, IncarnationThatWasNeverGiven) {
  Edit<v1::SlotPlacement>("slot/00000001", [](auto* m) { m->mutable_replicas(0)->set_inc(2); });
  ExpectFault("slot/00000001");
}
TEST_F(Faults, RowOfAnotherSlot) {
  entries_["slot/00000001"] = entries_["slot/00000002"];
  ExpectFault("slot/00000001");
}
TEST_F(Faults, TermThatWasNotGivenOut) {
  Edit<v1::GroupOwnership>("group/00000001",
                           [](auto* m) { m->set_term(5), m->set_first_term(5), m->set_owner(1); });
  ExpectFault("group/00000001");
}
TEST_F(Faults, TermGivenTwice) {
  entries_["next_term"] = "9";
  for (std::string name : {"group/00000001", "group/00000002"}) {
    Edit<v1::GroupOwnership>(
        name, [](auto* m) { m->set_term(5), m->set_first_term(5), m->set_owner(1); });
  }
  ExpectFault("group/00000002");
}
TEST_F(Faults, NextTermThatIsNoNumber) {
  for (std::string bad : {"", "0", "x", "5x", "99999999999"}) {
    entries_["next_term"] = bad;
    ExpectFault("next_term");
  }
}
TEST_F(Faults, NodeWithABadAddress) {
  Edit<v1::NodeRecord>("node/n1", [](auto* m) { m->set_address("x"); });
  ExpectFault("node/n1");
}
TEST_F(Faults, NodeUnderAnotherName) {
  entries_["node/n1"] = entries_["node/n2"];
  ExpectFault("node/n1");
}

TEST(Apply, LeavesTheStateAsItWasWhenTheTransactionMakesNoSense) {
  ClusterState state = Formed();
  MetadataTxn bad;
  bad.puts.emplace_back("next_term", "77");
  bad.puts.emplace_back("slot/00000001", "\xff");
  EXPECT_EQ(state.Apply(bad).code(), StatusCode::kCorruption);
  EXPECT_EQ(state.next_term(), 1u);
  MetadataTxn expect;
  state.Expect("next_term", &expect);
  EXPECT_EQ(expect.expect[0].second, "1");
  bad.puts.clear();
  bad.erases = {"node/n1"};  // rows name it
  EXPECT_FALSE(state.Apply(bad).ok());
  EXPECT_NE(state.FindNode("n1"), nullptr);
}

TEST(Apply, IsTheSameAsLoadingTheResult) {
  auto formed = FormCluster(ThreeNodes());
  ClusterState state = StateOf(*formed);
  Random random(3);
  auto taken = TakeOwnership(state, "r1", random);
  ASSERT_TRUE(state.Apply(*taken).ok());
  std::map<std::string, std::string> entries(formed->puts.begin(), formed->puts.end());
  for (const auto& [name, value] : taken->puts) entries[name] = value;
  auto loaded = ClusterState::Load({entries.begin(), entries.end()});
  ASSERT_TRUE(loaded.ok());
  for (size_t i = 0; i < state.groups().size(); ++i) {
    EXPECT_EQ(state.groups()[i].SerializeAsString(), (*loaded)->groups()[i].SerializeAsString());
  }
  EXPECT_EQ(state.next_term(), (*loaded)->next_term());
}

}  // namespace
}  // namespace ringkv
