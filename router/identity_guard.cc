#include "router/identity_guard.h"

#include <algorithm>

namespace ringkv {

bool MayBeASecondProcess(const ClusterView& view, const v1::RegisterRequest& request) {
  if (view.state == nullptr) return false;
  // A disk of another cluster is told so.
  if (!request.cluster_uuid().empty() && request.cluster_uuid() != view.state->identity().uuid()) {
    return false;
  }
  const v1::NodeRecord* node = view.state->FindNode(request.node());
  return node != nullptr && IsMember(*node) && !node->store_uuid().empty() &&
         node->address() != request.address();
}

std::optional<v1::RegisterReply> JudgeSecondProcess(const ClusterView& view,
                                                    const std::vector<LoopReport>& loops,
                                                    const v1::RegisterRequest& request) {
  if (!MayBeASecondProcess(view, request)) return std::nullopt;
  const auto peer = std::find(view.peers.begin(), view.peers.end(), request.node());
  const auto index = static_cast<size_t>(peer - view.peers.begin());
  const bool answers = std::any_of(loops.begin(), loops.end(), [index](const LoopReport& loop) {
    return std::any_of(
        loop.shard.peers.begin(), loop.shard.peers.end(), [index](const PeerReport& report) {
          return report.peer.value() == index && report.connected && !report.suspected;
        });
  });
  if (!answers) return std::nullopt;
  v1::RegisterReply reply;
  reply.set_outcome(v1::REGISTER_OUTCOME_ID_IN_USE);
  reply.set_message("node " + request.node() + " runs at " +
                    view.state->FindNode(request.node())->address() + " and answers");
  return reply;
}

}  // namespace ringkv
