// A node's replicas over a store in memory, and the operations that are sent to them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "tests/kvnode/replica_requests.h"

namespace ringkv {

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() {
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

}  // namespace ringkv
