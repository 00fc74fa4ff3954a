#include "router/cluster_report.h"

#include <algorithm>

#include "base/config.h"
#include "base/number_ranges.h"
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
  status->set_disk_free_bytes(report.stats.disk_free_bytes());
  status->set_disk_full(report.stats.disk_full());
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

constexpr size_t kMostBlockedShown = 64;

void FillBlocked(const ClusterView& view, const std::vector<LoopReport>& loops,
                 v1::GetClusterResponse* response) {
  std::vector<const SlotReport*> blocked;
  for (const LoopReport& loop : loops) {
    for (const SlotReport& slot : loop.shard.some_blocked) blocked.push_back(&slot);
  }
  std::sort(blocked.begin(), blocked.end(),
            [](const SlotReport* a, const SlotReport* b) { return a->slot < b->slot; });
  if (blocked.size() > kMostBlockedShown) blocked.resize(kMostBlockedShown);
  for (const SlotReport* slot : blocked) {
    *response->add_blocked() = DescribeBlockedSlot(view, *slot);
  }
}

// What a slot waits for, for people.
std::string WaitsFor(const v1::BlockedSlot& slot) {
  std::string absent;
  for (const v1::BlockedReplica& replica : slot.replicas()) {
    if (replica.state() != v1::COPY_STATE_UNREACHABLE) continue;
    absent += (absent.empty() ? "" : ", ") + replica.node();
  }
  switch (slot.by()) {
    case v1::BLOCKED_BY_UNION:
      return "all its replicas are back and are being made equal";
    case v1::BLOCKED_BY_LOSS:
      return "all its replicas are back, and too many may lack anything: go on with kvctl admin "
             "accept-loss";
    default:
      return "waits for " + (absent.empty() ? std::string("its replicas") : absent);
  }
}

void SayBlocked(const v1::GetClusterResponse& cluster, std::vector<std::string>* reasons) {
  std::map<std::string, std::vector<uint32_t>> by_reason;
  for (const v1::BlockedSlot& slot : cluster.blocked()) {
    by_reason[WaitsFor(slot)].push_back(slot.slot());
  }
  for (const auto& [what, slots] : by_reason) {
    reasons->push_back((slots.size() == 1 ? "slot " : "slots ") + NumberRanges(slots) + ": " +
                       what);
  }
  const uint64_t shown = static_cast<uint64_t>(cluster.blocked_size());
  if (cluster.slot_health().blocked() > shown) {
    reasons->push_back("and " + std::to_string(cluster.slot_health().blocked() - shown) +
                       " more slots without a quorum");
  }
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
    std::vector<std::string> which;
    SayBlocked(*response, &which);
    for (std::string& reason : which) say(v1::HEALTH_BLOCKED, std::move(reason));
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
  for (const v1::NodeStatus& node : response->nodes()) {
    if (!node.disk_full()) continue;
    say(v1::HEALTH_DEGRADED, "node " + node.node().id() + " takes no values: its disk is full (" +
                                 std::to_string(node.disk_free_bytes() >> 20) +
                                 " MiB free, less than `disk-reserve`)");
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
  FillBlocked(view, loops, &response);
  *response.mutable_unions() = UnionsOf(loops);
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

v1::UnionReport UnionsOf(const std::vector<LoopReport>& loops) {
  v1::UnionReport unions;
  for (const LoopReport& loop : loops) {
    unions.set_slots(unions.slots() + loop.stats.unions);
    unions.set_accepted_slots(unions.accepted_slots() + loop.stats.unions_accepted);
    unions.set_last_at_ms(std::max(unions.last_at_ms(), loop.stats.last_union_ms));
    unions.set_window_ms(std::max(unions.window_ms(), loop.stats.union_window_ms));
  }
  // As everywhere, 0 says that there is no bound.
  if (unions.window_ms() == UINT64_MAX) unions.set_window_ms(0);
  return unions;
}

v1::BlockedSlot DescribeBlockedSlot(const ClusterView& view, const SlotReport& report) {
  v1::BlockedSlot slot;
  slot.set_slot(report.slot.value());
  slot.set_by(report.blocked == BlockedBy::kUnion  ? v1::BLOCKED_BY_UNION
              : report.blocked == BlockedBy::kLoss ? v1::BLOCKED_BY_LOSS
                                                   : v1::BLOCKED_BY_ABSENCE);
  for (const ReplicaReport& seen : report.replicas) {
    if (seen.learner) continue;
    v1::BlockedReplica* replica = slot.add_replicas();
    if (seen.peer.value() < view.peers.size()) replica->set_node(view.peers[seen.peer.value()]);
    replica->set_inc(seen.inc.value());
    if (!seen.reachable) {
      replica->set_state(v1::COPY_STATE_UNREACHABLE);
    } else if (seen.voting) {
      replica->set_state(v1::COPY_STATE_WHOLE);
    } else if (seen.lost_tail.has_value()) {
      replica->set_state(v1::COPY_STATE_TAIL_LOST);
      *replica->mutable_lost_tail() = *seen.lost_tail;
    } else {
      replica->set_state(v1::COPY_STATE_UNKNOWN);
    }
  }
  return slot;
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
