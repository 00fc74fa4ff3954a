// What this node's copies of slots hold, for `admin check` (docs/protocol.md, "Check"): digests of
// ranges of keys, and lists of records. Every answer reads a bounded stretch (some MiB), so that
// who asks next does not wait for long, and says where it ended. Plain functions; thread-safe as
// the store is.
#pragma once

#include "base/status.h"
#include "kvnode/store.h"
#include "ringkv/v1/inspect.pb.h"

namespace ringkv {

// InvalidArgument: the question makes no sense. kIoError: the disk failed. What cannot be read is
// part of the answer.
Result<v1::DigestRangesReply> AnswerDigests(Store& store, const v1::DigestRangesRequest& request);
Result<v1::ListRecordsReply> AnswerRecords(Store& store, const v1::ListRecordsRequest& request);

}  // namespace ringkv
