// What the control loop tells the shards and asks of them. ShardLoops is the real one; tests of
// membership bring their own.
//
// Called on the control loop. `done` of Gather runs on any thread.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "router/node_links.h"
#include "router/shard.h"

namespace ringkv {

// How one event loop's shard and links stand.
struct LoopReport {
  ShardReport shard;
  ShardStats stats;
  std::vector<LinkReport> links;
  LinkCounts counts;
  uint64_t pending_tasks = 0;
};

class DataPlane {
 public:
  virtual ~DataPlane() = default;

  // Adds a node, or changes how it is reached. Before any group that names it.
  virtual void SetPeer(const PeerAddress& peer) = 0;
  // The node is no member any more: its link ends. It may come back by SetPeer.
  virtual void DropPeer(Peer peer, const NodeId& node) = 0;
  virtual void TakeGroups(std::vector<GroupGrant> grants) = 0;
  // Rows of groups that were taken, as committed transactions have made them. After the peers that
  // they name.
  virtual void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>> rows) = 0;
  // R10: single-replica reads end then. Said again with every renewal.
  virtual void SetLeaseUntil(MonoTime until) = 0;
  // R1: no owner before this router can read any more.
  virtual void PredecessorsGone() = 0;
  // Who is asked for fresh terms (R11); called on any loop. Before any group.
  virtual void OnNeedTerm(std::function<void(TermRequest)> ask) = 0;

  // From any thread. `done` does not run if a loop has stopped.
  virtual void Gather(std::function<void(std::vector<LoopReport>)> done) = 0;
  virtual void Describe(SlotId slot, GroupId group, std::function<void(SlotReport)> done) = 0;
  // All slots without a quorum, by number.
  virtual void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) = 0;
  virtual void LookAt(GroupId group, LookCall call) = 0;
};

}  // namespace ringkv
