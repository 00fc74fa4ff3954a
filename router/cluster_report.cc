#include "router/cluster_report.h"

#include <algorithm>

#include "base/config.h"
#include "ring/balance.h"
#include "ring/hash.h"
#include "router/op_status.h"

namespace ringkv {
namespace {

// Measuring the spread takes 4 bytes for each pair of nodes.
constexpr uint32_t kMaxNodesForSpread = 2048;

std::string Count(uint64_t n, std::string_view one, std::string_view many) {
  return std::to_string(n) + " " + std::string(n == 1 ? one : many);
}

// No loop has heard of it: a node that is not a member, or that was added just now.
NodeReport UnknownNode(const v1::NodeRecord& node) {
  NodeReport report;
  report.why = IsMember(node) ? "not connected yet" : "not part of the cluster";
  return report;
}

void FillNode(const v1::NodeRecord& record, const NodeReport& report, double ops_per_second,
              v1::NodeStatus* status) {
  *status->mutable_node() = record;
  status->set_reach(report.reach);
  status->set_why(report.why);
  status->set_clean_slots(report.clean_slots);
  status->set_voting_slots(report.voting_slots);
  status->set_behind_keys(report.behind_keys);
  status->set_bytes(report.stats.bytes_stored());
  status->set_ops_per_second(ops_per_second);
}

void FillShares(const ClusterState& state, v1::GetClusterResponse* response) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> held;  // replicas, primaries
  uint64_t all = 0;
  for (const v1::SlotPlacement& slot : state.slots()) {
    for (const v1::ReplicaRef& replica : slot.replicas()) ++held[replica.node()].first;
    if (slot.replicas_size() > 0) ++held[slot.replicas(0).node()].second;
    all += static_cast<uint64_t>(slot.replicas_size());
  }
  for (v1::NodeStatus& node : *response->mutable_nodes()) {
    const auto& [replicas, primaries] = held[node.node().id()];
    node.set_slots(replicas);
    node.set_primaries(primaries);
    node.set_share(all == 0 ? 0 : static_cast<double>(replicas) / static_cast<double>(all));
  }
}

// All nodes are up and vote, and nothing is on its way to any: what is not complete there has only
// not been proved to be (docs/decisions/0003).
bool NothingIsMissingButTheComparison(const v1::GetClusterResponse& cluster) {
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (!IsMember(node.node())) continue;
    bool all_there = node.reach() == v1::REACH_UP && node.voting_slots() == node.slots() &&
                     node.behind_keys() == 0;
    if (!all_there) return false;
  }
  return true;
}

void FillHealth(const std::string& closed, v1::GetClusterResponse* response) {
  const v1::SlotHealth& slots = response->slot_health();
  v1::Health health = v1::HEALTH_OK;
  auto say = [&](v1::Health at_least, std::string reason) {
    health = std::max(health, at_least);
    response->add_reasons(std::move(reason));
  };
  if (!closed.empty()) say(v1::HEALTH_BLOCKED, closed);
  if (slots.blocked() > 0) {
    say(v1::HEALTH_BLOCKED, "no quorum for " + Count(slots.blocked(), "slot", "slots"));
  }
  if (slots.degraded() > 0 && NothingIsMissingButTheComparison(*response)) {
    say(v1::HEALTH_DEGRADED, "replicas of " + Count(slots.degraded(), "slot", "slots") +
                                 " have not been compared since the router started: nothing is "
                                 "missing, but each read asks a majority of them");
  } else if (slots.degraded() > 0) {
    say(v1::HEALTH_DEGRADED, Count(slots.degraded(), "slot has", "slots have") +
                                 " fewer complete replicas than configured");
  }
  for (const v1::NodeStatus& node : response->nodes()) {
    if (!IsMember(node.node()) || node.reach() == v1::REACH_UP) continue;
    const char* is = node.reach() == v1::REACH_STARTING ? " is not ready: " : " is down: ";
    say(v1::HEALTH_DEGRADED, "node " + node.node().id() + is + node.why());
  }
  response->set_health(health);
}

