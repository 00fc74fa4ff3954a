// A replica over a store in memory, and a second one that it copies from: the test carries
// questions and answers.
#pragma once

#include <gtest/gtest.h>
#include <functional>

#include <memory>
#include <string>
#include <vector>

#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "migration/version_proto.h"
#include "tests/kvnode/replica_requests.h"

namespace ringkv {

inline constexpr uint32_t kSlot = 5;  // of group 1

struct TestNode {
  explicit TestNode(Boot boot, bool voting = true) : boot(boot) {
    PrepareDisk(store);
    if (!voting) SetVoting(false);
    Open(boot);
  }

  void SetVoting(bool voting) {
    v1::DiskInstance fact;
    fact.set_voting(voting);
    StoreBatch batch;
    batch.PutMeta(InstanceMetaName(SlotId(kSlot), Incarnation(1)), fact.SerializeAsString());
    ASSERT_TRUE(store.Write(batch, true).ok());
  }

  void Open(Boot as) {
    boot = as;
    Replica::Options options;
    options.slots = kTestSlots;
    options.groups = kTestGroups;
    options.boot = as;
    auto opened = Replica::Open(store, options, {GroupId(0), GroupId(1), GroupId(2), GroupId(3)});
    ASSERT_TRUE(opened.ok());
    replica = std::move(*opened);
  }

  std::vector<v1::ReplicaOpReply> RunAll(const std::vector<v1::ReplicaOp>& ops) {
    std::vector<const v1::ReplicaOp*> pointers;
    for (const v1::ReplicaOp& op : ops) pointers.push_back(&op);
    std::vector<v1::ReplicaOpReply> replies;
    EXPECT_TRUE(replica->Execute(pointers, &replies).ok());
    return replies;
  }
  v1::ReplicaOpReply Run(const v1::ReplicaOp& op) { return RunAll({op})[0]; }

  MemoryStore store;
  Boot boot;
  std::unique_ptr<Replica> replica;
};

inline v1::ReplicaOp Op(uint32_t slot = kSlot) {
  static uint64_t last = 0;
  v1::ReplicaOp op;
  op.set_op(++last);
  op.set_slot(slot);
  op.set_inc(1);
  op.set_term(kTestTerm);
  op.set_owner(kTestOwner);
  return op;
}

inline v1::ReplicaOp Apply(const std::string& key, uint32_t term, uint64_t seq,
                           const std::string& value) {
  v1::ReplicaOp op = Op();
  op.mutable_apply()->set_key(key);
  ToProto(Version{Term(term), seq}, op.mutable_apply()->mutable_record()->mutable_version());
  op.mutable_apply()->mutable_record()->set_value(value);
  return op;
}

inline v1::ReplicaOp Pull(uint64_t id, Boot target, Boot source) {
  v1::ReplicaOp op = Op();
  op.mutable_pull()->set_id(id);
  op.mutable_pull()->set_boot(target.value());
  op.mutable_pull()->mutable_source()->set_node("source");
  op.mutable_pull()->mutable_source()->set_inc(1);
  op.mutable_pull()->mutable_source()->set_boot(source.value());
  return op;
}

// Carries questions until there is none; returns how many.
inline int Carry(TestNode& target, TestNode& source,
                 const std::function<void(const v1::ReplicaOp& question)>& answered = {}) {
  int carried = 0;
  for (auto questions = target.replica->TakeQuestions(); !questions.empty();
       questions = target.replica->TakeQuestions()) {
    for (const SyncQuestion& question : questions) {
      ++carried;
      v1::ReplicaOpReply answer = source.Run(question.op);
      if (answered) answered(question.op);
      EXPECT_TRUE(target.replica->OnSyncAnswer(source.boot, answer).ok());
    }
  }
  return carried;
}

inline std::string ValueAt(TestNode& node, const std::string& key) {
  v1::ReplicaOp read = Op();
  read.mutable_read()->set_key(key);
  return node.Run(read).read().record().value();
}

}  // namespace ringkv
