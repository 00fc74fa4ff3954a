// What a change of the ring would come to, for `admin plan`: the placement that the metadata holds,
// the planner's answer, and what the nodes say of the sizes of their slots, put together for
// operators. Nothing is changed by it.
//
// Bytes are estimates, and a slot's is the largest that a holder of it tells: one that has just
// lost its disk tells too little. Slots of which nobody tells anything count with 0, and are
// counted. Deterministic. Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ring/planner.h"
#include "ringkv/v1/admin.pb.h"
#include "router/cluster_state.h"
#include "router/node_inspection.h"

namespace ringkv {

struct ChangePlan {
  Ring before;
  PlannedChange change;
  std::vector<std::string> notes;  // what an operator should know; for people
};

// The planner's errors (ring/planner.h), and those of naming a node to add: NotFound, if it has
// neither registered nor an address; Refused, if a member has its address. Refused, too, while the
// number of replicas changes: the placement is no ring then.
Result<ChangePlan> PlanRequestedChange(const ClusterState& state,
                                       const v1::PlanChangeRequest& request);

// By slot; nullopt: nobody tells.
using SlotBytes = std::vector<std::optional<uint64_t>>;
SlotBytes MergeSlotSizes(const ClusterState& state, const std::vector<NodeSlotSizes>& answers);

v1::PlanChangeResponse ReportPlan(const ChangePlan& plan, const SlotBytes& bytes,
                                  const std::vector<NodeSlotSizes>& answers);

}  // namespace ringkv
