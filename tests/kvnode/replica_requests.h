// Requests to a node as an owner makes them, and a node's disk on which slots are ready to be
// served.
#pragma once

#include <cstdint>
#include <string>

#include "kvnode/boot_sequence.h"
#include "kvnode/instance_facts.h"
#include "kvnode/replica.h"
#include "kvnode/store.h"
#include "ringkv/v1/disk.pb.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

inline constexpr uint32_t kTestSlots = 16;
inline constexpr uint32_t kTestGroups = 4;
inline constexpr uint32_t kTestTerm = 3;
inline constexpr uint64_t kTestOwner = 0x33;
inline const std::string kTestCluster(16, 'c');

// Every slot has voting instance 1, every group is promised to (kTestTerm, kTestOwner).
inline void PrepareDisk(Store& store) {
  StoreBatch batch;
  for (uint32_t slot = 0; slot < kTestSlots; ++slot) {
    v1::DiskInstance fact;
    fact.set_voting(true);
    batch.PutMeta(InstanceMetaName(SlotId(slot), Incarnation(1)), fact.SerializeAsString());
  }
  for (uint32_t group = 0; group < kTestGroups; ++group) {
    v1::DiskPromise fact;
    fact.set_term(kTestTerm);
    fact.set_owner(kTestOwner);
    batch.PutMeta(PromiseMetaName(GroupId(group)), fact.SerializeAsString());
  }
  RINGKV_CHECK(store.Write(batch, true).ok(), "a fresh store takes facts");
}

inline Registered TestRegistered() {
  Registered registered;
  registered.boot = Boot(5);
  registered.store_uuid = std::string(16, 's');
  registered.cluster_uuid = kTestCluster;
  registered.slots = kTestSlots;
  registered.groups = kTestGroups;
  return registered;
}

inline v1::ReplicaBatch MakeBatch(std::string node = "n1") {
  v1::ReplicaBatch batch;
  batch.set_format_version(1);
  batch.set_cluster_uuid(kTestCluster);
  batch.set_node(std::move(node));
  return batch;
}

inline v1::ReplicaOp* AddOp(v1::ReplicaBatch* batch, uint64_t number, uint32_t slot) {
  v1::ReplicaOp* op = batch->add_ops();
  op->set_op(number);
  op->set_attempt(1);
  op->set_slot(slot);
  op->set_inc(1);
  op->set_term(kTestTerm);
  op->set_owner(kTestOwner);
  return op;
}

inline void AddHello(v1::ReplicaBatch* batch, uint64_t number) {
  batch->add_ops()->mutable_hello()->set_router("r1");
  batch->mutable_ops(batch->ops_size() - 1)->set_op(number);
}

inline void AddPromise(v1::ReplicaBatch* batch, uint64_t number, uint32_t group, uint32_t term,
                       uint64_t owner) {
  v1::ReplicaOp* op = AddOp(batch, number, 0);
  op->set_term(term);
  op->set_owner(owner);
  op->mutable_promise()->set_group(group);
}

inline void AddApply(v1::ReplicaBatch* batch, uint64_t number, uint32_t slot, std::string key,
                     uint64_t seq, std::string value) {
  v1::Apply* apply = AddOp(batch, number, slot)->mutable_apply();
  apply->set_key(std::move(key));
  apply->mutable_record()->mutable_version()->set_term(kTestTerm);
  apply->mutable_record()->mutable_version()->set_seq(seq);
  apply->mutable_record()->set_value(std::move(value));
}

inline void AddRead(v1::ReplicaBatch* batch, uint64_t number, uint32_t slot, std::string key) {
  AddOp(batch, number, slot)->mutable_read()->set_key(std::move(key));
}

}  // namespace ringkv
