// OpStatus, the outcome that every answer to a client or operator carries. Plain functions.
#pragma once

#include <string>

#include "base/status.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

void SetDone(v1::OpStatus* status);

// Certainly not applied.
void SetError(v1::OpStatus* status, v1::ErrorCode code, std::string message);
// The same, for why a question has no answer: `why` is not ok.
void SetError(v1::OpStatus* status, const Status& why);

}  // namespace ringkv
