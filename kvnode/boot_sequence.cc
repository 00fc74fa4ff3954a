#include "kvnode/boot_sequence.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <map>

#include "base/hex.h"
#include "base/limits.h"
#include "kvnode/instance_facts.h"
#include "kvnode/replica.h"

namespace ringkv {
namespace {

constexpr uint32_t kFormatVersion = 1;
constexpr size_t kUuidBytes = 16;
constexpr std::string_view kIdentityName = "node/identity";
constexpr std::string_view kBootName = "node/boot";
constexpr std::string_view kIntentName = "node/intent";
constexpr std::string_view kRunningName = "node/running";

// False: there is no such fact.
template <class Message>
Result<bool> ReadFact(Store& store, std::string_view name, Message* out) {
  auto bytes = store.GetMeta(name);
  if (bytes.status().code() == StatusCode::kNotFound) return false;
  if (!bytes.ok()) return bytes.status().Annotate("reading " + std::string(name));
  if (!out->ParseFromString(*bytes)) {
    return Status::Corruption("the stored fact '" + std::string(name) + "' cannot be read");
  }
  return true;
}

void PutFact(std::string_view name, const google::protobuf::MessageLite& fact, StoreBatch* batch) {
  batch->PutMeta(std::string(name), fact.SerializeAsString());
}

std::string WithDetail(std::string text, const std::string& detail) {
  return detail.empty() ? text : text + " (" + detail + ")";
}

}  // namespace

BootSequence::BootSequence(Store& store, Random& random, BootOptions options)
    : store_(store), random_(random), options_(std::move(options)) {
  RINGKV_CHECK(options_.fresh_store_uuid.size() == kUuidBytes, "a store uuid has 16 bytes");
}

Result<BootStep> BootSequence::Begin() {
  // A process before this one may have ended with an error of the disk, on something that it had
  // written and could not sync: what is read from here on is rested upon.
  RINGKV_RETURN_IF_ERROR(store_.Sync().Annotate("syncing what the disk has"));
  RINGKV_RETURN_IF_ERROR(ReadDisk());
  if (!finishing_) RINGKV_RETURN_IF_ERROR(MakeIntent());
  BootStep step;
  step.request = Request();
  return step;
}

Status BootSequence::ReadDisk() {
  auto known = ReadFact(store_, kIdentityName, &identity_);
  if (!known.ok()) return known.status();
  if (!*known) return MakeIdentity();
  if (identity_.format_version() > kFormatVersion) {
    return Status::Refused("the data directory has format " +
                           std::to_string(identity_.format_version()) +
                           ", which a newer kvnode wrote: start that one, or one later");
  }
  if (identity_.store_uuid().size() != kUuidBytes) {
    return Status::Corruption("the stored identity has no store uuid");
  }
  if (identity_.node() != options_.node.value()) {
    return Status::Refused("the data directory belongs to node '" + identity_.node() +
                           "', and this one is configured as '" + options_.node.value() +
                           "': set `id` to '" + identity_.node() + "' or use another `data-dir`");
  }
  return ReadFacts();
}

Status BootSequence::ReadFacts() {
  v1::DiskBoot boot;
  auto has_boot = ReadFact(store_, kBootName, &boot);
  if (!has_boot.ok()) return has_boot.status();
  boot_ = boot.boot();
  auto has_intent = ReadFact(store_, kIntentName, &intent_);
  if (!has_intent.ok()) return has_intent.status();
  finishing_ = *has_intent;
  if (finishing_ && (intent_.boot() != boot_ + 1 || intent_.nonce() == 0)) {
    return Status::Corruption("the stored intent is for boot " + std::to_string(intent_.boot()) +
                              " and the last boot was " + std::to_string(boot_));
  }
  return JudgeLastRun();
}

Status BootSequence::MakeIdentity() {
  for (std::string_view prefix : {"node/", "promise/", "instance/"}) {
    auto others = store_.ListMeta(prefix);
    if (!others.ok()) return others.status();
    if (!others->empty()) {
      return Status::Corruption("the store holds '" + others->front().first +
                                "' and no identity: it is not whole");
    }
  }
  identity_.set_format_version(kFormatVersion);
  identity_.set_node(options_.node.value());
  identity_.set_store_uuid(options_.fresh_store_uuid);
  StoreBatch batch;
  PutFact(kIdentityName, identity_, &batch);
  return store_.Write(batch, /*sync=*/true).Annotate("writing the disk's identity");
}

// `running` stays as it is until the write that precedes serving: a start that gets no further than
// here is judged again, by the same run, at the next. A damaged log shows only once, so that its
// consequence is made durable at once.
Status BootSequence::JudgeLastRun() {
  v1::DiskRunning last;
  auto served = ReadFact(store_, kRunningName, &last);
  if (!served.ok()) return served.status();
  bool os_lived =
      !options_.kernel_boot_id.empty() && last.kernel_boot_id() == options_.kernel_boot_id;
  bool kept = !*served || last.stopped_clean() || last.synced_writes() || os_lived;
  if (kept && !options_.store_lost_tail) return Status::Ok();

  auto on_disk = ReadInstanceFacts(store_);
  if (!on_disk.ok()) return on_disk.status();
  StoreBatch batch;
  for (InstanceFact& instance : *on_disk) {
    // A damaged log may have taken what was synced, too: nothing is known to be everywhere.
    const bool damaged = options_.store_lost_tail;
    const bool says_more = instance.fact.has_stable() || instance.fact.has_lost_tail();
    if (instance.fact.retired() || (!instance.fact.voting() && !(damaged && says_more))) continue;
    if (damaged) {
      instance.fact.clear_stable();
      instance.fact.clear_lost_tail();
    } else {
      instance.fact.mutable_lost_tail()->set_window_ms(last.window_ms());
    }
    instance.fact.set_voting(false);
    PutFact(InstanceMetaName(instance.name.slot, instance.name.inc), instance.fact, &batch);
  }
  if (batch.empty()) return Status::Ok();
  registered_.lost_writes = true;
  return store_.Write(batch, /*sync=*/true).Annotate("taking the vote of instances");
}

Status BootSequence::MakeIntent() {
  v1::DiskIntent intent;
  intent.set_boot(boot_ + 1);
  do intent.set_nonce(random_.Next());
  while (intent.nonce() == 0);
  StoreBatch batch;
  PutFact(kIntentName, intent, &batch);
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true).Annotate("writing the boot's intent"));
  intent_ = intent;
  return Status::Ok();
}

