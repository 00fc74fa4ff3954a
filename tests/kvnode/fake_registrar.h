// The registering transaction as docs/protocol.md says it ("Node: Start"), over plain maps: what
// the routers' metadata store does for a node that starts. Thread-compatible.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ringkv/v1/replica.pb.h"

namespace ringkv {

class FakeRegistrar {
 public:
  struct Node {
    std::string store_uuid;  // empty: never had a disk
    uint64_t boot = 0;       // counted over all disks
    uint64_t nonce = 0;
  };

  bool member = true;
  std::string cluster_uuid = std::string(16, 'c');
  uint32_t slots = 16;
  uint32_t groups = 4;
  std::vector<v1::GroupPromise> promises;
  std::vector<v1::InstanceGrant> instances;
  std::map<std::string, Node> nodes;

  void Grant(uint32_t slot, uint64_t inc) {
    v1::InstanceGrant& grant = instances.emplace_back();
    grant.set_slot(slot);
    grant.set_inc(inc);
  }

  void Own(uint32_t group, uint32_t term, uint64_t owner) {
    v1::GroupPromise& promise = promises.emplace_back();
    promise.set_group(group);
    promise.set_term(term);
    promise.set_owner(owner);
  }

  v1::RegisterReply Register(const v1::RegisterRequest& request) {
    v1::RegisterReply reply;
    reply.set_outcome(Judge(request));
    const Node& node = nodes[request.node()];
    if (reply.outcome() == v1::REGISTER_OUTCOME_CONFIRM) reply.set_boot(node.boot);
    if (reply.outcome() != v1::REGISTER_OUTCOME_REGISTERED) return reply;
    reply.set_cluster_uuid(cluster_uuid);
    reply.set_boot(node.boot);
    reply.set_slots(slots);
    reply.set_groups(groups);
    reply.set_first_disk(node.boot == 1);
    for (const auto& promise : promises) *reply.add_promises() = promise;
    for (const auto& instance : instances) *reply.add_instances() = instance;
    return reply;
  }

 private:
  v1::RegisterOutcome Judge(const v1::RegisterRequest& request) {
    if (!request.cluster_uuid().empty() && request.cluster_uuid() != cluster_uuid) {
      return v1::REGISTER_OUTCOME_WRONG_CLUSTER;
    }
    if (!member) return v1::REGISTER_OUTCOME_NOT_A_MEMBER;
    Node& node = nodes[request.node()];
    if (request.boot() > node.boot) return v1::REGISTER_OUTCOME_METADATA_OLD;
    if (request.store_uuid() != node.store_uuid) {
      if (request.boot() != 0) return v1::REGISTER_OUTCOME_DISK_OLD;
      if (request.after_boot() != node.boot) return v1::REGISTER_OUTCOME_CONFIRM;
    } else if (request.boot() < node.boot) {
      // Asked again: the same answer.
      return request.nonce() == node.nonce ? v1::REGISTER_OUTCOME_REGISTERED
                                           : v1::REGISTER_OUTCOME_DISK_OLD;
    }
    node = {request.store_uuid(), node.boot + 1, request.nonce()};
    return v1::REGISTER_OUTCOME_REGISTERED;
  }
};

}  // namespace ringkv
