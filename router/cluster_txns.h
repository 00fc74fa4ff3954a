// The transactions by which a router forms a cluster and takes it over, as pure functions of the
// state: nothing is changed until the metadata store has committed what they return, and each holds
// only if nobody was faster.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_values.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/status.h"
#include "router/cluster_state.h"
#include "router/metadata_store.h"

namespace ringkv {

inline constexpr uint32_t kMaxGroups = 64;

struct FormationRequest {
  std::string uuid;  // 16 bytes
  std::vector<NodeEntry> nodes;
  uint32_t replicas = 3;
  uint32_t slots = 4096;
  std::optional<uint32_t> groups;  // a power of two, at most `slots`; none: min(64, slots)
  uint64_t now_ms = 0;
};

// Forms the cluster: identity, groups that nobody owns, a row for every slot (each
// replica incarnation 1) and the nodes as members that have not registered yet. Holds only where no
// cluster is. InvalidArgument: fewer nodes than replicas, ids or addresses that are bad or given
// twice, bad numbers; the message names the option to change.
Result<MetadataTxn> FormCluster(const FormationRequest& request);

// Takes every group for `router`: each gets a term of its own that was never used and a random
// owner id. Conditional on the owners and the next term that `state` knows. Refused: the terms are
// used up.
Result<MetadataTxn> TakeOwnership(const ClusterState& state, const std::string& router,
                                  Random& random);

// A slot that goes on without copies that cannot be had back (R11).
struct AcceptedLoss {
  SlotId slot;
  std::vector<v1::ReplicaRef> kept;
  std::vector<v1::ReplicaRef> given_up;
};

// Takes `groups` again for `router`, which owns them: each under a fresh term and owner id. Of the
// slots in `united`, which are to go on with the union of their replicas, a recorded learner is
// dropped, for good: what it was sent counted for nothing. Each copy in `losses` that is given up
// gets an empty one in its place, of an incarnation that was never used; what is kept stays.
// Conditional on all that it changes. Refused: another router owns a group, a loss does not fit the
// slot's row (it has changed), or the terms are used up.
Result<MetadataTxn> RetakeOwnership(const ClusterState& state, const std::string& router,
                                    const std::vector<GroupId>& groups,
                                    const std::vector<SlotId>& united,
                                    const std::vector<AcceptedLoss>& losses, Random& random);

}  // namespace ringkv
