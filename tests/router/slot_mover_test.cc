// From an operator's command to the last row, transaction by transaction, without a clock or a
// node: whoever owns the slots says at once that a learner may take its place.
#include "router/slot_mover.h"

#include <gtest/gtest.h>

#include "router/migration_txns.h"
#include "router/placement_txns.h"
#include "tests/router/cluster_fixture.h"

namespace ringkv {
namespace {

class SlotMoverTest : public testing::Test {
 protected:
  SlotMoverTest() { Join("n4", 7530, v1::NODE_STATE_WAITING); }

  void Join(const std::string& id, int port, v1::NodeState state) {
    v1::NodeRecord node;
    node.set_id(id);
    node.set_address("127.0.0.1:" + std::to_string(port));
    node.set_vnodes(128);
    node.set_state(state);
    MetadataTxn txn;
    txn.puts.emplace_back(NodeName(id), node.SerializeAsString());
    ASSERT_TRUE(state_.Apply(txn).ok());
  }

  static MigrationStart Add(const std::string& id) {
    MigrationStart start;
    start.change.mutable_add_node()->set_node(id);
    return start;
  }
  static MigrationStart Remove(const std::string& id, bool force = false) {
    MigrationStart start;
    start.change.mutable_remove_node()->set_node(id);
    start.force = force;
    return start;
  }

  Status Start(const MigrationStart& start) {
    Result<StartedMigration> started = StartMigration(state_, start);
    if (!started.ok()) return started.status();
    return state_.Apply(started->txn);
  }
  Status Order(uint64_t id, MigrationOrder order) {
    Result<MetadataTxn> txn = OrderMigration(state_, id, order);
    if (!txn.ok()) return txn.status();
    return state_.Apply(*txn);
  }

  // One transaction; false: there is none. Every expectation must hold.
  bool Step() {
    std::optional<MetadataTxn> txn = mover_.Next(state_, 1);
    if (!txn.has_value()) return false;
    for (const auto& [name, value] : txn->expect) EXPECT_FALSE(name.empty());
    const uint64_t epoch = state_.placement().epoch();
    Status applied = state_.Apply(*txn);
    EXPECT_TRUE(applied.ok()) << applied.ToString();
    EXPECT_EQ(state_.placement().epoch(), epoch + 1);
    ++steps_;
    return true;
  }

  // The wish of the row's present owner.
  RowRequest Flip(const v1::SlotPlacement& row) const {
    const v1::ClusterIdentity& cluster = state_.identity();
    const GroupId group = GroupOf(SlotId(row.slot()), cluster.slots(), cluster.groups());
    RowRequest request;
    request.kind = RowRequest::Kind::kFlip;
    request.slot = SlotId(row.slot());
    request.term = Term(state_.groups()[group.value()].term());
    request.epoch = row.epoch();
    return request;
  }

  // Every learner is filled at once, and every node knows at once what it has to retire.
  void Answer() {
    for (const v1::SlotPlacement& row : state_.slots()) {
      if (row.has_learner()) {
        mover_.Take(Flip(row), "");
      }
      for (const v1::ReplicaRef& replica : row.retiring()) {
        RowRequest retired;
        retired.kind = RowRequest::Kind::kRetired;
        retired.slot = SlotId(row.slot());
        retired.replica = {Peer(), Incarnation(replica.inc())};
        mover_.Take(retired, replica.node());
      }
    }
  }

  void RunToTheEnd() {
    for (int i = 0; i < 10'000 && state_.CurrentMigration() != nullptr; ++i) {
      if (!Step()) Answer();
    }
    EXPECT_EQ(state_.CurrentMigration(), nullptr);
    EXPECT_TRUE(state_.desired().empty());
    while (Step() || (Answer(), Step())) {
    }
  }

  size_t Held(const std::string& node) const {
    size_t held = 0;
    for (const v1::SlotPlacement& row : state_.slots()) {
      for (const v1::ReplicaRef& replica : row.replicas()) held += replica.node() == node ? 1 : 0;
    }
    return held;
  }

  ClusterState state_ = Owned();
  SlotMover mover_{MoveLimits{8, 4, 16}};
  int steps_ = 0;
};

TEST_F(SlotMoverTest, NodeJoinsAndHoldsItsShare) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  EXPECT_EQ(state_.FindNode("n4")->state(), v1::NODE_STATE_MEMBER);
  EXPECT_EQ(state_.CurrentMigration()->moves(), 48u);
  EXPECT_EQ(MovesLeft(state_), 48u);
  RunToTheEnd();
  for (const char* node : {"n1", "n2", "n3", "n4"}) EXPECT_EQ(Held(node), 48u) << node;
  EXPECT_EQ(state_.migrations().at(1).state(), v1::MIGRATION_STATE_DONE);
  for (const v1::SlotPlacement& row : state_.slots()) EXPECT_EQ(row.retiring_size(), 0);
}

TEST_F(SlotMoverTest, NodeLeavesAndIsNoMemberOnceItKnows) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  RunToTheEnd();
  ASSERT_TRUE(Start(Remove("n1")).ok());
  EXPECT_EQ(state_.FindNode("n1")->state(), v1::NODE_STATE_DRAINING);
  RunToTheEnd();
  EXPECT_EQ(Held("n1"), 0u);
  EXPECT_EQ(state_.FindNode("n1")->state(), v1::NODE_STATE_REMOVED);
}

