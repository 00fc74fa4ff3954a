// The life of an instance on a node: made without a vote, retired, dropped (R6).
#include <gtest/gtest.h>

#include "kvnode/instance_facts.h"
#include "tests/kvnode/replica_fixture.h"

namespace ringkv {
namespace {

using ReplicaInstances = ReplicaTest;

v1::ReplicaOp Meant(v1::ReplicaOp op, uint64_t inc) {
  op.set_inc(inc);
  return op;
}

class ReplicaReplace : public ReplicaInstances {
 protected:
  v1::ReplicaOp Create(uint64_t inc) {
    v1::ReplicaOp op = Meant(Op(), inc);
    op.mutable_create();
    return op;
  }
  v1::ReplicaOp Retire(uint64_t inc, uint64_t epoch = 2) {
    v1::ReplicaOp op = Meant(Op(), inc);
    op.mutable_retire()->set_epoch(epoch);
    return op;
  }
  v1::ReplicaCode Code(const v1::ReplicaOp& op) { return Run(op).code(); }
  void DropAll() {
    for (const InstanceName& name : replica_->TakeDrops()) {
      ASSERT_TRUE(store_.DropInstance(name.slot, name.inc).ok());
      ASSERT_TRUE(store_.Sync().ok());
      ASSERT_TRUE(replica_->OnDropped(name).ok());
    }
  }
};

TEST_F(ReplicaReplace, CreatedInstanceIsEmptyDoesNotVoteAndIsFoundAgain) {
  ASSERT_EQ(Code(Retire(1)), v1::REPLICA_CODE_OK);
  v1::ReplicaOpReply made = Run(Create(2));
  EXPECT_EQ(made.code(), v1::REPLICA_CODE_OK);
  EXPECT_FALSE(made.voting());
  EXPECT_EQ(Code(Create(2)), v1::REPLICA_CODE_OK);
  ASSERT_EQ(Code(Meant(Apply("k", kTestTerm, 1, "v"), 2)), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Run(Meant(Read("k"), 2)).read().record().value(), "v");
  Open(Boot(2));
  EXPECT_EQ(Code(Create(2)), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Run(Meant(Read("k"), 2)).read().record().value(), "v");
}

TEST_F(ReplicaReplace, RetiredInstanceServesNothingAndIsNeverMadeAgain) {
  ASSERT_EQ(Code(Apply("k", kTestTerm, 1, "v")), v1::REPLICA_CODE_OK);
  ASSERT_EQ(Code(Retire(1)), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Code(Read("k")), v1::REPLICA_CODE_NO_INSTANCE);
  EXPECT_EQ(Code(Create(1)), v1::REPLICA_CODE_NO_INSTANCE);
  EXPECT_EQ(Code(Retire(1)), v1::REPLICA_CODE_OK);
  EXPECT_FALSE(replica_->Votes(SlotId(5)));
  Open(Boot(2));
  EXPECT_EQ(Code(Read("k")), v1::REPLICA_CODE_NO_INSTANCE);
  EXPECT_EQ(Code(Create(1)), v1::REPLICA_CODE_NO_INSTANCE);
}

TEST_F(ReplicaReplace, RetirementOfWhatWasNeverHereKeepsALateCreationAway) {
  ASSERT_EQ(Code(Retire(4)), v1::REPLICA_CODE_OK);
  EXPECT_EQ(Code(Create(4)), v1::REPLICA_CODE_NO_INSTANCE);
  EXPECT_EQ(Code(Create(3)), v1::REPLICA_CODE_NO_INSTANCE);
  EXPECT_EQ(Code(Create(5)), v1::REPLICA_CODE_OK);
}

TEST_F(ReplicaReplace, DropTakesOneInstanceAndWhatARestartLeftIsDroppedThen) {
  ASSERT_EQ(Code(Apply("k", kTestTerm, 1, "old")), v1::REPLICA_CODE_OK);
  ASSERT_EQ(Code(Retire(1)), v1::REPLICA_CODE_OK);
  ASSERT_EQ(Code(Create(2)), v1::REPLICA_CODE_OK);
  ASSERT_EQ(Code(Meant(Apply("k", kTestTerm, 2, "new"), 2)), v1::REPLICA_CODE_OK);
  ASSERT_EQ(store_.Stats().keys, 2u);
  Open(Boot(2));  // before it was dropped
  DropAll();
  EXPECT_EQ(store_.Stats().keys, 1u);
  EXPECT_EQ(Run(Meant(Read("k"), 2)).read().record().value(), "new");
  // Nothing of it is left to be dropped again.
  Open(Boot(3));
  EXPECT_TRUE(replica_->TakeDrops().empty());
}

TEST_F(ReplicaReplace, OnlyTheOwnerRetires) {
  v1::ReplicaOp stale = Retire(1);
  stale.set_term(kTestTerm - 1);
  EXPECT_EQ(Code(stale), v1::REPLICA_CODE_STALE);
  v1::ReplicaOp early = Retire(1);
  early.set_term(kTestTerm + 1);
  EXPECT_EQ(Code(early), v1::REPLICA_CODE_NEED_PROMISE);
  EXPECT_EQ(Code(Retire(1, /*epoch=*/0)), v1::REPLICA_CODE_INVALID);
  EXPECT_EQ(Code(Retire(0)), v1::REPLICA_CODE_INVALID);
  EXPECT_EQ(Code(Create(0)), v1::REPLICA_CODE_INVALID);
  EXPECT_TRUE(replica_->Votes(SlotId(5)));
}

}  // namespace
}  // namespace ringkv
