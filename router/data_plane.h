// What the control loop tells the shards and asks of them. ShardLoops is the real one; tests of
// membership bring their own.
//
// Called on the control loop. `done` of Gather runs on any thread.
#pragma once

#include <functional>
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
  virtual void TakeGroups(std::vector<GroupGrant> grants) = 0;
  virtual void SetLeaseUntil(MonoTime until) = 0;

  // From any thread. `done` does not run if a loop has stopped.
  virtual void Gather(std::function<void(std::vector<LoopReport>)> done) = 0;
  virtual void Describe(SlotId slot, GroupId group, std::function<void(SlotReport)> done) = 0;
  virtual void LookAt(GroupId group, LookCall call) = 0;
};

}  // namespace ringkv
