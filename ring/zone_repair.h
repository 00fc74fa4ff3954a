// Rows that hold more replicas in one zone than the aim of a change allows: a zone has come, or the
// ring was not planned here.
//
// Pure but for the placement handed in; deterministic.
#pragma once

#include "ring/placement.h"

namespace ringkv {

// Afterwards no row has too much in a zone, and none more empty places than it is to have. Other
// surpluses stay; the placement is an optimum for what it has reached, as path_search.h needs it.
// False: there was no such row, and nothing is changed.
bool RepairZones(Placement& placement);

}  // namespace ringkv
