// The transaction by which a router takes groups of its own again (R11).
#include <gtest/gtest.h>

#include <set>

#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

v1::SlotPlacement RowWithLearner(const ClusterState& state, uint32_t slot) {
  v1::SlotPlacement row = state.slots()[slot];
  row.mutable_replaced()->CopyFrom(row.replicas(2));
  std::set<std::string> holders;
  for (const v1::ReplicaRef& replica : row.replicas()) holders.insert(replica.node());
  for (const auto& [id, node] : state.nodes()) {
    if (!holders.contains(id)) row.mutable_learner()->set_node(id);
  }
  row.mutable_learner()->set_inc(2);
  row.set_last_inc(2);
  return row;
}

TEST(Retake, GivesFreshTermsAndRestsOnAllThatItChanges) {
  const ClusterState before = Owned();
  Random random(3);
  auto txn = RetakeOwnership(before, "r1", {GroupId(3), GroupId(7)}, {SlotId(3)}, {}, random);
  ASSERT_TRUE(txn.ok()) << txn.status().ToString();
  std::set<std::string> rests_on;
  for (const auto& [name, value] : txn->expect) rests_on.insert(name);
  EXPECT_EQ(rests_on, (std::set<std::string>{"next_term", GroupName(GroupId(3)),
                                             GroupName(GroupId(7)), SlotName(SlotId(3))}));
  ClusterState after = before;
  ASSERT_TRUE(after.Apply(*txn).ok());
  EXPECT_EQ(after.groups()[3].term(), before.next_term());
  EXPECT_EQ(after.groups()[7].term(), before.next_term() + 1);
  EXPECT_EQ(after.next_term(), before.next_term() + 2);
  EXPECT_NE(after.groups()[3].owner(), before.groups()[3].owner());
  EXPECT_EQ(after.groups()[3].first_term(), before.groups()[3].first_term());
  EXPECT_EQ(after.groups()[4].SerializeAsString(), before.groups()[4].SerializeAsString());
  EXPECT_EQ(after.placement().epoch(), before.placement().epoch());
}

TEST(Retake, DropsARecordedLearnerOfASlotThatIsUnitedForGood) {
  FormationRequest nodes = ThreeNodes();
  nodes.nodes.push_back(Entry("n4", 7530));
  ClusterState state = Owned(nodes);
  MetadataTxn learner;
  learner.puts.emplace_back(SlotName(SlotId(3)), RowWithLearner(state, 3).SerializeAsString());
  learner.puts.emplace_back(SlotName(SlotId(7)), RowWithLearner(state, 7).SerializeAsString());
  ASSERT_TRUE(state.Apply(learner).ok());
  Random random(3);
  auto txn = RetakeOwnership(state, "r1", {GroupId(3), GroupId(7)}, {SlotId(3)}, {}, random);
  ASSERT_TRUE(txn.ok());
  const uint64_t epoch = state.placement().epoch();
  ASSERT_TRUE(state.Apply(*txn).ok());
  EXPECT_FALSE(state.slots()[3].has_learner());
  EXPECT_FALSE(state.slots()[3].has_replaced());
  ASSERT_EQ(state.slots()[3].retiring_size(), 1);  // its node is told to drop it
  EXPECT_EQ(state.slots()[3].retiring(0).inc(), 2u);
  EXPECT_EQ(state.slots()[3].last_inc(), 2u);  // never given out again
  EXPECT_EQ(state.slots()[3].epoch(), 2u);
  EXPECT_TRUE(state.slots()[7].has_learner());  // goes on as it was
  EXPECT_EQ(state.placement().epoch(), epoch + 1);
}

TEST(Retake, IsNotForGroupsOfAnotherRouter) {
  const ClusterState state = Owned();
  Random random(3);
  EXPECT_EQ(RetakeOwnership(state, "r2", {GroupId(3)}, {}, {}, random).status().code(),
            StatusCode::kRefused);
}

TEST(Retake, LossThatDoesNotFitTheRowIsRefused) {
  const ClusterState state = Owned();
  Random random(3);
  AcceptedLoss loss;
  loss.slot = SlotId(3);
  for (int i = 0; i < 2; ++i) loss.kept.push_back(state.slots()[3].replicas(i));
  auto refused = [&] {
    return RetakeOwnership(state, "r1", {GroupId(3)}, {}, {loss}, random).status().code() ==
           StatusCode::kRefused;
  };
  EXPECT_TRUE(refused()) << "one replica is left out";
  loss.given_up.push_back(state.slots()[3].replicas(2));
  EXPECT_FALSE(refused());
  loss.given_up[0].set_inc(7);
  EXPECT_TRUE(refused()) << "of another copy";
  loss.given_up[0] = state.slots()[3].replicas(1);
  EXPECT_TRUE(refused()) << "kept and given up";
}

}  // namespace
}  // namespace ringkv
