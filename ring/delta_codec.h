// A delta to and from the bytes between head and checksum. Most callers want codec.h.
//
// WriteDelta(ReadDelta(bytes)) gives the same bytes. Pure functions; thread-safe.
#pragma once

#include "ring/delta.h"
#include "ring/wire.h"

namespace ringkv {

void WriteDelta(const RingDelta& delta, WireWriter* out);

// Judges all that can be judged without the base. The value is good only where in->ok() afterwards.
RingDelta ReadDelta(WireReader* in);

}  // namespace ringkv
