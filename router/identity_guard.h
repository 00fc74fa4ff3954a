// Whether a registration comes from a second process under the id of one that runs. A member that
// answers at one address and registers from another is two processes: the later one would take the
// id, with an empty or a copied disk, from the one that holds the data. It is put off for as long
// as the other answers; a node that has moved, and whose old process is gone, waits for no longer
// than it takes to suspect that one.
//
// Pure.
#pragma once

#include <optional>
#include <vector>

#include "ringkv/v1/replica.pb.h"
#include "router/data_plane.h"
#include "router/membership.h"

namespace ringkv {

// Whether the metadata alone cannot tell: only then are links looked at.
bool MayBeASecondProcess(const ClusterView& view, const v1::RegisterRequest& request);

// What to answer instead of registering it; none: go on.
std::optional<v1::RegisterReply> JudgeSecondProcess(const ClusterView& view,
                                                    const std::vector<LoopReport>& loops,
                                                    const v1::RegisterRequest& request);

}  // namespace ringkv
