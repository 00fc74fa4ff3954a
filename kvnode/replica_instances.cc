// Replica, the life of an instance (docs/protocol.md, "Replace"): made without a vote, retired,
// dropped.
#include <algorithm>

#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "kvnode/replica.h"

namespace ringkv {
namespace {

void Refuse(v1::ReplicaOpReply* reply, v1::ReplicaCode code, std::string message) {
  reply->set_code(code);
  reply->set_message(std::move(message));
}

}  // namespace

bool Replica::Fence(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  if (op.slot() >= options_.slots || !promised_[GroupOfSlot(SlotId(op.slot())).value()].mine) {
    Refuse(reply, v1::REPLICA_CODE_INVALID, "no such slot here");
    return false;
  }
  const Promised& promised = promised_[GroupOfSlot(SlotId(op.slot())).value()];
  if (Term(op.term()) == promised.term && OwnerId(op.owner()) == promised.owner) return true;
  if (!RINGKV_RULE(kOnlyTheOneItPromised)) return true;
  ++stats_.fenced;
  const bool higher = Term(op.term()) > promised.term;
  reply->set_promised_term(promised.term.value());
  Refuse(reply, higher ? v1::REPLICA_CODE_NEED_PROMISE : v1::REPLICA_CODE_STALE,
         higher ? "the term was not promised here yet" : "another owner has taken over");
  return false;
}

Status Replica::DoCreate(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  if (!Fence(op, reply)) return Status::Ok();
  if (op.inc() == 0) {
    Refuse(reply, v1::REPLICA_CODE_INVALID, "incarnations count from 1");
    return Status::Ok();
  }
  const SlotId slot(op.slot());
  auto found = instances_.find(slot);
  if (found != instances_.end() && found->second.inc >= Incarnation(op.inc())) {
    const bool same = found->second.inc == Incarnation(op.inc()) && !found->second.retired;
    if (same) {
      reply->set_voting(found->second.voting);
    } else {
      Refuse(reply, v1::REPLICA_CODE_NO_INSTANCE,
             "this incarnation or a later one was retired here");
    }
    return Status::Ok();
  }
  Instance instance;
  instance.inc = Incarnation(op.inc());
  instance.voting = op.create().voting();
  instance.bound_known = true;  // empty
  StoreBatch batch;
  batch.PutMeta(InstanceMetaName(slot, instance.inc), FactOf(instance).SerializeAsString());
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true));
  instances_[slot] = instance;
  pulls_.erase(slot);
  ++stats_.created;
  reply->set_voting(instance.voting);
  return Status::Ok();
}

// The newest instance of the slot, an older one, or one that never was here: whichever it is, it is
// durably retired when this is answered.
Status Replica::DoRetire(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  if (!Fence(op, reply)) return Status::Ok();
  if (op.inc() == 0 || op.retire().epoch() == 0) {
    Refuse(reply, v1::REPLICA_CODE_INVALID,
           "an instance is retired by the placement that no longer names it");
    return Status::Ok();
  }
  const SlotId slot(op.slot());
  const Incarnation inc(op.inc());
  auto found = instances_.find(slot);
  const bool newest = found == instances_.end() || found->second.inc <= inc;
  v1::DiskInstance fact;
  if (auto bytes = store_.GetMeta(InstanceMetaName(slot, inc)); bytes.ok()) {
    if (!fact.ParseFromString(*bytes)) {
      Refuse(reply, v1::REPLICA_CODE_CORRUPTION, "the stored instance cannot be read");
      return Status::Ok();
    }
    if (fact.retired()) return Status::Ok();
  } else if (bytes.status().code() != StatusCode::kNotFound) {
    return bytes.status();
  } else {
    if (!newest) return Status::Ok();  // an older one that was never here cannot be made any more
    fact.set_dropped(true);
  }
  fact.set_retired(true);
  fact.set_voting(false);
  StoreBatch batch;
  batch.PutMeta(InstanceMetaName(slot, inc), fact.SerializeAsString());
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true));
  ++stats_.retired;
  if (!fact.dropped()) drops_.push_back({slot, inc});
  if (!newest) return Status::Ok();
  pulls_.erase(slot);
  Instance& instance = instances_[slot];
  instance = Instance{};
  instance.inc = inc;
  instance.retired = true;
  return Status::Ok();
}

// The fact of the slot's newest instance stays: nothing at or below it is made again.
Status Replica::OnDropped(const InstanceName& name) {
  StoreBatch batch;
  auto found = instances_.find(name.slot);
  if (found != instances_.end() && found->second.inc > name.inc) {
    batch.EraseMeta(InstanceMetaName(name.slot, name.inc));
  } else {
    v1::DiskInstance fact;
    fact.set_retired(true);
    fact.set_dropped(true);
    batch.PutMeta(InstanceMetaName(name.slot, name.inc), fact.SerializeAsString());
  }
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true));
  ++stats_.dropped;
  return Status::Ok();
}

}  // namespace ringkv
