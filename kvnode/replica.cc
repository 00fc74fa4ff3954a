#include "kvnode/replica.h"

#include <algorithm>
#include <cstdio>

#include "base/limits.h"
#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "migration/version_proto.h"
#include "ringkv/v1/disk.pb.h"

namespace ringkv {
namespace {

constexpr std::string_view kPromisePrefix = "promise/";

v1::ReplicaCode CodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return v1::REPLICA_CODE_OK;
    case StatusCode::kCorruption:
      return v1::REPLICA_CODE_CORRUPTION;
    default:
      return v1::REPLICA_CODE_IO_ERROR;
  }
}

void Refuse(v1::ReplicaOpReply* reply, v1::ReplicaCode code, std::string message) {
  reply->set_code(code);
  reply->set_message(std::move(message));
}

bool IsData(const v1::ReplicaOp& op) { return op.has_apply() || op.has_read(); }

bool TakesSpace(const v1::ReplicaOp& op) {
  return op.has_apply() && !op.apply().record().tombstone() && !op.apply().forget();
}

bool IsDurable(const v1::ReplicaOp& op) {
  return op.has_persist() || op.has_set_stable() || op.has_set_floor() || op.has_reinstate();
}

// Ok, or why an Apply makes no sense.
Status CheckApply(const v1::ReplicaOp& op) {
  RINGKV_RETURN_IF_ERROR(CheckKey(op.apply().key()));
  RINGKV_RETURN_IF_ERROR(CheckValueSize(op.apply().record().value().size()));
  const v1::Version& version = op.apply().record().version();
  if (op.apply().forget()) {
    return op.apply().repair() ? Status::Ok()
                               : Status::InvalidArgument("only a repair forgets a record");
  }
  if (version.term() == 0 || version.term() > op.term()) {
    return Status::InvalidArgument("a record's term is from 1 to that of the owner who sends it");
  }
  return Status::Ok();
}

}  // namespace

std::string PromiseMetaName(GroupId group) {
  char name[32];
  std::snprintf(name, sizeof name, "promise/%08u", group.value());
  return name;
}

// Apply and Read operations that came one after the other. They are concurrent to each other by
// construction (an owner never reads a key from a replica that it has sent an unacknowledged
// write), so that writes may go first and all reads together.
class Replica::DataRun {
 public:
  explicit DataRun(Replica& replica) : replica_(replica) {}

  bool empty() const { return items_.empty(); }

  void Add(const v1::ReplicaOp& op, Instance& instance, v1::ReplicaOpReply* reply) {
    bool needs_lookup = true;
    if (op.has_apply()) {
      Version version = FromProto(op.apply().record().version());
      // Above everything the instance can hold: nothing to compare with.
      if (instance.bound_known && version > instance.bound && !op.apply().forget()) {
        needs_lookup = false;
      }
      instance.bound = std::max(instance.bound, version);
    }
    items_.push_back({&op, &instance, reply, needs_lookup});
  }

  Status Execute() {
    RINGKV_RETURN_IF_ERROR(WriteNew());
    RINGKV_RETURN_IF_ERROR(Lookup());
    items_.clear();
    return Status::Ok();
  }

 private:
  struct Item {
    const v1::ReplicaOp* op;
    Instance* instance;
    v1::ReplicaOpReply* reply;
    bool needs_lookup;
  };

  static RecordKey KeyOf(const Item& item) {
    const v1::ReplicaOp& op = *item.op;
    return {SlotId(op.slot()), Incarnation(op.inc()),
            op.has_apply() ? op.apply().key() : op.read().key()};
  }

  static void Acknowledge(const Item& item, const v1::Version& stored) {
    *item.reply->mutable_apply()->mutable_stored() = stored;
  }

  // What is newer than anything there, in the order in which it came: of two versions of one key
  // the later in the batch is the higher.
  Status WriteNew() {
    StoreBatch batch;
    for (const Item& item : items_) {
      if (item.needs_lookup) continue;
      batch.PutRecord(KeyOf(item), item.op->apply().record());
      item.instance->garbage.OnWrite(item.op->apply().record());
      Acknowledge(item, item.op->apply().record().version());
      ++replica_.stats_.applies;
    }
    if (batch.empty()) return Status::Ok();
    return replica_.store_.Write(batch, replica_.options_.sync_writes);
  }

