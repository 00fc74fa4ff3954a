// R11, what an operator has to decide: slots without a quorum go on without the copies that cannot
// be had back. First it is told what that gives up, exactly; what is done is what was agreed to, or
// nothing.
//
// PlanLoss is a pure function. LossAcceptance is thread-safe; `done` runs on any thread, and not at
// all once a loop has stopped.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ringkv/v1/admin.pb.h"
#include "router/cluster_txns.h"
#include "router/data_plane.h"
#include "router/membership.h"

namespace ringkv {

// What accepting the loss of the slots in `request` means, given all slots without a quorum. An
// error in its status: the request makes no sense, or a slot has no replica at all to go on with.
v1::AcceptLossResponse PlanLoss(const ClusterView& view, const std::vector<SlotReport>& blocked,
                                const v1::AcceptLossRequest& request);

class LossAcceptance {
 public:
  // Commits what was agreed to, as Membership::AcceptLoss; on its own thread.
  using Commit = std::function<void(std::vector<AcceptedLoss>, Membership::Done)>;

  LossAcceptance(DataPlane& data, std::function<std::shared_ptr<const ClusterView>()> view,
                 Commit commit)
      : data_(data), view_(std::move(view)), commit_(std::move(commit)) {}

  void Answer(const v1::AcceptLossRequest& request,
              std::function<void(v1::AcceptLossResponse)> done);

 private:
  DataPlane& data_;
  const std::function<std::shared_ptr<const ClusterView>()> view_;
  const Commit commit_;
};

}  // namespace ringkv