void FillBalance(const Ring& ring, v1::GetRingResponse* response) {
  const RingBalance balance = MeasureBalance(ring);
  const double all = static_cast<double>(ring.slots()) * ring.replicas();
  for (const NodeLoad& load : balance.nodes) {
    const Member& member = ring.member(load.node);
    v1::RingNode* node = response->add_nodes();
    node->set_id(member.id.value());
    node->set_address(member.address);
    node->set_zone(member.zone);
    node->set_vnodes(member.vnodes);
    node->set_replicas(load.replicas);
    node->set_primaries(load.primaries);
    node->set_share(load.share);
    node->set_fair_share(load.fair_replicas / all);
  }
  response->set_max_over_mean(balance.max_over_mean);
  response->set_stddev(balance.stddev);
  response->set_primaries_max_over_mean(balance.primaries_max_over_mean);
  if (ring.index_limit() > kMaxNodesForSpread) return;
  const RingSpread spread = MeasureSpread(ring);
  response->mutable_spread()->set_max_over_mean(spread.max_over_mean);
  response->mutable_spread()->set_max_pair(spread.max_pair);
  response->mutable_spread()->set_min_pair(spread.min_pair);
}

}  // namespace

std::vector<NodeReport> MergeReports(const std::vector<LoopReport>& loops, size_t peers) {
  std::vector<NodeReport> nodes(peers);
  std::vector<size_t> up(peers, 0);
  std::vector<bool> answers(peers, false);
  for (const LoopReport& loop : loops) {
    for (const PeerReport& peer : loop.shard.peers) {
      if (peer.peer.value() >= peers) continue;
      NodeReport& node = nodes[peer.peer.value()];
      node.clean_slots += peer.clean_slots;
      node.voting_slots += peer.voting_slots;
      node.behind_keys += peer.behind_keys;
      // Every loop asks the node on its own; the latest answer has the highest counts.
      if (peer.stats.applies() + peer.stats.reads() >= node.stats.applies() + node.stats.reads()) {
        node.stats = peer.stats;
      }
      if (peer.connected && !peer.suspected) ++up[peer.peer.value()];
      if (peer.connected && peer.suspected) node.why = "connected, and has stopped answering";
    }
    for (const LinkReport& link : loop.links) {
      if (link.peer.value() >= peers) continue;
      if (link.answers && !link.connected) answers[link.peer.value()] = true;
      if (!link.why.empty()) nodes[link.peer.value()].why = link.why;
    }
  }
  for (size_t i = 0; i < peers; ++i) {
    if (up[i] == loops.size()) {
      nodes[i].reach = v1::REACH_UP;
      nodes[i].why.clear();
    } else if (answers[i]) {
      nodes[i].reach = v1::REACH_STARTING;
    }
  }
  return nodes;
}

v1::SlotHealth SumSlots(const std::vector<LoopReport>& loops) {
  v1::SlotHealth sum;
  for (const LoopReport& loop : loops) {
    sum.set_total(sum.total() + loop.shard.slots);
    sum.set_fully_replicated(sum.fully_replicated() + loop.shard.fully_replicated);
    sum.set_degraded(sum.degraded() + loop.shard.degraded);
    sum.set_blocked(sum.blocked() + loop.shard.blocked);
  }
  return sum;
}

Result<Ring> RingOf(const ClusterState& state) {
  Ring::Parts parts;
  parts.epoch = Epoch(state.placement().epoch());
  parts.slots = state.identity().slots();
  parts.replicas = state.placement().replicas();
  std::map<std::string, NodeIndex> index;
  for (const auto& [id, node] : state.nodes()) {
    if (!IsMember(node)) continue;
    index[id] = NodeIndex(static_cast<uint32_t>(parts.members.size()));
    parts.members.push_back({*NodeId::Parse(id), node.address(), node.zone(), node.vnodes()});
  }
  for (const v1::SlotPlacement& slot : state.slots()) {
    if (static_cast<uint32_t>(slot.replicas_size()) != parts.replicas) {
      return Status::Refused("slot " + std::to_string(slot.slot()) + " has " +
                             std::to_string(slot.replicas_size()) + " replicas, not " +
                             std::to_string(parts.replicas));
    }
    for (const v1::ReplicaRef& replica : slot.replicas()) {
      auto found = index.find(replica.node());
      if (found == index.end()) {
        return Status::Refused("slot " + std::to_string(slot.slot()) + " is on " + replica.node() +
                               ", which is no member");
      }
      parts.rows.push_back(found->second);
    }
  }
  return Ring::Make(std::move(parts));
}

