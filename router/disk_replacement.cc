#include "router/disk_replacement.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace ringkv {
namespace {

v1::MayReplaceDiskReply NotNow(std::string reason) {
  v1::MayReplaceDiskReply reply;
  reply.set_reason(std::move(reason));
  return reply;
}

}  // namespace

v1::MayReplaceDiskReply JudgeReplacement(const ClusterView& view,
                                         const std::vector<LoopReport>& loops,
                                         const v1::MayReplaceDiskRequest& request) {
  if (view.state == nullptr) return NotNow("this router knows of no cluster yet");
  const v1::NodeRecord* node = view.state->FindNode(request.node());
  if (node == nullptr || !IsMember(*node)) {
    return NotNow("node `" + request.node() + "` is not part of the cluster");
  }
  if (node->store_uuid() != request.store_uuid()) {
    return NotNow("this disk is not the one that node `" + request.node() + "` has registered");
  }
  const auto peer = std::find(view.peers.begin(), view.peers.end(), request.node());
  if (peer == view.peers.end()) return NotNow("this router does not talk to the nodes yet");
  const auto index = static_cast<size_t>(peer - view.peers.begin());
  uint64_t owned = 0, needed = 0;
  for (const LoopReport& loop : loops) {
    owned += loop.shard.slots;
    for (const PeerReport& report : loop.shard.peers) {
      if (report.peer.value() == index) needed += report.needed_slots;
    }
  }
  if (owned != view.state->identity().slots()) {
    return NotNow("this router does not own all slots just now");
  }
  if (needed > 0) {
    return NotNow("the other replicas of " + std::to_string(needed) +
                  " of its slots are not all there and complete, or these slots are on the move");
  }
  v1::MayReplaceDiskReply reply;
  reply.set_granted(true);
  return reply;
}

v1::MayReplaceDiskReply DiskReplacement::Decide(const v1::MayReplaceDiskRequest& request,
                                                const std::vector<LoopReport>& loops) {
  v1::MayReplaceDiskReply reply = JudgeReplacement(*view_(), loops, request);
  if (!reply.granted()) return reply;
  std::lock_guard lock(mutex_);
  const MonoTime now = clock_.Now();
  if (!let_go_.empty() && let_go_ != request.node() && now - when_ < kBetweenNodes) {
    return NotNow("node `" + let_go_ + "` replaces its disk just now");
  }
  let_go_ = request.node();
  when_ = now;
  RINGKV_LOG(kWarning, "router", "node {} may start over with an empty disk: {}", request.node(),
             request.damage());
  return reply;
}

void DiskReplacement::Answer(const v1::MayReplaceDiskRequest& request,
                             std::function<void(v1::MayReplaceDiskReply)> done) {
  data_.Gather([this, request, done = std::move(done)](const std::vector<LoopReport>& loops) {
    done(Decide(request, loops));
  });
}

}  // namespace ringkv
