// What the copies of one key are, as its owner sees them with the key's lock held (Shard::LookAt),
// and what is to be said of that (docs/protocol.md, "Check"). Values and pure functions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "migration/record_digest.h"
#include "ringkv/v1/kv.pb.h"

namespace ringkv {

// A node as this router process numbers it, from 0; never reused.
using Peer = StrongId<struct PeerTag, uint32_t>;

struct CopyLook {
  enum class State {
    kHolds,
    kAbsent,      // there is no record
    kUnreadable,  // there is one whose bytes do not match their checksum
    kNoAnswer,
  };
  Peer peer;
  Incarnation inc;
  State state = State::kNoAnswer;
  // Of the replica, from before it was asked until it had answered: complete, with a vote, under
  // one boot; and whether it was behind on the key at any time in between.
  bool complete = false;
  bool behind = false;
  Version version;  // of an absent key: the instance's floor
  bool tombstone = false;
  bool garbage = false;  // a tombstone, or expired: a floor may let it go
  RecordDigest digest;
};

struct KeyLook {
  v1::OpStatus status;  // why there are no copies
  std::vector<CopyLook> copies;
};

struct LookCall {
  SlotId slot;
  std::string key;
  MonoTime deadline;
  Duration patience;  // for the replicas' answers, while clients that write the key wait
  std::function<void(KeyLook)> done;
};

enum class LookVerdict {
  kEqual,       // all complete replicas have the same
  kBehind,      // but for those that are known to lack a version
  kUnreadable,  // one cannot read what it has
  kDifferent,   // complete replicas that are not behind have different records
  kFilling,     // a replica is not complete (any more), and has something else
  kUndecided,   // one did not answer, or the key could not be settled
};

LookVerdict Judge(const KeyLook& look);

}  // namespace ringkv