v1::RegisterRequest BootSequence::Request() const {
  v1::RegisterRequest request;
  request.set_format_version(1);
  request.set_cluster_uuid(identity_.cluster_uuid());
  request.set_node(identity_.node());
  request.set_address(options_.address);
  request.set_http_address(options_.http_address);
  request.set_zone(options_.zone);
  request.set_store_uuid(identity_.store_uuid());
  request.set_boot(boot_);
  request.set_nonce(intent_.nonce());
  request.set_version(options_.version);
  request.set_vnodes(options_.vnodes);
  request.set_after_boot(after_boot_);
  return request;
}

BootStep BootSequence::AskAgain(BootStep::Kind kind, std::string reason) const {
  return {kind, Request(), std::move(reason)};
}

Result<BootStep> BootSequence::OnReply(const v1::RegisterReply& reply) {
  using Kind = BootStep::Kind;
  const std::string& node = identity_.node();
  switch (reply.outcome()) {
    case v1::REGISTER_OUTCOME_REGISTERED:
      return OnRegistered(reply);
    case v1::REGISTER_OUTCOME_CONFIRM:
      return OnConfirm(reply);
    case v1::REGISTER_OUTCOME_NOT_A_MEMBER:
      return AskAgain(Kind::kAskLater, reply.message().empty() ? "waits for kvctl admin add-node " +
                                                                     node + " " + options_.address
                                                               : reply.message());
    case v1::REGISTER_OUTCOME_WRONG_CLUSTER:
      return AskAgain(Kind::kRefused,
                      WithDetail("this disk belongs to cluster " + Hex(identity_.cluster_uuid()) +
                                     " and the router to another: set `routers` to those of its "
                                     "cluster, or use another `data-dir`",
                                 reply.message()));
    case v1::REGISTER_OUTCOME_METADATA_OLD:
      return AskAgain(
          Kind::kRefused,
          WithDetail("the cluster's metadata is older than this disk, which is at boot " +
                         std::to_string(boot_) +
                         ": it was restored from a copy; make sure that no other process runs as " +
                         node + ", then confirm this node to the routers",
                     reply.message()));
    case v1::REGISTER_OUTCOME_DISK_OLD: {
      std::string reason = WithDetail(
          "the disk is older than the cluster's metadata, or a copy of "
          "another node's: it is at boot " +
              std::to_string(boot_),
          reply.message());
      // Nothing to move aside: a fresh disk cannot be old, so doing it again would help nobody.
      bool empty = boot_ == 0 && identity_.cluster_uuid().empty();
      return AskAgain(empty ? Kind::kRefused : Kind::kMoveAside, std::move(reason));
    }
    case v1::REGISTER_OUTCOME_ADDRESS_IN_USE:
      return AskAgain(Kind::kAskLater,
                      WithDetail("another node has registered the address " + options_.address +
                                     ": give this one another `listen`, or `advertise`",
                                 reply.message()));
    case v1::REGISTER_OUTCOME_ID_IN_USE:
      return AskAgain(Kind::kAskLater,
                      WithDetail("another process runs as " + node +
                                     ": stop that one, or give this one another `id` (and a "
                                     "`data-dir` of its own)",
                                 reply.message()));
    case v1::REGISTER_OUTCOME_TRY_AGAIN:
      return AskAgain(Kind::kAskLater,
                      WithDetail("the router's metadata store does not answer", reply.message()));
    default:
      return AskAgain(Kind::kAskLater,
                      WithDetail("the router gives an answer that this version does not know",
                                 reply.message()));
  }
}