  Status Lookup() {
    std::vector<RecordKey> keys;
    std::vector<const Item*> asked;
    for (const Item& item : items_) {
      if (!item.needs_lookup) continue;
      keys.push_back(KeyOf(item));
      asked.push_back(&item);
    }
    if (keys.empty()) return Status::Ok();
    std::vector<RecordLookup> found(keys.size());
    replica_.store_.MultiGet(keys, found);

    StoreBatch batch;
    // Version that the batch gives a key: two applies of one key may be in it.
    std::unordered_map<std::string, Version> written;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (found[i].status.code() == StatusCode::kIoError) return found[i].status;
      if (asked[i]->op->has_read()) {
        AnswerRead(*asked[i], &found[i]);
      } else {
        Decide(*asked[i], found[i], &batch, &written);
      }
    }
    if (batch.empty()) return Status::Ok();
    return replica_.store_.Write(batch, replica_.options_.sync_writes);
  }

  void AnswerRead(const Item& item, RecordLookup* found) {
    ++replica_.stats_.reads;
    if (!found->status.ok()) {
      ++replica_.stats_.corrupt;
      return Refuse(item.reply, CodeOf(found->status), found->status.message());
    }
    const size_t value_bytes = found->found ? found->record.value().size() : 0;
    if (value_bytes > replica_.options_.large_value_bytes && !item.op->read().large()) {
      ++replica_.stats_.reads_large;
      item.reply->set_code(v1::REPLICA_CODE_LARGE);
      item.reply->mutable_read()->set_large_bytes(value_bytes);
      return;
    }
    v1::Record* record = item.reply->mutable_read()->mutable_record();
    if (found->found) {
      record->Swap(&found->record);
      const bool collected = Collected(*record, FloorOf(*item.instance));
      item.reply->mutable_read()->set_absent(collected);
      ReadAs(FloorOf(*item.instance), record);
    } else {
      if (RINGKV_RULE(kAbsentReadsAsTheFloor)) {
        ToProto(item.instance->floor, record->mutable_version());
      }
      record->set_tombstone(true);
      item.reply->mutable_read()->set_absent(true);
    }
  }

  void Decide(const Item& item, const RecordLookup& found, StoreBatch* batch,
              std::unordered_map<std::string, Version>* written) {
    ++replica_.stats_.version_reads;
    const v1::Apply& apply = item.op->apply();
    if (!found.status.ok() && !apply.repair()) {
      ++replica_.stats_.corrupt;
      return Refuse(item.reply, CodeOf(found.status), found.status.message());
    }
    Version stored = RINGKV_RULE(kAbsentReadsAsTheFloor) ? item.instance->floor : Version{};
    if (found.status.ok() && found.found && !Collected(found.record, FloorOf(*item.instance))) {
      stored = FromProto(found.record.version());
    }
    std::string name = std::to_string(item.op->slot()) + '/' + apply.key();
    bool unreadable = !found.status.ok();
    if (auto earlier = written->find(name); earlier != written->end()) {
      stored = std::max(stored, earlier->second);
      unreadable = false;  // an earlier operation of this batch has mended it
    }
    if (apply.forget()) {
      if (unreadable) {
        batch->EraseRecord(KeyOf(item));
        NoteLowered(SlotId(item.op->slot()), UnknownVersionIn(*item.instance), item.instance,
                    batch);
      }
      return ToProto(stored, item.reply->mutable_apply()->mutable_stored());
    }
    Version version = FromProto(apply.record().version());
    if (version > stored || unreadable || !RINGKV_RULE(kCompareVersions)) {
      batch->PutRecord(KeyOf(item), apply.record());
      if (unreadable) {
        NoteLowered(SlotId(item.op->slot()), UnknownVersionIn(*item.instance), item.instance,
                    batch);
      }
      item.instance->garbage.OnWrite(apply.record());
      (*written)[name] = version;
      stored = version;
      ++replica_.stats_.applies;
    } else {
      ++replica_.stats_.applies_old;
    }
    ToProto(stored, item.reply->mutable_apply()->mutable_stored());
  }

  Replica& replica_;
  std::vector<Item> items_;
};

Result<std::unique_ptr<Replica>> Replica::Open(Store& store, const Options& options,
                                               std::vector<GroupId> mine) {
  std::unique_ptr<Replica> replica(new Replica(store, options));
  RINGKV_RETURN_IF_ERROR(replica->Load(std::move(mine)));
  return replica;
}

// What an unreadable record may have had.
Version Replica::UnknownVersionIn(const Instance& instance) {
  return instance.bound_known ? instance.bound : kHighestVersion;
}

// Durable with the write that makes it so.
void Replica::NoteLowered(SlotId slot, Version from, Instance* instance, StoreBatch* batch) {
  if (from <= instance->lowered) return;
  instance->lowered = from;
  batch->PutMeta(InstanceMetaName(slot, instance->inc), FactOf(*instance).SerializeAsString());
}

GroupId Replica::GroupOfSlot(SlotId slot) const {
  return GroupId(slot.value() / (options_.slots / options_.groups));
}

