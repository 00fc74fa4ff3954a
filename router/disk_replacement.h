// May a node whose disk is damaged start over with an empty one (docs/protocol.md, "Damaged
// disks")? It is the loss of one replica of each of its slots, which the protocol survives; so it
// may where that leaves a quorum that is complete, and where no other node is just doing the same.
//
// Thread-safe. Borrows `data`.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ringkv/v1/disk_replacement.pb.h"
#include "router/data_plane.h"
#include "router/membership.h"

namespace ringkv {

// Whether the other replicas of all its slots can do without it.
v1::MayReplaceDiskReply JudgeReplacement(const ClusterView& view,
                                         const std::vector<LoopReport>& loops,
                                         const v1::MayReplaceDiskRequest& request);

class DiskReplacement {
 public:
  // For so long after one was let go no other is: by then it has gone, or its leave has run out
  // (half of this), and what it lacks is seen.
  static constexpr Duration kBetweenNodes = std::chrono::seconds(60);

  DiskReplacement(const Clock& clock, DataPlane& data,
                  std::function<std::shared_ptr<const ClusterView>()> view)
      : clock_(clock), data_(data), view_(std::move(view)) {}

  // `done` may run on any thread, and does not run if this router stops meanwhile.
  void Answer(const v1::MayReplaceDiskRequest& request,
              std::function<void(v1::MayReplaceDiskReply)> done);

 private:
  v1::MayReplaceDiskReply Decide(const v1::MayReplaceDiskRequest& request,
                                 const std::vector<LoopReport>& loops);

  const Clock& clock_;
  DataPlane& data_;
  const std::function<std::shared_ptr<const ClusterView>()> view_;

  std::mutex mutex_;
  std::string let_go_;  // guarded by mutex_; the last node that was, empty: none yet
  MonoTime when_;       // guarded by mutex_
};

}  // namespace ringkv
