#include "router/node_registration.h"

#include <utility>

#include "base/config_values.h"
#include "base/limits.h"
#include "base/rule.h"

namespace ringkv {
namespace {

constexpr uint32_t kRegisterFormatVersion = 1;
constexpr uint32_t kDefaultVnodes = 128;

class Planner {
 public:
  Planner(const ClusterState& state, const v1::RegisterRequest& request)
      : state_(state), request_(request), record_(state.FindNode(request.node())) {}

  Registration Plan() {
    if (!request_.cluster_uuid().empty() && request_.cluster_uuid() != state_.identity().uuid()) {
      return Answer(v1::REGISTER_OUTCOME_WRONG_CLUSTER, "this disk belongs to another cluster");
    }
    if (record_ == nullptr) return Stranger();
    if (record_->state() == v1::NODE_STATE_WAITING) return Wait(*record_);
    if (record_->state() == v1::NODE_STATE_REMOVED) return Removed();
    return Member();
  }

 private:
  Registration Stranger() {
    if (request_.boot() != 0) {
      return MetadataOld("the disk has " + Boots(request_.boot()) +
                         " and the metadata has never heard of this node");
    }
    v1::NodeRecord record;
    record.set_id(request_.node());
    record.set_vnodes(kDefaultVnodes);
    return Wait(record);
  }

  Registration Removed() {
    if (request_.store_uuid() == record_->store_uuid()) {
      return Answer(v1::REGISTER_OUTCOME_NOT_A_MEMBER,
                    "this node was removed from the cluster; empty its data directory to let it "
                    "join again");
    }
    if (request_.boot() != 0) return DiskOld("the disk is an old one of a node that was removed");
    return Wait(*record_);
  }

  // Not part of the cluster: remembered, so that an operator sees it. The record's store and boot
  // stay what they were: a disk counts from its first registration as a member on. The weight it
  // asks for is what it gets when an operator lets it in and says nothing else.
  Registration Wait(v1::NodeRecord record) {
    record.set_state(v1::NODE_STATE_WAITING);
    if (request_.vnodes() != 0) record.set_vnodes(request_.vnodes());
    Registration answer =
        Answer(v1::REGISTER_OUTCOME_NOT_A_MEMBER,
               "waits for: kvctl admin add-node " + request_.node() + " " + request_.address());
    Keep(std::move(record), &answer);
    return answer;
  }

  Registration Member() {
    for (const auto& [id, other] : state_.nodes()) {
      if (id != request_.node() && IsMember(other) && other.address() == request_.address()) {
        return Answer(v1::REGISTER_OUTCOME_ADDRESS_IN_USE,
                      "node " + id + " has registered " + request_.address());
      }
    }
    if (record_->store_uuid().empty()) {
      if (request_.boot() == 0) return Boot(record_->boot() + 1);
      return MetadataOld("the disk has " + Boots(request_.boot()) +
                         " and the metadata knows of none");
    }
    if (request_.boot() > record_->boot()) {
      return MetadataOld("the disk has " + Boots(request_.boot()) + ", the metadata " +
                         Boots(record_->boot()));
    }
    const bool same_store = request_.store_uuid() == record_->store_uuid();
    if (!same_store) {
      if (request_.boot() == 0) return Replacement();
      return DiskOld("the disk is not the last one that this node had");
    }
    if (request_.boot() == record_->boot()) return Boot(record_->boot() + 1);
    if (request_.nonce() == record_->nonce()) return Boot(record_->boot());
    return DiskOld("the disk has " + Boots(request_.boot()) + ", the metadata " +
                   Boots(record_->boot()) + ": an old or copied disk");
  }

  // Only as the successor of the disk that the metadata names now: a late request of one that was
  // replaced in its turn names an earlier boot, or none.
  Registration Replacement() {
    if (request_.after_boot() == record_->boot() || !RINGKV_RULE(kNewDiskNamesTheLastBoot)) {
      return Boot(record_->boot() + 1);
    }
    Registration answer =
        Answer(v1::REGISTER_OUTCOME_CONFIRM,
               "a new disk: the last boot of this node was " + std::to_string(record_->boot()));
    answer.reply.set_boot(record_->boot());
    return answer;
  }