Status Replica::Load(std::vector<GroupId> mine) {
  promised_.resize(options_.groups);
  for (GroupId group : mine) {
    RINGKV_CHECK(group.value() < options_.groups, "a replica is given groups of its cluster");
    promised_[group.value()].mine = true;
  }
  auto promises = store_.ListMeta(kPromisePrefix);
  if (!promises.ok()) return promises.status().Annotate("reading promises");
  for (const auto& [name, bytes] : *promises) {
    v1::DiskPromise disk;
    unsigned group = 0;
    if (std::sscanf(name.c_str(), "promise/%8u", &group) != 1 || group >= options_.groups ||
        !disk.ParseFromString(bytes)) {
      return Status::Corruption("the stored promise '" + name + "' cannot be read");
    }
    promised_[group].term = Term(disk.term());
    promised_[group].owner = OwnerId(disk.owner());
  }
  auto facts = ReadInstanceFacts(store_);
  if (!facts.ok()) return facts.status();
  for (const auto& [name, disk] : *facts) {
    if (name.slot.value() >= options_.slots) {
      return Status::Corruption("the disk has an instance of slot " +
                                std::to_string(name.slot.value()) + " of " +
                                std::to_string(options_.slots));
    }
    if (!promised_[GroupOfSlot(name.slot).value()].mine) continue;
    if (disk.retired() && !disk.dropped()) drops_.push_back(name);
    // In order of incarnation: the newest stays.
    Instance& instance = instances_[name.slot];
    instance.inc = name.inc;
    instance.voting = disk.voting();
    instance.retired = disk.retired();
    instance.floor = FromProto(disk.floor());
    instance.expired_before_ms = disk.expired_before_ms();
    instance.stable = FromProto(disk.stable());
    instance.lowered = FromProto(disk.lowered());
    instance.lost_tail.reset();
    if (disk.has_lost_tail()) instance.lost_tail = disk.lost_tail();
  }
  return Status::Ok();
}

uint64_t Replica::instances() const {
  return static_cast<uint64_t>(std::count_if(instances_.begin(), instances_.end(),
                                             [](const auto& e) { return !e.second.retired; }));
}

uint64_t Replica::voting_instances() const {
  return static_cast<uint64_t>(std::count_if(
      instances_.begin(), instances_.end(),
      [](const auto& entry) { return entry.second.voting && !entry.second.retired; }));
}

bool Replica::Votes(SlotId slot) const {
  auto found = instances_.find(slot);
  return found != instances_.end() && found->second.voting && !found->second.retired;
}

Status Replica::Execute(std::span<const v1::ReplicaOp* const> ops,
                        std::vector<v1::ReplicaOpReply>* replies) {
  size_t base = replies->size();
  replies->resize(base + ops.size());
  std::span<v1::ReplicaOpReply> out(replies->data() + base, ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    out[i].set_op(ops[i]->op());
    out[i].set_attempt(ops[i]->attempt());
  }
  DataRun run(*this);
  for (size_t i = 0; i < ops.size(); ++i) {
    const v1::ReplicaOp& op = *ops[i];
    if (!IsData(op) && !run.empty()) RINGKV_RETURN_IF_ERROR(run.Execute());
    if (op.has_promise() || IsDurable(op)) {
      auto same = [&op](const v1::ReplicaOp& other) {
        return op.has_promise() ? other.has_promise() : IsDurable(other);
      };
      size_t end = i + 1;
      while (end < ops.size() && same(*ops[end])) ++end;
      auto run_ops = ops.subspan(i, end - i);
      auto run_out = out.subspan(i, end - i);
      RINGKV_RETURN_IF_ERROR(op.has_promise() ? DoPromises(run_ops, run_out)
                                              : DoDurable(run_ops, run_out));
      i = end - 1;
      continue;
    }
    Status status;
    if (op.has_create()) {
      status = DoCreate(op, &out[i]);
    } else if (op.has_retire()) {
      status = DoRetire(op, &out[i]);
    } else if (op.has_contact()) {
      DoContact(op, &out[i]);
    } else if (op.has_scan()) {
      status = DoScan(op, &out[i]);
    } else if (op.has_pull()) {
      status = DoPull(op, &out[i]);
    } else if (op.has_sync_ranges() || op.has_sync_diff()) {
      status = DoSourceQuestion(op, &out[i]);
    } else if (IsData(op)) {
      Status valid = op.has_apply() ? CheckApply(op) : CheckKey(op.read().key());
      if (!valid.ok()) {
        Refuse(&out[i], v1::REPLICA_CODE_INVALID, valid.message());
      } else if (Instance* instance = Admit(op, &out[i])) {
        if (disk_space_ == DiskSpace::kSpent && TakesSpace(op)) {
          Refuse(&out[i], v1::REPLICA_CODE_DISK_FULL, "the disk is full");
        } else {
          run.Add(op, *instance, &out[i]);
        }
      }
    } else {
      Refuse(&out[i], v1::REPLICA_CODE_INVALID, "this node does not know the operation");
    }
    if (!status.ok()) return status;
  }
  return run.empty() ? Status::Ok() : run.Execute();
}

