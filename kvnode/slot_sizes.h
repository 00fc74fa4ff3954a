// How large the replica instances of this node are. Plain functions; thread-safe as the store is.
#pragma once

#include "base/status.h"
#include "kvnode/store.h"
#include "ringkv/v1/inspect.pb.h"

namespace ringkv {

// Every instance that the disk knows of and that is not retired. Refused: there are more than one
// message holds. Else the errors of Store::EstimateSizes and ReadInstanceFacts.
Result<v1::ListSlotSizesReply> SlotSizesOf(Store& store);

}  // namespace ringkv