  Registration Boot(uint64_t boot) {
    v1::NodeRecord record = *record_;
    record.set_store_uuid(request_.store_uuid());
    record.set_boot(boot);
    record.set_nonce(request_.nonce());

    Registration answer = Answer(v1::REGISTER_OUTCOME_REGISTERED, "");
    answer.reply.set_boot(boot);
    answer.reply.set_first_disk(boot == 1);
    Keep(std::move(record), &answer);
    state_.Expect(kPlacementName, &*answer.txn);
    for (const v1::GroupOwnership& group : state_.groups()) {
      state_.Expect(GroupName(GroupId(group.group())), &*answer.txn);
      if (group.term() == 0) continue;
      v1::GroupPromise* promise = answer.reply.add_promises();
      promise->set_group(group.group());
      promise->set_term(group.term());
      promise->set_owner(group.owner());
    }
    for (const v1::SlotPlacement& slot : state_.slots()) AddGrants(slot, &answer.reply);
    return answer;
  }

  void AddGrants(const v1::SlotPlacement& slot, v1::RegisterReply* reply) const {
    auto grant = [&](const v1::ReplicaRef& replica, bool learner) {
      if (replica.node() != request_.node()) return;
      v1::InstanceGrant* instance = reply->add_instances();
      instance->set_slot(slot.slot());
      instance->set_inc(replica.inc());
      instance->set_learner(learner);
    };
    for (const v1::ReplicaRef& replica : slot.replicas()) grant(replica, /*learner=*/false);
    if (slot.has_learner()) grant(slot.learner(), /*learner=*/true);
  }

  // What a node says of itself is taken over with every registration; vnodes and, once an operator
  // has set one, the zone are the cluster's.
  void Keep(v1::NodeRecord record, Registration* answer) const {
    record.set_address(request_.address());
    record.set_http_address(request_.http_address());
    record.set_version(request_.version());
    if (record.zone().empty()) record.set_zone(request_.zone());
    MetadataTxn txn;
    const std::string name = NodeName(request_.node());
    state_.Expect(name, &txn);
    std::string bytes = record.SerializeAsString();
    if (record_ == nullptr || bytes != record_->SerializeAsString()) {
      txn.puts.emplace_back(name, std::move(bytes));
    }
    answer->txn = std::move(txn);
  }

  Registration MetadataOld(std::string what) const {
    return Answer(v1::REGISTER_OUTCOME_METADATA_OLD,
                  what + ": it is the metadata that is old; restore a newer one");
  }
  Registration DiskOld(std::string what) const {
    return Answer(v1::REGISTER_OUTCOME_DISK_OLD, std::move(what));
  }

  Registration Answer(v1::RegisterOutcome outcome, std::string message) const {
    Registration answer;
    answer.reply.set_outcome(outcome);
    answer.reply.set_message(std::move(message));
    answer.reply.set_cluster_uuid(state_.identity().uuid());
    answer.reply.set_slots(state_.identity().slots());
    answer.reply.set_groups(state_.identity().groups());
    return answer;
  }

  static std::string Boots(uint64_t boots) { return std::to_string(boots) + " boots"; }

  const ClusterState& state_;
  const v1::RegisterRequest& request_;
  const v1::NodeRecord* const record_;  // null: not known
};

}  // namespace

Status CheckRegistration(const v1::RegisterRequest& request) {
  if (request.format_version() != kRegisterFormatVersion) {
    return Status::InvalidArgument("format version " + std::to_string(request.format_version()) +
                                   " of the registration is not known here");
  }
  RINGKV_RETURN_IF_ERROR(NodeId::Parse(request.node()).status().Annotate("node id"));
  RINGKV_RETURN_IF_ERROR(CheckAddress(request.address()).Annotate("address"));
  if (!request.http_address().empty()) {
    RINGKV_RETURN_IF_ERROR(CheckAddress(request.http_address()).Annotate("HTTP address"));
  }
  if (!request.zone().empty()) RINGKV_RETURN_IF_ERROR(CheckZone(request.zone()));
  if (request.store_uuid().size() != kUuidBytes) {
    return Status::InvalidArgument("the store uuid must have 16 bytes");
  }
  if (!request.cluster_uuid().empty() && request.cluster_uuid().size() != kUuidBytes) {
    return Status::InvalidArgument("the cluster uuid must have 16 bytes, or none");
  }
  if (request.vnodes() > kMaxVnodes) {
    return Status::InvalidArgument(std::to_string(request.vnodes()) + " vnodes are too many");
  }
  if (request.nonce() == 0) return Status::InvalidArgument("a registration needs a nonce");
  return Status::Ok();
}

Result<Registration> PlanRegistration(const ClusterState& state,
                                      const v1::RegisterRequest& request) {
  RINGKV_RETURN_IF_ERROR(CheckRegistration(request));
  return Planner(state, request).Plan();
}

}  // namespace ringkv