v1::GetClusterResponse ReportCluster(const ClusterView& view, const std::vector<LoopReport>& loops,
                                     const std::map<std::string, double>& ops_per_second,
                                     const std::string& closed) {
  v1::GetClusterResponse response;
  SetDone(response.mutable_status());
  response.set_router(view.router);
  response.set_version(std::string(VersionText()));
  if (view.state != nullptr) {
    const ClusterState& state = *view.state;
    response.set_cluster_uuid(state.identity().uuid());
    response.set_epoch(state.placement().epoch());
    response.set_replicas(state.placement().replicas());
    response.set_slots(state.identity().slots());
    response.set_groups(state.identity().groups());
    const std::vector<NodeReport> reports = MergeReports(loops, view.peers.size());
    for (const auto& [id, record] : state.nodes()) {
      auto peer = std::find(view.peers.begin(), view.peers.end(), id);
      auto rate = ops_per_second.find(id);
      FillNode(record,
               peer == view.peers.end() ? UnknownNode(record)
                                        : reports[static_cast<size_t>(peer - view.peers.begin())],
               rate == ops_per_second.end() ? 0 : rate->second, response.add_nodes());
    }
    FillShares(state, &response);
  }
  *response.mutable_slot_health() = SumSlots(loops);
  FillHealth(closed, &response);
  return response;
}

v1::GetRingResponse ReportRing(const ClusterView& view, bool table) {
  v1::GetRingResponse response;
  if (view.state == nullptr) {
    SetError(response.mutable_status(), v1::ERROR_CODE_UNAVAILABLE, "no cluster is known yet");
    return response;
  }
  const ClusterState& state = *view.state;
  SetDone(response.mutable_status());
  response.set_epoch(state.placement().epoch());
  response.set_slots(state.identity().slots());
  response.set_replicas(state.placement().replicas());
  Result<Ring> ring = RingOf(state);
  if (ring.ok()) {
    FillBalance(*ring, &response);
  } else {
    response.mutable_status()->set_message("no balance: " + ring.status().message());
  }
  if (table) {
    for (const v1::SlotPlacement& slot : state.slots()) *response.add_table() = slot;
  }
  return response;
}

v1::LocateResponse ReportLocation(const ClusterView& view, const std::string& key,
                                  const SlotReport& report) {
  v1::LocateResponse response;
  const ClusterState& state = *view.state;
  const v1::ClusterIdentity& cluster = state.identity();
  const Token token = TokenOf(key);
  const SlotId slot = SlotOf(token, cluster.slots());
  const GroupId group = GroupOf(slot, cluster.slots(), cluster.groups());
  const v1::SlotPlacement& row = state.slots()[slot.value()];
  SetDone(response.mutable_status());
  response.set_token(token.value());
  response.set_slot(slot.value());
  response.set_group(group.value());
  response.set_epoch(row.epoch());
  response.set_term(state.groups()[group.value()].term());
  response.set_owner_router(state.groups()[group.value()].router());
  for (int i = 0; i < row.replicas_size(); ++i) {
    v1::LocatedReplica* replica = response.add_replicas();
    replica->set_node(row.replicas(i).node());
    replica->set_inc(row.replicas(i).inc());
    replica->set_primary(i == 0);
    replica->set_reach(v1::REACH_DOWN);
    if (const v1::NodeRecord* node = state.FindNode(row.replicas(i).node())) {
      replica->set_address(node->address());
      replica->set_zone(node->zone());
    }
    for (const ReplicaReport& seen : report.replicas) {
      if (seen.peer.value() >= view.peers.size() ||
          view.peers[seen.peer.value()] != row.replicas(i).node()) {
        continue;
      }
      replica->set_reach(seen.reachable ? v1::REACH_UP : v1::REACH_DOWN);
      replica->set_clean(seen.clean);
      replica->set_serves(seen.serves);
      replica->set_voting(seen.voting);
    }
  }
  return response;
}

std::vector<std::string> WhyNotReady(const std::string& closed, const v1::SlotHealth& slots) {
  std::vector<std::string> reasons;
  if (!closed.empty()) reasons.push_back(closed);
  if (slots.blocked() > 0) {
    reasons.push_back("no quorum for " + Count(slots.blocked(), "slot", "slots") + " of " +
                      std::to_string(slots.total()));
  }
  return reasons;
}

}  // namespace ringkv
