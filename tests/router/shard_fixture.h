// The owner's rules as scripts: what the shard is told, what it sends, what the clients get. One
// slot on three nodes; time moves by hand.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "migration/version_proto.h"
#include "router/shard.h"

namespace ringkv {

inline constexpr uint32_t kNodes = 3;

class ShardTest : public testing::Test, public NodeTransport {
 protected:
  explicit ShardTest(const ShardOptions& options = {}) : shard_(options, clock_, *this, balancer_) {
    for (uint32_t i = 0; i < kNodes; ++i) {
      const std::string id = "n" + std::to_string(i + 1);
      EXPECT_TRUE(balancer_.RegisterServer(id, id + ":7500").ok());
      shard_.AddPeer(Peer(i), NodeId::Parse(id).value(), id + ":7500");
    }
  }

  bool Send(Peer peer, const v1::ReplicaOp& op) override {
    if (full_.count(peer) != 0) return false;
    sent_[peer].push_back(op);
    return true;
  }

  void TakeSlot(bool first_term, bool predecessor_gone = true) {
    TakeSlots(1, first_term, predecessor_gone);
  }
  void TakeSlots(uint32_t count, bool first_term, bool predecessor_gone = true) {
    GroupGrant group;
    group.group = GroupId(0);
    group.term = Term(7);
    group.owner = OwnerId(77);
    group.first_term = first_term;
    group.predecessor_gone = predecessor_gone;
    for (uint32_t number = 0; number < count; ++number) {
      SlotGrant slot;
      slot.slot = SlotId(number);
      for (uint32_t i = 0; i < kNodes; ++i) slot.replicas.push_back({Peer(i), Incarnation(1)});
      group.slots.push_back(slot);
    }
    shard_.TakeGroup(group);
  }

  // What was sent to the node since the last look. Statistics are left out, and syncs where a test
  // is not about them.
  std::vector<v1::ReplicaOp> Take(Peer peer) {
    std::vector<v1::ReplicaOp> ops;
    for (v1::ReplicaOp& op : sent_[peer]) {
      if (op.has_stats() || (op.has_pull() && !syncs_shown_)) continue;
      ops.push_back(op);
    }
    sent_[peer].clear();
    return ops;
  }

  v1::ReplicaOp TakeOne(Peer peer) {
    std::vector<v1::ReplicaOp> ops = Take(peer);
    EXPECT_EQ(ops.size(), 1u) << "to n" << peer.value() + 1;
    return ops.empty() ? v1::ReplicaOp() : ops[0];
  }

  void Reply(Peer peer, v1::ReplicaOpReply reply, uint64_t op, Boot boot = Boot(1)) {
    v1::ReplicaBatchReply batch;
    batch.set_boot(boot.value());
    reply.set_op(op);
    *batch.add_replies() = std::move(reply);
    shard_.OnReplies(peer, batch);
  }

  void Acknowledge(Peer peer, const v1::ReplicaOp& apply, Boot boot = Boot(1), bool voting = true) {
    v1::ReplicaOpReply reply;
    reply.set_voting(voting);
    *reply.mutable_apply()->mutable_stored() = apply.apply().record().version();
    Reply(peer, reply, apply.op(), boot);
  }

  void AnswerRead(Peer peer, const v1::ReplicaOp& read, uint32_t term, uint64_t seq,
                  const std::string& value) {
    v1::ReplicaOpReply reply;
    reply.set_voting(true);
    v1::Record* record = reply.mutable_read()->mutable_record();
    record->mutable_version()->set_term(term);
    record->mutable_version()->set_seq(seq);
    record->set_value(value);
    record->set_tombstone(value.empty());
    Reply(peer, reply, read.op());
  }

  // Hello, promise and contact.
  void Connect(Peer peer, Boot boot = Boot(1), bool voting = true) {
    shard_.OnConnected(peer, boot);
    v1::ReplicaOp promise = TakeOne(peer);
    EXPECT_TRUE(promise.has_promise());
    v1::ReplicaOpReply promised;
    promised.mutable_promise();
    Reply(peer, promised, promise.op(), boot);
    std::vector<v1::ReplicaOp> contacts = Take(peer);
    ASSERT_FALSE(contacts.empty());
    EXPECT_TRUE(contacts[0].has_contact());
    for (const v1::ReplicaOp& contact : contacts) {
      if (!contact.has_contact()) continue;
      v1::ReplicaOpReply contacted;
      contacted.set_voting(voting);
      contacted.mutable_contact();
      Reply(peer, contacted, contact.op(), boot);
    }
  }

  void ConnectAll() {
    for (uint32_t i = 0; i < kNodes; ++i) Connect(Peer(i));
  }

  uint64_t Call(v1::Op op, std::chrono::milliseconds timeout = std::chrono::milliseconds(1000)) {
    uint64_t id = ++last_call_;
    op.set_id(id);
    ClientCall call;
    call.slot = SlotId(0);
    call.op = std::move(op);
    call.deadline = clock_.Now() + timeout;
    call.done = [this](v1::OpResult result) {
      EXPECT_EQ(results_.count(result.id()), 0u) << "answered twice";
      results_[result.id()] = std::move(result);
    };
    shard_.Submit(std::move(call));
    return id;
  }

  uint64_t Put(const std::string& key, const std::string& value) {
    v1::Op op;
    op.mutable_put()->set_key(key);
    op.mutable_put()->set_value(value);
    return Call(op);
  }

  uint64_t Get(const std::string& key) {
    v1::Op op;
    op.mutable_get()->set_key(key);
    return Call(op);
  }

  bool Done(uint64_t call) const { return results_.count(call) != 0; }

  void Advance(std::chrono::milliseconds by) {
    MonoTime end = clock_.Now() + by;
    while (clock_.Now() < end) {
      clock_.Set(std::min(end, clock_.Now() + std::chrono::milliseconds(5)));
      shard_.RunDue();
    }
  }

  // All nodes are heard of meanwhile, and answer nothing.
  void AdvanceHeard(std::chrono::milliseconds by) {
    for (std::chrono::milliseconds gone(0); gone < by; gone += std::chrono::milliseconds(10)) {
      Advance(std::chrono::milliseconds(10));
      for (uint32_t i = 0; i < kNodes; ++i) Reply(Peer(i), v1::ReplicaOpReply(), 1'000'000);
    }
  }

  // Time goes by; a test may have more happen meanwhile.
  virtual void Tick(std::chrono::milliseconds by) { Advance(by); }

  // The last operation of the kind that was sent to the node and not looked at yet.
  std::optional<v1::ReplicaOp> Last(Peer peer, v1::ReplicaOp::BodyCase kind) {
    std::optional<v1::ReplicaOp> last;
    for (v1::ReplicaOp& op : Take(peer)) {
      if (op.body_case() == kind) last = std::move(op);
    }
    return last;
  }

  // Lets time pass until the operation has been sent.
  v1::ReplicaOp Await(Peer peer, v1::ReplicaOp::BodyCase kind) {
    for (int i = 0; i < 200; ++i) {
      if (auto op = Last(peer, kind)) return *op;
      Tick(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "nothing of the kind was sent to n" << peer.value() + 1;
    return {};
  }

  bool syncs_shown_ = false;
  SimulatedClock clock_;
  std::map<Peer, std::vector<v1::ReplicaOp>> sent_;
  std::set<Peer> full_;
  std::map<uint64_t, v1::OpResult> results_;
  uint64_t last_call_ = 0;
  LoadBalancer balancer_{ReadBalancing(ShardOptions())};
  Shard shard_;
};

inline const Peer kA(0), kB(1), kC(2);

}  // namespace ringkv
