// A node's start, from the first look at its disk until it may serve (docs/protocol.md, "Node:
// Start"). A state machine: it reads and writes the store, and says what to ask a router next.
//
// Guarantees
//  1. A crash, a loss of power or a lost reply at any point is no mismatch: the next start finds
//  the
//     durable intent, finishes it under its own nonce, and only then makes a new one.
//  2. When it says kServe, everything that serving rests on is synced: identity, boot, promises,
//     instances, and that this run is not a clean stop yet.
//  3. No instance votes that may have lost an acknowledged write: it lived through the death of the
//     operating system without its writes synced, or its log was damaged, or it was made for a disk
//     that is not the node's first. What lacks no more than the unsynced end says so (lost_tail).
//  4. It never deletes, and never goes back behind a promise.
//
// Pure but for the Store and the Random it is given: no thread, socket or clock. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/status.h"
#include "kvnode/store.h"
#include "ringkv/v1/disk.pb.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

struct BootOptions {
  NodeId node;
  std::string address;       // host:port where routers reach this node
  std::string http_address;  // may be empty
  std::string zone;          // may be empty
  uint32_t vnodes = 0;       // wished for; 0: no wish
  std::string version;       // of the binary

  std::string fresh_store_uuid;  // 16 random bytes: the identity of the disk if it has none yet
  // /proc/sys/kernel/random/boot_id; empty: cannot be known, so the OS is taken to have died.
  std::string kernel_boot_id;
  bool synced_writes = false;  // every write of this run is synced before it is acknowledged
  // Else: it is synced within so long after; 0: nobody says when.
  Duration sync_window = Duration::zero();
  bool store_lost_tail =
      false;  // the store had to drop a damaged end of its log when it was opened
};

// What to do next.
struct BootStep {
  enum class Kind {
    kAsk,        // send `request` to a router now
    kAskLater,   // send it again after a pause: nothing is wrong, something has not happened yet
    kRefused,    // the same, after a long pause: an operator has to do what `reason` says
    kMoveAside,  // move the data directory aside and start over on an empty one
    kServe,      // `registered` holds
  };
  Kind kind = Kind::kAsk;
  v1::RegisterRequest request;
  std::string reason;  // for people; empty for kAsk and kServe
};

// What a node is once it has registered.
struct Registered {
  Boot boot;
  std::string store_uuid;    // 16 bytes
  std::string cluster_uuid;  // 16 bytes
  uint32_t slots = 0;
  uint32_t groups = 0;
  uint64_t instances = 0;    // live ones
  uint64_t non_voting = 0;   // of these
  bool lost_writes = false;  // this start took votes away, for writes that may be lost
};

class BootSequence {
 public:
  // Borrows both for as long as it lives.
  BootSequence(Store& store, Random& random, BootOptions options);

  // The first step. Refused: the disk belongs to another node id. Corruption: what the disk says of
  // itself makes no sense. IoError: the disk failed. After an error the sequence is over.
  Result<BootStep> Begin();

  // The step after the answer to the last request. IoError: as Begin.
  Result<BootStep> OnReply(const v1::RegisterReply& reply);

  // After kServe.
  const Registered& registered() const { return registered_; }
  // The last boot that is durable on the disk.
  Boot disk_boot() const { return Boot(boot_); }
  // After Begin. 16 bytes.
  const std::string& store_uuid() const { return identity_.store_uuid(); }

 private:
  Status ReadDisk();
  Status ReadFacts();
  Status MakeIdentity();
  Status JudgeLastRun();
  Status MakeIntent();
  v1::RegisterRequest Request() const;
  BootStep AskAgain(BootStep::Kind kind, std::string reason) const;
  BootStep OnConfirm(const v1::RegisterReply& reply);
  Result<BootStep> OnRegistered(const v1::RegisterReply& reply);
  // Why the reply cannot be acted on; ok if it can.
  Status CheckRegistered(const v1::RegisterReply& reply) const;
  Status AdoptPromises(const v1::RegisterReply& reply, StoreBatch* batch) const;
  Status AdoptInstances(const v1::RegisterReply& reply, StoreBatch* batch);

  Store& store_;
  Random& random_;
  const BootOptions options_;

  v1::DiskIdentity identity_;
  uint64_t boot_ = 0;        // durable
  v1::DiskIntent intent_;    // durable; boot 0: none
  bool finishing_ = false;   // intent_ is of an earlier start
  uint64_t after_boot_ = 0;  // a disk without a boot: the last one under the id, as it was told
  Registered registered_;
};

// Everything was synced and nothing is written after this: the next start finds that nothing can be
// lost. The last write of a graceful stop.
Status MarkStoppedClean(Store& store);

}  // namespace ringkv
