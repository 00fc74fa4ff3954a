// The source's end of a sync (docs/protocol.md, "Sync"): answers one question from one copy and
// remembers nothing, so that any number of targets may ask, lose an answer and ask again. Whether
// the instance may be asked at all (term, vote, boot) its node has judged. Each answer reads a
// bounded stretch and holds at most about 1 MiB, or one record. Errors: as SlotCopy::Read.
#pragma once

#include "base/status.h"
#include "migration/slot_copy.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

Status AnswerRanges(SlotCopy& copy, const v1::SyncRanges& question, v1::SyncRangesReply* reply);
Status AnswerDiff(SlotCopy& copy, const v1::SyncDiff& question, v1::SyncDiffReply* reply);

}  // namespace ringkv