Replica::Instance* Replica::Admit(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  if (!Fence(op, reply)) return nullptr;
  auto found = instances_.find(SlotId(op.slot()));
  if (found == instances_.end() || found->second.inc != Incarnation(op.inc()) ||
      found->second.retired) {
    Refuse(reply, v1::REPLICA_CODE_NO_INSTANCE, "no such live instance of the slot here");
    return nullptr;
  }
  reply->set_voting(found->second.voting);
  return &found->second;
}

// All promises of a batch are one synced write.
Status Replica::DoPromises(std::span<const v1::ReplicaOp* const> ops,
                           std::span<v1::ReplicaOpReply> replies) {
  StoreBatch batch;
  std::vector<Promised> next = promised_;
  for (size_t i = 0; i < ops.size(); ++i) {
    const v1::ReplicaOp& op = *ops[i];
    uint32_t group = op.promise().group();
    if (group >= options_.groups || !promised_[group].mine || op.term() == 0 || op.owner() == 0) {
      Refuse(&replies[i], v1::REPLICA_CODE_INVALID, "no such group, term or owner");
      continue;
    }
    Promised& promised = next[group];
    Term term(op.term());
    OwnerId owner(op.owner());
    if (term < promised.term || (term == promised.term && owner != promised.owner)) {
      ++stats_.fenced;
      replies[i].set_promised_term(promised.term.value());
      Refuse(&replies[i], v1::REPLICA_CODE_STALE, "a later owner holds the promise");
      continue;
    }
    replies[i].mutable_promise()->set_group(group);
    if (term == promised.term) continue;
    promised.term = term;
    promised.owner = owner;
    v1::DiskPromise disk;
    disk.set_term(op.term());
    disk.set_owner(op.owner());
    batch.PutMeta(PromiseMetaName(GroupId(group)), disk.SerializeAsString());
  }
  if (batch.empty()) return Status::Ok();
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true));
  // A term that was never promised before bounds every record: none can carry it yet.
  for (auto& [slot, instance] : instances_) {
    uint32_t group = GroupOfSlot(slot).value();
    if (next[group].term == promised_[group].term) continue;
    instance.bound = std::max(instance.bound, Version{next[group].term, 0});
    instance.bound_known = true;
  }
  promised_ = std::move(next);
  // A pull ends with the ownership that ordered it.
  std::erase_if(pulls_, [this](const auto& entry) {
    const Promised& promised = promised_[GroupOfSlot(entry.first).value()];
    return entry.second.by.term != promised.term || entry.second.by.owner != promised.owner;
  });
  return Status::Ok();
}

void Replica::DoContact(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  Instance* instance = Admit(op, reply);
  if (instance == nullptr) return;
  if (Boot(op.contact().boot()) != options_.boot) {
    return Refuse(reply, v1::REPLICA_CODE_WRONG_BOOT, "the node has started again since");
  }
  // Everything that was on the disk when this process started had been handed out by then.
  instance->bound =
      std::max(instance->bound, Version{Term(op.term()), op.contact().handed_out_seq()});
  instance->bound_known = true;
  ToProto(instance->floor, reply->mutable_contact()->mutable_floor());
  ToProto(instance->stable, reply->mutable_contact()->mutable_stable());
  if (!instance->voting && instance->lost_tail.has_value()) {
    *reply->mutable_contact()->mutable_lost_tail() = *instance->lost_tail;
  }
}

Status Replica::DoScan(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply) {
  Instance* instance = Admit(op, reply);
  if (instance == nullptr) return Status::Ok();
  ++stats_.scans;
  const v1::ScanSlot& scan = op.scan();
  ScanLimits limits;
  limits.max_bytes = std::clamp<size_t>(scan.max_bytes(), 1, kMaxValueBytes);
  limits.max_entries = std::clamp<size_t>(scan.max_entries(), 1, 100'000);
  limits.keys_only = scan.keys_only();
  auto page = store_.Scan(SlotId(op.slot()), instance->inc, scan.after(), scan.prefix(), limits);
  if (!page.ok()) {
    if (page.status().code() == StatusCode::kIoError) return page.status();
    ++stats_.corrupt;
    Refuse(reply, CodeOf(page.status()), page.status().message());
    return Status::Ok();
  }
  v1::ScanSlotReply* out = reply->mutable_scan();
  out->set_complete(page->complete);
  for (StoredEntry& entry : page->entries) {
    v1::SlotEntry* slot_entry = out->add_entries();
    slot_entry->set_key(std::move(entry.key));
    slot_entry->mutable_record()->Swap(&entry.record);
    ReadAs(FloorOf(*instance), slot_entry->mutable_record());
  }
  return Status::Ok();
}

}  // namespace ringkv
