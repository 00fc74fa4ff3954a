// What operators are told, made of the metadata and of what the loops report. Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "ring/ring.h"
#include "ringkv/v1/admin.pb.h"
#include "router/data_plane.h"
#include "router/membership.h"

namespace ringkv {

// One node, as all loops together see it.
struct NodeReport {
  v1::Reach reach = v1::REACH_DOWN;
  std::string why;  // when it is not up
  uint64_t clean_slots = 0;
  uint64_t voting_slots = 0;
  uint64_t behind_keys = 0;
  v1::NodeStats stats;
};
// By Peer.
std::vector<NodeReport> MergeReports(const std::vector<LoopReport>& loops, size_t peers);

v1::SlotHealth SumSlots(const std::vector<LoopReport>& loops);

// The placement as a ring; the members' order is that of their ids. Refused: rows of different
// lengths, as while the number of replicas changes.
Result<Ring> RingOf(const ClusterState& state);

// `ops_per_second` by node id; `closed` is why the router takes no calls, empty if it does.
v1::GetClusterResponse ReportCluster(const ClusterView& view, const std::vector<LoopReport>& loops,
                                     const std::map<std::string, double>& ops_per_second,
                                     const std::string& closed);

v1::GetRingResponse ReportRing(const ClusterView& view, bool table);

v1::LocateResponse ReportLocation(const ClusterView& view, const std::string& key,
                                  const SlotReport& slot);

// Slots that went on with the union of their replicas.
v1::UnionReport UnionsOf(const std::vector<LoopReport>& loops);

// A slot without a quorum.
v1::BlockedSlot DescribeBlockedSlot(const ClusterView& view, const SlotReport& slot);

// Why the router is not ready; empty: it is.
std::vector<std::string> WhyNotReady(const std::string& closed, const v1::SlotHealth& slots);

}  // namespace ringkv