TEST_F(SlotMoverTest, SecondChangeIsRefusedWhileOneRuns) {
  Join("n5", 7540, v1::NODE_STATE_WAITING);
  ASSERT_TRUE(Start(Add("n4")).ok());
  const Status refused = Start(Add("n5"));
  EXPECT_EQ(refused.code(), StatusCode::kRefused);
  EXPECT_NE(refused.message().find("migrations abort 1"), std::string::npos) << refused.message();
}

TEST_F(SlotMoverTest, SameChangeOrderedAgainIsTheSameMigration) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  Result<StartedMigration> again = StartMigration(state_, Add("n4"));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(again->id, 1u);
}

TEST_F(SlotMoverTest, EachBadOrderHasItsOwnAnswer) {
  EXPECT_EQ(Start(Add("n9")).code(), StatusCode::kNotFound);
  EXPECT_EQ(Start(Add("n1")).code(), StatusCode::kRefused);
  EXPECT_EQ(Start(Add("N 4")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Start(Remove("n9")).code(), StatusCode::kNotFound);
  EXPECT_EQ(Start(Remove("n4")).code(), StatusCode::kNotFound);
  const Status too_few = Start(Remove("n1"));
  EXPECT_EQ(too_few.code(), StatusCode::kRefused);
  EXPECT_NE(too_few.message().find("kvctl admin add-node"), std::string::npos);
  MigrationStart elsewhere = Add("n4");
  elsewhere.change.mutable_add_node()->set_address("127.0.0.1:1");
  EXPECT_EQ(Start(elsewhere).code(), StatusCode::kRefused);
  MigrationStart none;
  none.change.mutable_set_replicas()->set_replicas(2);
  EXPECT_EQ(Start(none).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Order(1, MigrationOrder::kPause).code(), StatusCode::kNotFound);
  EXPECT_TRUE(state_.migrations().empty());
}

TEST_F(SlotMoverTest, PausedNothingBeginsAndResumedItGoesOn) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  ASSERT_TRUE(Step());
  ASSERT_TRUE(Order(1, MigrationOrder::kPause).ok());
  EXPECT_EQ(Order(1, MigrationOrder::kPause).code(), StatusCode::kRefused);
  while (Step() || (Answer(), Step())) {
  }
  const uint64_t left = MovesLeft(state_);
  EXPECT_GT(left, 0u);
  EXPECT_LT(left, 48u);
  ASSERT_TRUE(Order(1, MigrationOrder::kResume).ok());
  RunToTheEnd();
  EXPECT_EQ(Held("n4"), 48u);
  EXPECT_EQ(Order(1, MigrationOrder::kAbort).code(), StatusCode::kRefused);
}

TEST_F(SlotMoverTest, AbortedHalfWayItGoesBack) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  for (int i = 0; i < 20; ++i) {
    if (!Step()) Answer();
  }
  ASSERT_GT(Held("n4"), 0u);
  ASSERT_TRUE(Order(1, MigrationOrder::kAbort).ok());
  EXPECT_EQ(Order(1, MigrationOrder::kAbort).code(), StatusCode::kRefused);
  RunToTheEnd();
  EXPECT_EQ(Held("n4"), 0u);
  EXPECT_EQ(state_.FindNode("n4")->state(), v1::NODE_STATE_REMOVED);
  EXPECT_EQ(state_.migrations().at(1).state(), v1::MIGRATION_STATE_ABORTED);
}

TEST_F(SlotMoverTest, RemovalAbortedTheNodeStaysWithItsShare) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  RunToTheEnd();
  ASSERT_TRUE(Start(Remove("n1")).ok());
  for (int i = 0; i < 20; ++i) {
    if (!Step()) Answer();
  }
  ASSERT_TRUE(Order(2, MigrationOrder::kAbort).ok());
  RunToTheEnd();
  EXPECT_EQ(state_.FindNode("n1")->state(), v1::NODE_STATE_MEMBER);
  for (const char* node : {"n1", "n2", "n3", "n4"}) EXPECT_EQ(Held(node), 48u) << node;
}