// The last boot under this id is learnt, and named with the next request. Not durable: a start that
// is cut short begins with the question again.
BootStep BootSequence::OnConfirm(const v1::RegisterReply& reply) {
  using Kind = BootStep::Kind;
  if (boot_ != 0 || reply.boot() == 0) {
    return AskAgain(Kind::kRefused,
                    "the router's answer makes no sense: it takes this disk for a new one");
  }
  const bool again = after_boot_ != 0;
  after_boot_ = reply.boot();
  if (!again) return AskAgain(Kind::kAsk, "");
  return AskAgain(Kind::kAskLater, "another disk has registered as " + identity_.node() +
                                       " meanwhile, with boot " + std::to_string(reply.boot()) +
                                       ": make sure that only one process runs as it");
}

Status BootSequence::CheckRegistered(const v1::RegisterReply& reply) const {
  // Boots are counted by node id: a new disk goes on where the one before it ended.
  const bool fits = boot_ == 0 ? reply.boot() >= intent_.boot() : reply.boot() == intent_.boot();
  if (!fits) {
    return Status::InvalidArgument("it made boot " + std::to_string(reply.boot()) + ", not " +
                                   std::to_string(intent_.boot()));
  }
  if (reply.cluster_uuid().size() != kUuidBytes) {
    return Status::InvalidArgument("it has no cluster uuid");
  }
  if (!std::has_single_bit(reply.slots()) || reply.slots() < kMinSlots ||
      reply.slots() > kMaxSlots || !std::has_single_bit(reply.groups()) ||
      reply.groups() > reply.slots()) {
    return Status::InvalidArgument("it has " + std::to_string(reply.slots()) + " slots and " +
                                   std::to_string(reply.groups()) + " groups");
  }
  if (!identity_.cluster_uuid().empty() &&
      (reply.cluster_uuid() != identity_.cluster_uuid() || reply.slots() != identity_.slots() ||
       reply.groups() != identity_.groups())) {
    return Status::InvalidArgument("it is of another cluster than this disk");
  }
  for (const v1::GroupPromise& promise : reply.promises()) {
    if (promise.group() >= reply.groups()) return Status::InvalidArgument("it has a false group");
  }
  for (const v1::InstanceGrant& grant : reply.instances()) {
    if (grant.slot() >= reply.slots() || grant.inc() == 0) {
      return Status::InvalidArgument("it has a false instance");
    }
  }
  return Status::Ok();
}

