// Replica, its part in making copies equal again (docs/protocol.md, "Sync"): as the source and as
// the target of a pull, and the durable words of the owner: Persist, SetStable, SetFloor,
// Reinstate.
#include <algorithm>

#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "kvnode/replica.h"
#include "migration/slot_source.h"
#include "migration/version_proto.h"

namespace ringkv {
namespace {

void Refuse(v1::ReplicaOpReply* reply, v1::ReplicaCode code, std::string message) {
  reply->set_code(code);
  reply->set_message(std::move(message));
}

uint64_t BootMeant(const v1::ReplicaOp& op) {
  if (op.has_persist()) return op.persist().boot();
  if (op.has_set_floor()) return op.set_floor().boot();
  return op.has_set_stable() ? op.set_stable().boot() : op.reinstate().boot();
}

}  // namespace

// The records of one instance in the store.
class Replica::InstanceCopy final : public PullTarget {
 public:
  InstanceCopy(Replica& replica, SlotId slot, Instance& instance)
      : replica_(replica), slot_(slot), instance_(instance) {}

  Version stable() const override { return instance_.stable; }
  Version floor() const override { return instance_.floor; }

  Result<CopyPage> Read(std::string_view after, const CopyLimits& limits) override {
    ScanLimits scan;
    scan.max_bytes = limits.max_bytes;
    scan.max_entries = limits.max_entries;
    scan.keys_only = !limits.values;
    scan.past_damage = true;
    if (limits.above >= instance_.lowered) scan.above = limits.above;
    auto found = replica_.store_.Scan(slot_, instance_.inc, after, "", scan);
    if (!found.ok()) return found.status();
    if (!found->stretches.empty()) return found->stretches.front().why;
    CopyPage page;
    page.complete = found->complete;
    page.entries.reserve(found->entries.size() + found->damaged.size());
    for (StoredEntry& entry : found->entries) {
      v1::SlotEntry& to = page.entries.emplace_back();
      to.set_key(std::move(entry.key));
      to.mutable_record()->Swap(&entry.record);
      ReadAs(FloorOf(instance_), to.mutable_record());
    }
    if (found->damaged.empty()) return page;
    for (DamagedRecord& damaged : found->damaged) {
      ++replica_.stats_.corrupt;
      page.entries.emplace_back().set_key(damaged.key);
      page.damaged.insert(std::move(damaged.key));
    }
    std::sort(page.entries.begin(), page.entries.end(),
              [](const v1::SlotEntry& a, const v1::SlotEntry& b) { return a.key() < b.key(); });
    return page;
  }

  Result<std::optional<v1::Record>> Find(const std::string& key) override {
    const RecordKey name{slot_, instance_.inc, key};
    RecordLookup found;
    replica_.store_.MultiGet({&name, 1}, {&found, 1});
    if (!found.status.ok()) return found.status;
    if (!found.found) return std::optional<v1::Record>();
    ReadAs(FloorOf(instance_), &found.record);
    return std::optional(std::move(found.record));
  }

  Status TakeNewer(const std::vector<const v1::SlotEntry*>& entries) override {
    std::vector<RecordKey> keys;
    for (const v1::SlotEntry* entry : entries) keys.push_back(KeyOf(*entry));
    std::vector<RecordLookup> found(keys.size());
    replica_.store_.MultiGet(keys, found);
    StoreBatch batch;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (found[i].status.code() == StatusCode::kIoError) return found[i].status;
      // What is unreadable here may have been newer: only the owner mends it, under the key's lock.
      if (!found[i].status.ok()) continue;
      const Version version = FromProto(entries[i]->record().version());
      if (found[i].found && FromProto(found[i].record.version()) >= version) continue;
      Put(*entries[i], version, &batch);
      ++replica_.stats_.pulled_records;
      replica_.stats_.pulled_bytes +=
          entries[i]->key().size() + entries[i]->record().value().size();
    }
    return batch.empty() ? Status::Ok() : Write(batch);
  }

  Status Replace(const v1::SlotEntry& entry, Version unless_above) override {
    const RecordKey key = KeyOf(entry);
    RecordLookup found;
    replica_.store_.MultiGet({&key, 1}, {&found, 1});
    if (found.status.code() == StatusCode::kIoError) return found.status;
    if (!found.status.ok()) return Status::Ok();  // damaged meanwhile: as in TakeNewer
    if (found.found && FromProto(found.record.version()) > unless_above) return Status::Ok();
    ++replica_.stats_.leftovers;
    StoreBatch batch;
    NoteLowered(slot_, FromProto(found.record.version()), &instance_, &batch);
    Put(entry, FromProto(entry.record().version()), &batch);
    return Write(batch);
  }

