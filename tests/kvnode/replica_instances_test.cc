// The life of an instance on a node: made without a vote, retired, dropped (R6).
#include <gtest/gtest.h>

#include "kvnode/instance_facts.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "tests/kvnode/replica_requests.h"

namespace ringkv {
namespace {

class ReplicaInstances : public testing::Test {
 protected:
  ReplicaInstances() {
    PrepareDisk(store_);
    Open(Boot(1));
  }

  void Open(Boot boot) {
    Replica::Options options;
    options.slots = kTestSlots;
    options.groups = kTestGroups;
    options.boot = boot;
    auto opened = Replica::Open(store_, options, {GroupId(0), GroupId(1), GroupId(2), GroupId(3)});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    replica_ = std::move(*opened);
  }

  v1::ReplicaOp Op(uint32_t term = kTestTerm, uint64_t owner = kTestOwner) {
    v1::ReplicaOp op;
    op.set_op(++last_op_);
    op.set_attempt(7);
    op.set_slot(5);
    op.set_inc(1);
    op.set_term(term);
    op.set_owner(owner);
    return op;
  }

  v1::ReplicaOp Apply(const std::string& key, uint32_t term, uint64_t seq,
                      const std::string& value) {
    v1::ReplicaOp op = Op();
    op.mutable_apply()->set_key(key);
    v1::Record* record = op.mutable_apply()->mutable_record();
    record->mutable_version()->set_term(term);
    record->mutable_version()->set_seq(seq);
    record->set_value(value);
    return op;
  }

  v1::ReplicaOp Read(const std::string& key) {
    v1::ReplicaOp op = Op();
    op.mutable_read()->set_key(key);
    return op;
  }

  v1::ReplicaOp Contact(Boot boot, uint64_t handed_out) {
    v1::ReplicaOp op = Op();
    op.mutable_contact()->set_boot(boot.value());
    op.mutable_contact()->set_handed_out_seq(handed_out);
    return op;
  }

  v1::ReplicaOp Promise(uint32_t group, uint32_t term, uint64_t owner) {
    v1::ReplicaOp op = Op(term, owner);
    op.mutable_promise()->set_group(group);
    return op;
  }

  std::vector<v1::ReplicaOpReply> Run(const std::vector<v1::ReplicaOp>& ops) {
    std::vector<const v1::ReplicaOp*> pointers;
    for (const v1::ReplicaOp& op : ops) pointers.push_back(&op);
    std::vector<v1::ReplicaOpReply> replies;
    Status status = replica_->Execute(pointers, &replies);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(replies.size(), ops.size());
    for (size_t i = 0; i < replies.size(); ++i) {
      EXPECT_EQ(replies[i].op(), ops[i].op());
      EXPECT_EQ(replies[i].attempt(), ops[i].attempt());
    }
    return replies;
  }

  v1::ReplicaOpReply Run(const v1::ReplicaOp& op) { return Run(std::vector{op})[0]; }

  std::string Value(const std::string& key) { return Run(Read(key)).read().record().value(); }

  MemoryStore store_;
  std::unique_ptr<Replica> replica_;
  uint64_t last_op_ = 0;
};

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
