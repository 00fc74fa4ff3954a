// The client's retry rules (docs/protocol.md, R9) as pure functions: what the answer to one attempt
// means, whether the client may try again by itself, and after which pause.
//
// Reads are tried again whenever that may help. A write is tried again only when the router says
// that it was certainly not applied, or when the caller allowed retries of unknown outcomes; once
// an attempt of a write may have been applied, nothing but "done" makes its end certain again.
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

struct AttemptFacts {
  bool read = false;
  bool retry_unknown = false;
  bool maybe_applied = false;  // by an earlier attempt
};

struct Verdict {
  bool retry = false;          // if there is time; if not, `status` is how the call ends
  bool maybe_applied = false;  // by this or an earlier attempt
  Status status;
};

// The OpStatus inside a result, whatever call it answers; null for a result that holds none.
const v1::OpStatus* StatusOf(const v1::OpResult& result);

// What the router's answer to an attempt means.
Verdict JudgeAnswer(const AttemptFacts& facts, const v1::OpStatus& answer);

// What it means that the stream broke after the attempt was sent on it. `untouched`: the end of the
// stream proves that no call on it was taken.
Verdict JudgeLoss(const AttemptFacts& facts, bool untouched, const Status& why);

// Pause before attempt `attempt` + 1 (attempts count from 1): doubles up to a bound, half of it
// random so that clients that failed together do not come back together.
Duration Backoff(int attempt, Random& random);

}  // namespace ringkv