  Status AdoptFloor(Version floor) override {
    Instance next = instance_;
    next.floor = floor;
    StoreBatch batch;
    batch.PutMeta(InstanceMetaName(slot_, instance_.inc), FactOf(next).SerializeAsString());
    RINGKV_RETURN_IF_ERROR(replica_.store_.Write(batch, /*sync=*/true));
    instance_ = next;
    return Status::Ok();
  }

 private:
  RecordKey KeyOf(const v1::SlotEntry& entry) const { return {slot_, instance_.inc, entry.key()}; }

  void Put(const v1::SlotEntry& entry, Version version, StoreBatch* batch) {
    instance_.bound = std::max(instance_.bound, version);
    instance_.garbage.OnWrite(entry.record());
    batch->PutRecord(KeyOf(entry), entry.record());
  }

  // As durable as an Apply: a pull that is done is counted on like an acknowledgement.
  Status Write(const StoreBatch& batch) {
    return replica_.store_.Write(batch, replica_.options_.sync_writes);
  }

  Replica& replica_;
  const SlotId slot_;
  Instance& instance_;
};

v1::DiskInstance Replica::FactOf(const Instance& instance) {
  v1::DiskInstance fact;
  fact.set_voting(instance.voting);
  fact.set_retired(instance.retired);
  ToProto(instance.floor, fact.mutable_floor());
  fact.set_expired_before_ms(instance.expired_before_ms);
  ToProto(instance.stable, fact.mutable_stable());
  if (instance.lost_tail.has_value()) *fact.mutable_lost_tail() = *instance.lost_tail;
  if (instance.lowered != Version{}) ToProto(instance.lowered, fact.mutable_lowered());
  return fact;
}

// ---- source ---------------------------------------------------------------------------------

Status Replica::DoSourceQuestion(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  Instance* instance = Admit(op, reply);
  if (instance == nullptr) return Status::Ok();
  const uint64_t boot = op.has_sync_ranges() ? op.sync_ranges().boot() : op.sync_diff().boot();
  if (RINGKV_RULE(kSourceVotesUnderItsBoot)) {
    if (Boot(boot) != options_.boot) {
      ++stats_.source_refusals;
      Refuse(reply, v1::REPLICA_CODE_WRONG_BOOT, "the source has started again since");
      return Status::Ok();
    }
    const bool in_union =
        op.has_sync_ranges() ? op.sync_ranges().in_union() : op.sync_diff().in_union();
    if (!instance->voting && !in_union) {
      ++stats_.source_refusals;
      Refuse(reply, v1::REPLICA_CODE_NOT_VOTING, "the source may lack something itself");
      return Status::Ok();
    }
  }
  ++stats_.source_answers;
  InstanceCopy copy(*this, SlotId(op.slot()), *instance);
  Status status = op.has_sync_ranges()
                      ? AnswerRanges(copy, op.sync_ranges(), reply->mutable_sync_ranges())
                      : AnswerDiff(copy, op.sync_diff(), reply->mutable_sync_diff());
  if (status.code() != StatusCode::kCorruption) return status;
  ++stats_.corrupt;
  reply->clear_body();
  Refuse(reply, v1::REPLICA_CODE_CORRUPTION, status.message());
  return Status::Ok();
}

// ---- target ---------------------------------------------------------------------------------

Status Replica::DoPull(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  Instance* instance = Admit(op, reply);
  if (instance == nullptr) return Status::Ok();
  const v1::Pull& order = op.pull();
  if (Boot(order.boot()) != options_.boot) {
    Refuse(reply, v1::REPLICA_CODE_WRONG_BOOT, "the node has started again since");
    return Status::Ok();
  }
  if (disk_space_ != DiskSpace::kPlenty && !order.compare_only()) {
    Refuse(reply, v1::REPLICA_CODE_DISK_FULL, "the disk is full");
    return Status::Ok();
  }
  const SlotId slot(op.slot());
  Pulling& pulling = pulls_[slot];
  if (order.id() < pulling.highest_id || order.id() == 0) {
    Refuse(reply, v1::REPLICA_CODE_INVALID, "a later pull was ordered");
    return Status::Ok();
  }
  if (order.id() > pulling.highest_id) {
    ++stats_.pulls;
    pulling.by = promised_[GroupOfSlot(slot).value()];
    pulling.highest_id = order.id();
    pulling.question = 0;
    pulling.takes_space = !order.compare_only();
    pulling.pull = std::make_unique<SlotPull>(Term(op.term()), order);
  } else {
    pulling.pull->OnOrder(order);
  }
  Status status = Advance(slot, pulling);
  pulling.pull->Describe(reply->mutable_pull());
  return status;
}

