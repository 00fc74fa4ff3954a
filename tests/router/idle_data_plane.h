// A data plane that takes everything and does nothing: tests replace what they are about.
#pragma once

#include "router/data_plane.h"

namespace ringkv {

class IdleDataPlane : public DataPlane {
 public:
  void SetPeer(const PeerAddress&) override {}
  void DropPeer(Peer, const NodeId&) override {}
  void TakeGroups(std::vector<GroupGrant>) override {}
  void AdoptRows(std::vector<std::pair<GroupId, SlotGrant>>) override {}
  void SetLeaseUntil(MonoTime) override {}
  void PredecessorsGone() override {}
  void OnNeedTerm(std::function<void(TermRequest)>) override {}
  void Gather(std::function<void(std::vector<LoopReport>)> done) override { done({}); }
  void Describe(SlotId, GroupId, std::function<void(SlotReport)> done) override { done({}); }
  void DescribeBlocked(std::function<void(std::vector<SlotReport>)> done) override { done({}); }
  void LookAt(GroupId, LookCall call) override { call.done({}); }
};

}  // namespace ringkv
