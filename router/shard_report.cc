// Shard: how it stands, for people and for decisions about whole nodes.
#include <algorithm>
#include <utility>

#include "router/sequencer.h"
#include "router/shard.h"

namespace ringkv {
namespace {

// Whether the slot can do without the copy on that node.
bool IsNeeded(const SlotReport& slot, Peer peer) {
  size_t replicas = 0, others = 0;
  bool is_one = false, is_filled = false;
  for (const ReplicaReport& replica : slot.replicas) {
    if (replica.learner) {
      if (replica.peer != peer) return true;  // a change is under way
      is_filled = true;
      continue;
    }
    is_one = is_one || replica.peer == peer;
    ++replicas;
    if (replica.peer != peer && replica.reachable && replica.clean && replica.voting) ++others;
  }
  // It counts in no quorum yet. Where its disk has failed, it never will, and the change waits for
  // a disk that works: to wait for the change would be to wait for ever.
  if (is_filled) return slot.joint || others < replicas;
  if (!is_one) return false;
  return slot.blocked != BlockedBy::kNothing || others + 1 < replicas || others <= replicas / 2;
}

}  // namespace

SlotReport Shard::Describe(SlotId slot) const {
  auto found = sequencers_.find(slot);
  if (found != sequencers_.end()) return found->second->Report();
  SlotReport none;
  none.slot = slot;
  return none;
}

std::vector<SlotReport> Shard::DescribeBlocked() const {
  std::vector<SlotReport> blocked;
  for (const auto& [id, group] : groups_) {
    const std::optional<SlotId> filling = FilledWithoutAQuorum(group);
    for (SlotId slot : group.slots) {
      const Sequencer& sequencer = *sequencers_.at(slot);
      if (sequencer.QuorumReachable()) continue;
      blocked.push_back(sequencer.Report());
      blocked.back().filling = filling;
    }
  }
  std::sort(blocked.begin(), blocked.end(),
            [](const SlotReport& a, const SlotReport& b) { return a.slot < b.slot; });
  return blocked;
}

KeyReport Shard::Describe(SlotId slot, const std::string& key) const {
  auto found = sequencers_.find(slot);
  return found == sequencers_.end() ? KeyReport() : found->second->Report(key);
}

ShardReport Shard::Report() const {
  ShardReport report;
  report.slots = sequencers_.size();
  report.calls_in_flight = calls_;
  for (size_t i = 0; i < sessions_.size(); ++i) {
    const Session& session = sessions_[i];
    PeerReport peer;
    peer.peer = Peer(static_cast<uint32_t>(i));
    peer.connected = session.connected;
    peer.suspected = session.suspected;
    peer.boot = session.boot;
    peer.behind_keys = session.behind_keys;
    peer.stats = session.stats;
    report.peers.push_back(std::move(peer));
  }
  std::vector<SlotId> blocked;
  for (const auto& [slot, sequencer] : sequencers_) {
    bool full = true;
    report.pending_keys += sequencer->pending_keys();
    const SlotReport slot_report = sequencer->Report();
    for (const ReplicaReport& replica : slot_report.replicas) {
      PeerReport& peer = report.peers[replica.peer.value()];
      if (IsNeeded(slot_report, replica.peer)) ++peer.needed_slots;
      if (replica.learner) continue;
      if (replica.clean) ++peer.clean_slots;
      if (replica.voting) ++peer.voting_slots;
      full =
          full && replica.reachable && replica.clean && replica.voting && replica.behind_keys == 0;
    }
    if (full) {
      ++report.fully_replicated;
    } else if (sequencer->QuorumReachable()) {
      ++report.degraded;
    } else {
      ++report.blocked;
      blocked.push_back(slot);
    }
  }
  constexpr size_t kMostShown = 64;
  std::sort(blocked.begin(), blocked.end());
  if (blocked.size() > kMostShown) blocked.resize(kMostShown);
  for (SlotId slot : blocked) report.some_blocked.push_back(sequencers_.at(slot)->Report());
  return report;
}

}  // namespace ringkv
