// What accepting a loss would give up, and that it is what was agreed to.
#include "router/loss_acceptance.h"

#include <gtest/gtest.h>

#include "tests/router/cluster_fixture.h"
#include "tests/router/idle_data_plane.h"

namespace ringkv {
namespace {

class LossPlan : public testing::Test {
 protected:
  LossPlan() {
    view_.router = "r1";
    view_.state = std::make_shared<const ClusterState>(Owned());
    view_.peers = {"n1", "n2", "n3"};
  }

  enum class Copy { kVotes, kLostTail, kUnknown, kAway };
  SlotReport Slot(uint32_t number, BlockedBy by, std::vector<Copy> copies) {
    SlotReport slot;
    slot.slot = SlotId(number);
    slot.blocked = by;
    for (uint32_t i = 0; i < copies.size(); ++i) {
      ReplicaReport& replica = slot.replicas.emplace_back();
      replica.peer = Peer(i);
      replica.inc = Incarnation(1);
      replica.responds = replica.reachable = copies[i] != Copy::kAway;
      replica.voting = copies[i] == Copy::kVotes;
      if (copies[i] != Copy::kLostTail) continue;
      replica.lost_tail.emplace();
      replica.lost_tail->set_window_ms(100);
    }
    return slot;
  }

  v1::AcceptLossRequest Of(std::vector<uint32_t> slots) {
    v1::AcceptLossRequest request;
    for (uint32_t slot : slots) request.add_slots(slot);
    request.set_all(slots.empty());
    return request;
  }

  ClusterView view_;
};

TEST_F(LossPlan, SaysWhatIsKeptAndWhatIsGivenUp) {
  auto plan =
      PlanLoss(view_,
               {Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kVotes}),
                Slot(5, BlockedBy::kLoss, {Copy::kUnknown, Copy::kUnknown, Copy::kVotes}),
                Slot(6, BlockedBy::kUnion, {Copy::kLostTail, Copy::kLostTail, Copy::kLostTail})},
               Of({}));
  ASSERT_EQ(plan.status().outcome(), v1::OUTCOME_DONE) << plan.status().message();
  ASSERT_EQ(plan.slots_size(), 2);  // the third needs nobody's word
  EXPECT_EQ(plan.slots(0).slot(), 4u);
  ASSERT_EQ(plan.slots(0).given_up_size(), 1);
  EXPECT_EQ(plan.slots(0).given_up(0).node(), "n2");
  ASSERT_EQ(plan.slots(0).kept_size(), 2);
  EXPECT_EQ(plan.slots(0).kept(0).state(), v1::COPY_STATE_TAIL_LOST);
  EXPECT_EQ(plan.slots(0).kept(0).lost_tail().window_ms(), 100u);
  EXPECT_EQ(plan.slots(0).kept(1).state(), v1::COPY_STATE_WHOLE);
  EXPECT_EQ(plan.slots(1).given_up_size(), 0);
  EXPECT_EQ(plan.slots(1).kept(0).state(), v1::COPY_STATE_UNKNOWN);
  EXPECT_NE(plan.fingerprint(), 0u);
}

TEST_F(LossPlan, OnlyWhatIsNamedAndSaysWhatNeedsNothing) {
  std::vector<SlotReport> blocked = {
      Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway}),
      Slot(5, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway})};
  auto plan = PlanLoss(view_, blocked, Of({5, 9}));
  ASSERT_EQ(plan.slots_size(), 1);
  EXPECT_EQ(plan.slots(0).slot(), 5u);
  ASSERT_EQ(plan.not_blocked_size(), 1);
  EXPECT_EQ(plan.not_blocked(0), 9u);
}

TEST_F(LossPlan, SlotOfWhichNothingIsThereIsRefused) {
  auto plan = PlanLoss(
      view_, {Slot(4, BlockedBy::kAbsence, {Copy::kAway, Copy::kAway, Copy::kAway})}, Of({4}));
  EXPECT_EQ(plan.status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_NE(plan.status().message().find("n1, n2, n3"), std::string::npos);
}

TEST_F(LossPlan, CopyThatIsAboutToBeToldOfIsNotGivenUp) {
  SlotReport slot = Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway});
  slot.replicas[1].responds = true;
  auto plan = PlanLoss(view_, {slot}, Of({4}));
  EXPECT_EQ(plan.status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_EQ(plan.slots_size(), 0);
}

TEST_F(LossPlan, WaitsForASlotOfTheGroupThatItsOnlyCompleteCopyFills) {
  SlotReport slot = Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway});
  slot.filling = SlotId(5);
  auto plan = PlanLoss(view_, {slot}, Of({4}));
  EXPECT_EQ(plan.status().code(), v1::ERROR_CODE_UNAVAILABLE);
  EXPECT_NE(plan.status().message().find("slot 5"), std::string::npos) << plan.status().message();
  EXPECT_EQ(plan.slots_size(), 0);
}

TEST_F(LossPlan, BadRequestsAreRefused) {
  EXPECT_EQ(PlanLoss(view_, {}, Of({64})).status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  EXPECT_EQ(PlanLoss(view_, {}, v1::AcceptLossRequest()).status().code(),
            v1::ERROR_CODE_INVALID_ARGUMENT);
  v1::AcceptLossRequest both = Of({1});
  both.set_all(true);
  EXPECT_EQ(PlanLoss(view_, {}, both).status().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
}

// A data plane that has blocked slots, and nothing else.
class BlockedPlane final : public IdleDataPlane {
 public:
  void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) override {
    done(blocked);
  }
  std::vector<SlotReport> blocked;
};

TEST_F(LossPlan, IsDoneAsAgreedToOrNotAtAll) {
  BlockedPlane data;
  data.blocked = {Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway})};
  std::vector<AcceptedLoss> committed;
  LossAcceptance acceptance(
      data, [&] { return std::make_shared<const ClusterView>(view_); },
      [&](std::vector<AcceptedLoss> losses, const Membership::Done& done) {
        committed = std::move(losses);
        done(Status::Ok());
      });
  auto answer = [&](const v1::AcceptLossRequest& request) {
    v1::AcceptLossResponse response;
    acceptance.Answer(request, [&](v1::AcceptLossResponse got) { response = std::move(got); });
    return response;
  };
  v1::AcceptLossRequest request = Of({4});
  request.set_agreed(answer(Of({4})).fingerprint());
  EXPECT_TRUE(committed.empty());
  // A replica came back meanwhile: that was not agreed to.
  data.blocked = {Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kVotes, Copy::kAway})};
  EXPECT_EQ(answer(request).status().code(), v1::ERROR_CODE_REFUSED);
  EXPECT_TRUE(committed.empty());
  data.blocked = {Slot(4, BlockedBy::kAbsence, {Copy::kLostTail, Copy::kAway, Copy::kAway})};
  EXPECT_TRUE(answer(request).done());
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].slot, SlotId(4));
  EXPECT_EQ(committed[0].kept.size(), 1u);
  EXPECT_EQ(committed[0].given_up.size(), 2u);
}

}  // namespace
}  // namespace ringkv
