// Leases of the metadata store (docs/protocol.md, "Leases"): when this router's counts, and what
// waits for those of earlier owners.
#include "tests/router/membership_fixture.h"

namespace ringkv {
namespace {

using Fault = SimulatedMetadata::Fault;

// With a store whose leases end.
class LeaseTest : public MembershipTest {
 protected:
  static constexpr Duration kTtl = std::chrono::seconds(2);

  LeaseTest() : contents_(std::make_shared<SimulatedMetadata::Contents>()) {
    store_ = SimulatedMetadata(contents_);
    store_.HoldLeases(clock_, kTtl);
    options_.lease_margin = std::chrono::milliseconds(100);
  }

  MonoTime UntilIfSent(MonoTime sent) const {
    return sent + (kTtl - kTtl / 100 - options_.lease_margin);
  }

  // Another router, which does nothing but hold a session.
  void HoldByAnother(SimulatedMetadata& other) {
    other.HoldLeases(clock_, kTtl);
    other.RenewLease([](const Result<Lease>& lease) { EXPECT_TRUE(lease.ok()); });
  }

  std::shared_ptr<SimulatedMetadata::Contents> contents_;
};

TEST_F(LeaseTest, CountsFromTheSendingOfTheRenewal) {
  clock_.Set(MonoTime{1'000'000'000});
  Start();
  ASSERT_TRUE(membership_->serving()) << gate_->why_closed();
  EXPECT_EQ(data_->lease_until, UntilIfSent(clock_.Now()));
  store_.SetManual(true);
  Retry();
  const MonoTime sent = clock_.Now();
  clock_.Set(sent + std::chrono::milliseconds(300));
  ASSERT_TRUE(store_.Step());
  EXPECT_EQ(data_->lease_until, UntilIfSent(sent));
}

TEST_F(LeaseTest, IsNotRenewedByAnErrorAndGoesOnBeingAskedFor) {
  Start();
  const MonoTime until = data_->lease_until;
  store_.Inject(Fault::kUnavailable, 2);
  Retry();
  Retry();
  EXPECT_EQ(data_->lease_until, until);
  Retry();
  EXPECT_EQ(data_->lease_until, UntilIfSent(clock_.Now()));
}

TEST_F(LeaseTest, ThatFollowsOneThatRanOutCountsOnceTheOwnershipWasReadAgain) {
  Start();
  const MonoTime until = data_->lease_until;
  store_.SetManual(true);
  clock_.Set(clock_.Now() + kTtl * 2);
  membership_->RunDue();
  const MonoTime sent = clock_.Now();
  ASSERT_TRUE(store_.Step());  // another session
  EXPECT_EQ(data_->lease_until, until);
  ASSERT_TRUE(store_.Step());  // the metadata
  EXPECT_EQ(data_->lease_until, UntilIfSent(sent));
  EXPECT_TRUE(membership_->serving());
}

TEST_F(LeaseTest, ThatFollowsOneThatRanOutIsOfNoUseToAFormerOwner) {
  Start();
  const MonoTime until = data_->lease_until;
  clock_.Set(clock_.Now() + kTtl * 2);
  SimulatedMetadata other(contents_);
  auto state = ClusterState::Load({contents_->begin(), contents_->end()});
  Random random(9);
  other.Commit(*TakeOwnership(**state, "r2", random),
               [](Result<bool> done) { EXPECT_TRUE(*done); });
  membership_->RunDue();
  EXPECT_EQ(data_->lease_until, until);
  EXPECT_EQ(fatal_.code(), StatusCode::kRefused);
}

TEST_F(LeaseTest, PredecessorsAreGoneWhenTheirSessionsAre) {
  Start();
  EXPECT_TRUE(data_->predecessors_gone) << "nobody else has a session";
  store_ = SimulatedMetadata(contents_);  // the process dies, and another one starts
  store_.HoldLeases(clock_, kTtl);
  clock_.Set(clock_.Now() + std::chrono::milliseconds(10));
  const MonoTime held = clock_.Now() + kTtl;
  SimulatedMetadata third(contents_);
  Start();
  ASSERT_TRUE(membership_->serving());
  for (const GroupGrant& grant : data_->grants) EXPECT_FALSE(grant.predecessor_gone);
  HoldByAnother(third);  // comes later: it can have owned nothing
  while (!data_->predecessors_gone) {
    HoldByAnother(third);
    ASSERT_LT(clock_.Now(), held + kTtl);
    Retry();
  }
  EXPECT_GE(clock_.Now() + std::chrono::milliseconds(10), held);
}

// Whoever takes over next waits for those that the rows name, and for no other copy that the first
// owner may still read.
TEST_F(LeaseTest, RowsDoNotChangeBeforeEarlierOwnersAreGone) {
  Start();
  Register(Request("n4", 7530));
  store_ = SimulatedMetadata(contents_);  // the process dies, and another one starts
  store_.HoldLeases(clock_, kTtl);
  clock_.Set(clock_.Now() + std::chrono::milliseconds(10));
  Start();
  ASSERT_TRUE(membership_->serving());
  Register(Request("n4", 7530));
  Add("n4", 7530);
  ASSERT_TRUE(added_.has_value() && added_->ok());
  const AcceptedLoss loss = LossOfACopy();
  data_->grants.clear();
  Status refused;
  while (!data_->predecessors_gone) {
    EXPECT_EQ(Learners(), 0);
    membership_->AcceptLoss({loss}, [&](Status status) { refused = std::move(status); });
    EXPECT_EQ(refused.code(), StatusCode::kUnavailable);
    EXPECT_NE(refused.message().find("earlier router"), std::string::npos) << refused.message();
    EXPECT_TRUE(data_->grants.empty());
    Retry();
  }
  EXPECT_GT(Learners(), 0);
  Status accepted = Status::Unavailable("not answered");
  membership_->AcceptLoss({loss}, [&](Status status) { accepted = std::move(status); });
  EXPECT_TRUE(accepted.ok()) << accepted.ToString();
}

TEST_F(LeaseTest, TakeoverIsNoticedWithTheNextRenewal) {
  Start();
  SimulatedMetadata other(contents_);
  HoldByAnother(other);
  Retry();
  EXPECT_TRUE(membership_->serving());
  auto state = ClusterState::Load({contents_->begin(), contents_->end()});
  Random random(9);
  other.Commit(*TakeOwnership(**state, "r2", random),
               [](Result<bool> done) { EXPECT_TRUE(*done); });
  Retry();
  EXPECT_EQ(fatal_.code(), StatusCode::kRefused);
  EXPECT_FALSE(gate_->open());
}

TEST_F(LeaseTest, FormerOwnerTurnsNoNodeAway) {
  Start();
  ASSERT_EQ(Register(Request("n1", 7500)).outcome(), v1::REGISTER_OUTCOME_REGISTERED);
  SimulatedMetadata other(contents_);
  auto state = ClusterState::Load({contents_->begin(), contents_->end()});
  Random random(9);
  other.Commit(*TakeOwnership(**state, "r2", random),
               [](Result<bool> done) { EXPECT_TRUE(*done); });
  // It has registered with the other one since: two boots ahead of what this one knows.
  EXPECT_EQ(Register(Request("n1", 7500, 3, 5)).outcome(), v1::REGISTER_OUTCOME_TRY_AGAIN);
  EXPECT_EQ(fatal_.code(), StatusCode::kRefused);
}

TEST_F(LeaseTest, FormerOwnerTakesNoOrders) {
  Start();
  Register(Request("n4", 7530));
  SimulatedMetadata other(contents_);
  auto state = ClusterState::Load({contents_->begin(), contents_->end()});
  Random random(9);
  other.Commit(*TakeOwnership(**state, "r2", random),
               [](Result<bool> done) { EXPECT_TRUE(*done); });
  Add("n4", 7530);
  ASSERT_TRUE(added_.has_value());
  EXPECT_EQ(added_->status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(fatal_.code(), StatusCode::kRefused);
  auto after = ClusterState::Load({contents_->begin(), contents_->end()});
  EXPECT_TRUE((**after).migrations().empty()) << "the present owner knows nothing of it";
}

TEST_F(LeaseTest, NothingIsTakenBeforeThereIsASession) {
  store_.Inject(Fault::kUnavailable, 1);
  Start();
  EXPECT_FALSE(membership_->serving());
  EXPECT_NE(gate_->why_closed().find("lease"), std::string::npos);
  Retry();
  EXPECT_TRUE(membership_->serving());
}

}  // namespace
}  // namespace ringkv
