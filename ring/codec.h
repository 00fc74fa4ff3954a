// A ring as bytes, the same on every machine: for the metadata store, for other processes and for
// files. The layout is in codec.cc; a version byte comes first, so that it can change.
//
// Guarantees: DecodeRing(EncodeRing(r)) == r. The last 8 bytes are the XXH3-64 of all before them:
// a flipped bit or a cut is Corruption, and nothing else is looked at. What passes the checksum is
// still judged (a hostile sender can compute one too): InvalidArgument, each fault its own message.
// Decoding allocates at most in proportion to the input and to the ring it describes, and never
// before the input is known to be long enough for it. 4 096 slots × 3 on 100 nodes: about 14 KiB.
//
// Pure functions; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "ring/ring.h"

namespace ringkv {

std::string EncodeRing(const Ring& ring);
Result<Ring> DecodeRing(std::string_view bytes);

}  // namespace ringkv
