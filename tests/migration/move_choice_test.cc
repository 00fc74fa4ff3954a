// What begins next, by what the rows are and what they are wished to be.
#include "migration/move_choice.h"

#include <gtest/gtest.h>

namespace ringkv {
namespace {

class MoveChoiceTest : public testing::Test {
 protected:
  void Row(const std::vector<std::string>& nodes) {
    v1::SlotPlacement& row = rows_.emplace_back();
    row.set_slot(static_cast<uint32_t>(rows_.size() - 1));
    for (const std::string& node : nodes) row.add_replicas()->set_node(node);
  }
  void Wish(uint32_t slot, const std::vector<std::string>& nodes) {
    v1::DesiredRow& wish = desired_[slot];
    wish.clear_nodes();
    wish.set_slot(slot);
    for (const std::string& node : nodes) wish.add_nodes(node);
  }
  void Learner(uint32_t slot, const std::string& in, const std::string& out) {
    rows_[slot].mutable_learner()->set_node(in);
    rows_[slot].mutable_replaced()->set_node(out);
  }
  MoveChoice Choose(bool may_begin = true) {
    return ChooseMoves(rows_, desired_, limits_, may_begin);
  }

  std::vector<v1::SlotPlacement> rows_;
  DesiredRowMap desired_;
  MoveLimits limits_{4, 3, 256};
};

TEST_F(MoveChoiceTest, NothingIsWishedAndNothingIsDone) {
  Row({"a", "b", "c"});
  const MoveChoice choice = Choose();
  EXPECT_TRUE(choice.begin.empty() && choice.abandon.empty() && choice.reorder.empty());
  EXPECT_EQ(choice.unfinished, 0u);
}

TEST_F(MoveChoiceTest, LotOfOnePairBeginsTogether) {
  for (uint32_t slot = 0; slot < 10; ++slot) {
    Row({"a", "b", "c"});
    Wish(slot, slot % 2 == 0 ? std::vector<std::string>{"d", "b", "c"}
                             : std::vector<std::string>{"a", "b", "d"});
  }
  const MoveChoice choice = Choose();
  ASSERT_EQ(choice.begin.size(), 3u);
  for (const Replacement& replacement : choice.begin) {
    EXPECT_EQ(replacement.out, "a");
    EXPECT_EQ(replacement.in, "d");
  }
  EXPECT_EQ(choice.unfinished, 10u);
}

TEST_F(MoveChoiceTest, NoMoreThanSoManyOnTheirWayToANode) {
  for (uint32_t slot = 0; slot < 10; ++slot) {
    Row({"a", "b", "c"});
    Wish(slot, {"d", "b", "c"});
  }
  for (uint32_t slot = 0; slot < 3; ++slot) Learner(slot, "d", "a");
  EXPECT_EQ(Choose().begin.size(), 1u);
  Learner(3, "d", "a");
  EXPECT_TRUE(Choose().begin.empty());
}

TEST_F(MoveChoiceTest, PausedNothingBeginsAndWhatIsUnderWayIsLeft) {
  Row({"a", "b", "c"});
  Row({"a", "b", "c"});
  Wish(0, {"d", "b", "c"});
  Wish(1, {"d", "b", "c"});
  Learner(0, "d", "a");
  const MoveChoice choice = Choose(/*may_begin=*/false);
  EXPECT_TRUE(choice.begin.empty());
  EXPECT_TRUE(choice.abandon.empty());
  EXPECT_EQ(choice.unfinished, 2u);
}

TEST_F(MoveChoiceTest, LearnerThatIsNotWishedIsAbandoned) {
  Row({"a", "b", "c"});
  Row({"a", "b", "c"});
  Learner(0, "d", "a");
  Wish(1, {"e", "b", "c"});
  Learner(1, "d", "a");
  const MoveChoice choice = Choose();
  EXPECT_EQ(choice.abandon, (std::vector<SlotId>{SlotId(0), SlotId(1)}));
  EXPECT_EQ(choice.unfinished, 2u);
}

TEST_F(MoveChoiceTest, NodeThatStillRetiresAnInstanceGetsNoLearner) {
  Row({"a", "b", "c"});
  Wish(0, {"d", "b", "c"});
  rows_[0].add_retiring()->set_node("d");
  EXPECT_TRUE(Choose().begin.empty());
  rows_[0].clear_retiring();
  EXPECT_EQ(Choose().begin, (std::vector<Replacement>{{SlotId(0), "a", "d"}}));
}

TEST_F(MoveChoiceTest, TwoReplicasOfASlotChangeOneAfterTheOther) {
  Row({"a", "b", "c"});
  Wish(0, {"d", "e", "c"});
  EXPECT_EQ(Choose().begin, (std::vector<Replacement>{{SlotId(0), "a", "d"}}));
  Learner(0, "d", "a");
  EXPECT_TRUE(Choose().begin.empty());
  EXPECT_EQ(OrderAfterFlip(rows_[0], &desired_[0]), (std::vector<std::string>{"d", "b", "c"}));
}

TEST_F(MoveChoiceTest, OrderAloneIsRewritten) {
  Row({"a", "b", "c"});
  Wish(0, {"c", "a", "b"});
  const MoveChoice choice = Choose();
  EXPECT_EQ(choice.reorder, std::vector<SlotId>{SlotId(0)});
  EXPECT_TRUE(choice.begin.empty());
}

TEST_F(MoveChoiceTest, FlipTakesTheWishedOrderWhenItHasTheNodes) {
  Row({"a", "b", "c"});
  Wish(0, {"c", "d", "b"});
  Learner(0, "d", "a");
  EXPECT_EQ(OrderAfterFlip(rows_[0], &desired_[0]), (std::vector<std::string>{"c", "d", "b"}));
  EXPECT_EQ(OrderAfterFlip(rows_[0], nullptr), (std::vector<std::string>{"d", "b", "c"}));
}

}  // namespace
}  // namespace ringkv