Result<BootStep> BootSequence::OnRegistered(const v1::RegisterReply& reply) {
  if (Status valid = CheckRegistered(reply); !valid.ok()) {
    return AskAgain(BootStep::Kind::kRefused,
                    "the router's answer makes no sense: " + valid.message());
  }
  const bool last = !finishing_;
  StoreBatch batch;
  v1::DiskBoot boot;
  boot.set_boot(reply.boot());
  PutFact(kBootName, boot, &batch);
  batch.EraseMeta(std::string(kIntentName));
  identity_.set_cluster_uuid(reply.cluster_uuid());
  identity_.set_slots(reply.slots());
  identity_.set_groups(reply.groups());
  PutFact(kIdentityName, identity_, &batch);
  RINGKV_RETURN_IF_ERROR(AdoptPromises(reply, &batch));
  RINGKV_RETURN_IF_ERROR(AdoptInstances(reply, &batch));
  if (last) {
    v1::DiskRunning running;
    running.set_kernel_boot_id(options_.kernel_boot_id);
    running.set_synced_writes(options_.synced_writes);
    running.set_window_ms(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.sync_window).count()));
    PutFact(kRunningName, running, &batch);
  }
  RINGKV_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true).Annotate("writing the boot"));
  boot_ = reply.boot();
  intent_.Clear();
  finishing_ = false;
  BootStep step;
  if (!last) {
    RINGKV_RETURN_IF_ERROR(MakeIntent());
    step.request = Request();
    return step;
  }
  registered_.boot = Boot(boot_);
  registered_.store_uuid = identity_.store_uuid();
  registered_.cluster_uuid = identity_.cluster_uuid();
  registered_.slots = identity_.slots();
  registered_.groups = identity_.groups();
  step.kind = BootStep::Kind::kServe;
  return step;
}

// The metadata's owner of a group has asked for this promise or is about to. A disk without a
// history must take it, for it might have promised anything before it was lost; to any other it
// does no harm.
Status BootSequence::AdoptPromises(const v1::RegisterReply& reply, StoreBatch* batch) const {
  for (const v1::GroupPromise& promise : reply.promises()) {
    std::string name = PromiseMetaName(GroupId(promise.group()));
    v1::DiskPromise fact;
    auto known = ReadFact(store_, name, &fact);
    if (!known.ok()) return known.status();
    if (promise.term() <= fact.term()) continue;
    fact.set_term(promise.term());
    fact.set_owner(promise.owner());
    PutFact(name, fact, batch);
  }
  return Status::Ok();
}

// Instances that the metadata names and the disk does not have are made, empty. They vote only on
// the very first disk of a node: nobody has written to them yet.
Status BootSequence::AdoptInstances(const v1::RegisterReply& reply, StoreBatch* batch) {
  auto on_disk = ReadInstanceFacts(store_);
  if (!on_disk.ok()) return on_disk.status();
  registered_.instances = 0;
  registered_.non_voting = 0;
  std::map<SlotId, Incarnation> newest;  // on the disk, retired ones too
  for (const InstanceFact& instance : *on_disk) {
    Incarnation& last = newest[instance.name.slot];
    last = std::max(last, instance.name.inc);
    if (instance.fact.retired()) continue;
    ++registered_.instances;
    if (!instance.fact.voting()) ++registered_.non_voting;
  }
  for (const v1::InstanceGrant& grant : reply.instances()) {
    Incarnation& known = newest[SlotId(grant.slot())];
    if (known >= Incarnation(grant.inc())) continue;
    known = Incarnation(grant.inc());
    v1::DiskInstance fact;
    fact.set_voting(reply.first_disk() && boot_ == 0 && !grant.learner());
    PutFact(InstanceMetaName(SlotId(grant.slot()), known), fact, batch);
    ++registered_.instances;
    if (!fact.voting()) ++registered_.non_voting;
  }
  return Status::Ok();
}

Status MarkStoppedClean(Store& store) {
  v1::DiskRunning running;
  auto served = ReadFact(store, kRunningName, &running);
  if (!served.ok()) return served.status();
  if (!*served) return Status::Ok();  // never served: nothing to vouch for
  running.set_stopped_clean(true);
  StoreBatch batch;
  PutFact(kRunningName, running, &batch);
  return store.Write(batch, /*sync=*/true).Annotate("writing the clean stop");
}

}  // namespace ringkv