// Asks the source what comes next.
Status Replica::Advance(SlotId slot, Pulling& pulling) {
  // The owner orders it again.
  if (disk_space_ != DiskSpace::kPlenty && pulling.takes_space) return Status::Ok();
  Instance& instance = instances_.at(slot);
  InstanceCopy copy(*this, slot, instance);
  SyncQuestion question;
  auto asks = pulling.pull->NextQuestion(copy, &question.op);
  if (asks.status().code() == StatusCode::kCorruption) {
    ++stats_.corrupt;
    pulling.pull->OnUnreadable(asks.status());
    return Status::Ok();
  }
  if (!asks.ok()) return asks.status();
  if (!*asks) return Status::Ok();
  asked_.erase(pulling.question);
  pulling.question = ++last_question_;
  asked_[pulling.question] = slot;
  const v1::SyncSource& source = pulling.pull->source();
  question.node = source.node();
  question.address = source.address();
  question.op.set_op(pulling.question);
  question.op.set_slot(slot.value());
  question.op.set_inc(source.inc());
  question.op.set_term(pulling.by.term.value());
  question.op.set_owner(pulling.by.owner.value());
  questions_.push_back(std::move(question));
  return Status::Ok();
}

Status Replica::OnSyncAnswer(Boot boot, const v1::ReplicaOpReply& answer) {
  auto asked = asked_.find(answer.op());
  if (asked == asked_.end()) return Status::Ok();
  const SlotId slot = asked->second;
  asked_.erase(asked);
  auto found = pulls_.find(slot);
  if (found == pulls_.end() || found->second.question != answer.op()) return Status::Ok();
  Pulling& pulling = found->second;
  auto instance = instances_.find(slot);
  if (instance == instances_.end() || instance->second.retired) return Status::Ok();
  ++stats_.pull_answers;
  InstanceCopy copy(*this, slot, instance->second);
  RINGKV_RETURN_IF_ERROR(pulling.pull->OnAnswer(boot, answer, copy));
  return Advance(slot, pulling);
}

// ---- the owner's durable words --------------------------------------------------------------

Status Replica::DoDurable(std::span<const v1::ReplicaOp* const> ops,
                          std::span<v1::ReplicaOpReply> replies) {
  StoreBatch batch;
  std::unordered_map<Instance*, Instance> changes;
  bool sync = false;
  for (size_t i = 0; i < ops.size(); ++i) {
    const v1::ReplicaOp& op = *ops[i];
    Instance* instance = Admit(op, &replies[i]);
    if (instance == nullptr) continue;
    const bool bound = !op.has_set_stable() || RINGKV_RULE(kStableIsBoundToItsBoot);
    if (bound && Boot(BootMeant(op)) != options_.boot) {
      Refuse(&replies[i], v1::REPLICA_CODE_WRONG_BOOT, "the node has started again since");
      continue;
    }
    sync = true;
    if (op.has_persist()) continue;
    Instance& next = changes.try_emplace(instance, *instance).first->second;
    if (op.has_set_stable()) {
      next.stable = std::max(next.stable, FromProto(op.set_stable().stable()));
    } else if (op.has_set_floor()) {
      next.floor = std::max(next.floor, FromProto(op.set_floor().floor()));
      next.expired_before_ms = std::max(next.expired_before_ms, op.set_floor().expired_before_ms());
      replies[i].mutable_set_floor()->set_garbage_left(next.garbage.MayGrow());
    } else {
      if (!next.voting) ++stats_.reinstated;
      next.voting = true;
      next.lost_tail.reset();
      replies[i].set_voting(true);
    }
    batch.PutMeta(InstanceMetaName(SlotId(op.slot()), next.inc), FactOf(next).SerializeAsString());
  }
  if (!sync) return Status::Ok();
  RINGKV_RETURN_IF_ERROR(batch.empty() ? store_.Sync() : store_.Write(batch, /*sync=*/true));
  for (auto& [instance, next] : changes) *instance = next;
  return Status::Ok();
}

}  // namespace ringkv