TEST_F(SlotMoverTest, NodeThatDoesNotSayThatItKnowsIsWaitedForUnlessForced) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  RunToTheEnd();
  ASSERT_TRUE(Start(Remove("n1")).ok());
  for (int i = 0; i < 1000; ++i) {
    if (Step()) continue;
    for (const v1::SlotPlacement& row : state_.slots()) {
      if (row.has_learner()) {
        mover_.Take(Flip(row), "");
      }
    }
  }
  EXPECT_EQ(MovesLeft(state_), 0u);
  ASSERT_NE(state_.CurrentMigration(), nullptr);
  ASSERT_TRUE(Start(Remove("n1", /*force=*/true)).ok());
  while (Step()) {
  }
  EXPECT_EQ(state_.CurrentMigration(), nullptr);
  EXPECT_EQ(state_.FindNode("n1")->state(), v1::NODE_STATE_REMOVED);
}

TEST_F(SlotMoverTest, RequestOfAnEarlierRowIsForgotten) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  ASSERT_TRUE(Step());
  uint32_t slot = 0;
  while (!state_.slots()[slot].has_learner()) ++slot;
  RowRequest flip = Flip(state_.slots()[slot]);
  --flip.epoch;
  mover_.Take(flip, "");
  while (Step()) {
  }
  EXPECT_TRUE(state_.slots()[slot].has_learner());
}

// The row stays as it is when its group is taken again for another slot's sake. What the learner
// had in the earlier term is not all that there is now.
TEST_F(SlotMoverTest, FlipThatAnEarlierTermWishedIsForgotten) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  ASSERT_TRUE(Step());
  uint32_t slot = 0;
  while (!state_.slots()[slot].has_learner()) ++slot;
  const uint64_t epoch = state_.slots()[slot].epoch();
  const v1::ClusterIdentity& cluster = state_.identity();
  const GroupId group = GroupOf(SlotId(slot), cluster.slots(), cluster.groups());
  mover_.Take(Flip(state_.slots()[slot]), "");
  Random random(5);
  auto retaken =
      RetakeOwnership(state_, state_.groups()[group.value()].router(), {group}, {}, {}, random);
  ASSERT_TRUE(retaken.ok()) << retaken.status().ToString();
  ASSERT_TRUE(state_.Apply(*retaken).ok());
  ASSERT_EQ(state_.slots()[slot].epoch(), epoch);
  while (Step()) {
  }
  EXPECT_TRUE(state_.slots()[slot].has_learner());
  mover_.Take(Flip(state_.slots()[slot]), "");
  ASSERT_TRUE(Step());
  EXPECT_FALSE(state_.slots()[slot].has_learner());
}

// One whose answer was lost may take effect long after: all the others were planned without it.
TEST_F(SlotMoverTest, TransactionHoldsOnlyIfItWasPlannedOnAllThatCameBeforeIt) {
  auto holds = [](const MetadataTxn& txn, const ClusterState& state) {
    MetadataTxn is;
    for (const auto& [name, value] : txn.expect) state.Expect(name, &is);
    return is.expect == txn.expect;
  };
  ASSERT_TRUE(Start(Add("n4")).ok());
  const MetadataTxn learners = *mover_.Next(state_, 1);
  const MetadataTxn abort = *OrderMigration(state_, 1, MigrationOrder::kAbort);
  const MetadataTxn pause = *OrderMigration(state_, 1, MigrationOrder::kPause);
  for (const MetadataTxn* first : {&learners, &abort, &pause}) {
    ClusterState after = state_;
    ASSERT_TRUE(holds(*first, after));
    ASSERT_TRUE(after.Apply(*first).ok());
    for (const MetadataTxn* late : {&learners, &abort, &pause}) EXPECT_FALSE(holds(*late, after));
  }
  // The node would be removed, and a row name it.
  ASSERT_TRUE(state_.Apply(abort).ok());
  EXPECT_FALSE(holds(learners, state_));
  const std::optional<MetadataTxn> finish = FinishMigration(state_, 1);
  ASSERT_TRUE(finish.has_value());
  ASSERT_TRUE(holds(*finish, state_));
  const Replacement replacement{SlotId(0), state_.slots()[0].replicas(0).node(), "n4"};
  ASSERT_TRUE(state_.Apply(RecordLearners(state_, {&replacement, 1})).ok());
  EXPECT_FALSE(holds(*finish, state_));
}

TEST_F(SlotMoverTest, TransactionsAreConditionalOnRowsAndOwnership) {
  ASSERT_TRUE(Start(Add("n4")).ok());
  std::optional<MetadataTxn> txn = mover_.Next(state_, 1);
  ASSERT_TRUE(txn.has_value());
  size_t rows = 0, groups = 0;
  for (const auto& [name, value] : txn->expect) {
    rows += name.starts_with("slot/") ? 1 : 0;
    groups += name.starts_with("group/") ? 1 : 0;
    EXPECT_TRUE(value.has_value()) << name;
  }
  EXPECT_EQ(rows, 4u);
  EXPECT_EQ(groups, 4u);
}

}  // namespace
}  // namespace ringkv
