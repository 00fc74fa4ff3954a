// Replica: the node's rules of the replication protocol (docs/protocol.md, "Node"), for the slots
// of some ownership groups. Pure but for the Store it is given: no thread, socket or clock.
//
// Guarantees
//  1. Nothing is served unless (term, owner) is the promised pair of the slot's group and the
//  instance
//     is live: a lower term gets STALE, a higher one NEED_PROMISE.
//  2. A promise is durable before it is answered and is never taken back.
//  3. The version stored for a key never falls. An Apply is acknowledged only when the stored
//  version
//     is at least the one sent, as durable as the store's mode makes it.
//  4. A record that cannot be read is CORRUPTION, never absent, and is overwritten only by a
//  repair, or by what is newer than anything that can be there.
//  5. A record that is collected (kvnode/garbage.h) reads as a tombstone at the floor, removed or
//  not.
//  6. A pull (docs/protocol.md, "Sync") works only for the promised (term, owner).
//
// Whoever drives it sends, after each call, the questions that TakeQuestions gives, and hands each
// answer, or the news that there is none, to OnSyncAnswer. It drops the records of the instances
// that TakeDrops gives (Store::DropInstance, then Sync; on any thread) and says so by OnDropped.
//
// Thread-compatible: one thread owns a Replica and its slots. The node runs several, each with its
// own groups, over one Store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/status.h"
#include "kvnode/garbage.h"
#include "kvnode/store.h"
#include "migration/slot_pull.h"
#include "ringkv/v1/disk.pb.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

// Name of a durable fact (proto/ringkv/v1/disk.proto).
std::string PromiseMetaName(GroupId group);

struct ReplicaStats {
  uint64_t applies = 0;        // records written
  uint64_t applies_old = 0;    // a version at least as high was there
  uint64_t version_reads = 0;  // applies that had to read first
  uint64_t reads = 0;
  uint64_t reads_large = 0;  // of them: not answered, for want of room where the value would go
  uint64_t scans = 0;
  uint64_t fenced = 0;  // STALE and NEED_PROMISE
  uint64_t corrupt = 0;
  uint64_t pulls = 0;            // begun
  uint64_t pull_answers = 0;     // of sources
  uint64_t pulled_records = 0;   // taken from a source
  uint64_t pulled_bytes = 0;     // of their keys and values
  uint64_t leftovers = 0;        // replaced by what the source has: never committed
  uint64_t source_answers = 0;   // given as a source
  uint64_t source_refusals = 0;  // not given: no vote, or another boot
  uint64_t reinstated = 0;       // instances that got their vote back
  uint64_t created = 0;          // instances made for their owner
  uint64_t retired = 0;          // instances that serve no more
  uint64_t dropped = 0;          // of them: their records are gone
  uint64_t sweeps = 0;           // for garbage, begun
  uint64_t collected = 0;        // records that they removed
};

// A question for another node, as the source of a sync.
struct SyncQuestion {
  std::string node;
  std::string address;  // host:port
  v1::ReplicaOp op;
};

// What is left of a disk, beside the reserve that it keeps.
enum class DiskSpace : uint8_t {
  kPlenty,
  kInReserve,  // owners begin no writes of values, and nothing is copied here
  kSpent,      // half of the reserve is gone: values are refused
};

class Replica {
 public:
  struct Options {
    uint32_t slots = 4096;
    uint32_t groups = 64;
    Boot boot;                 // of this process
    bool sync_writes = false;  // durability `sync`: each batch is synced before it is answered
    size_t large_value_bytes = kLargeValueBytes;  // above it, values go to those who have room
  };

  // Reads the durable state of `mine`. The store outlives the replica.
  static Result<std::unique_ptr<Replica>> Open(Store& store, const Options& options,
                                               std::vector<GroupId> mine);

  // Executes operations (Promise, Contact, Apply, Read, ScanSlot, CreateInstance, RetireInstance,
  // those of a sync, Persist, SetStable, SetFloor, Reinstate; any other gets INVALID) and appends
  // one reply for each, in order. An error (kIoError) means that the node must stop serving; the
  // replies are then
  // worthless.
  Status Execute(std::span<const v1::ReplicaOp* const> ops,
                 std::vector<v1::ReplicaOpReply>* replies);

  // What takes space is refused, where it has to be; deletes and promises never are.
  void SetDiskSpace(DiskSpace space) { disk_space_ = space; }

  // At most one for each slot is outstanding.
  std::vector<SyncQuestion> TakeQuestions() { return std::exchange(questions_, {}); }
  // `boot`: of the process that answered; 0: the question was lost. Errors: as Execute.
  Status OnSyncAnswer(Boot boot, const v1::ReplicaOpReply& answer);

  // Retired instances whose records are still there.
  std::vector<InstanceName> TakeDrops() { return std::exchange(drops_, {}); }
  // The records are gone, for good. Errors: as Execute.
  Status OnDropped(const InstanceName& instance);

  // Garbage: reads and removes a bounded number of records, if an instance is worth a sweep now.
  // False: there was nothing to do. Errors: as Execute.
  Result<bool> SweepStep(MonoTime now);

  const ReplicaStats& stats() const { return stats_; }
  uint64_t instances() const;  // live ones
  uint64_t voting_instances() const;
  bool Votes(SlotId slot) const;

 private:
  struct Promised {
    Term term;
    OwnerId owner;
    bool mine = false;
  };
  struct Instance {
    Incarnation inc;
    bool voting = false;
    bool retired = false;
    Version floor;
    uint64_t expired_before_ms = 0;         // of the floor
    Version stable;                         // W
    std::optional<v1::LostTail> lost_tail;  // since it had a vote
    // Highest version that a lower one may have taken the place of; see ScanLimits::above.
    Version lowered;
    GarbageEstimate garbage;
    // No record of this instance has a version above `bound`, if it is known: unknown after a start
    // until a promise or a contact says so, and then every Apply reads first. `bound` covers what
    // this process applied in either case.
    bool bound_known = false;
    Version bound;
  };
  // What a replica does to become clean. At most one for each slot.
  struct Pulling {
    Promised by;
    uint64_t highest_id = 0;
    std::unique_ptr<SlotPull> pull;
    uint64_t question = 0;  // the last one's op
    bool takes_space = false;
  };
  // A sweep for garbage that is on. At most one.
  struct Sweep {
    SlotId slot;
    Incarnation inc;
    Floor floor;
    std::string cursor;
    uint64_t records = 0;
    uint64_t suspects = 0;
  };
  class InstanceCopy;
  class DataRun;  // consecutive Apply and Read operations, which go to the store together

  Replica(Store& store, const Options& options) : store_(store), options_(options) {}

  GroupId GroupOfSlot(SlotId slot) const;
  Status Load(std::vector<GroupId> mine);
  // Null, with `reply` filled, when a fence or a missing instance forbids the operation.
  Instance* Admit(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  Status DoPromises(std::span<const v1::ReplicaOp* const> ops,
                    std::span<v1::ReplicaOpReply> replies);
  Status DoCreate(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  Status DoRetire(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  // Whether (term, owner) is the promised pair of the slot's group, whatever instance is there.
  bool Fence(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  void DoContact(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  Status DoScan(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);

  // ---- sync (replica_sync.cc) ----
  Status DoSourceQuestion(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  Status DoPull(const v1::ReplicaOp& op, v1::ReplicaOpReply* reply);
  Status Advance(SlotId slot, Pulling& pulling);
  // Persist, SetStable and Reinstate that came one after the other: one sync for all.
  Status DoDurable(std::span<const v1::ReplicaOp* const> ops,
                   std::span<v1::ReplicaOpReply> replies);
  static Floor FloorOf(const Instance& instance) {
    return {instance.floor, instance.expired_before_ms};
  }
  bool FindSweep(MonoTime now);
  static v1::DiskInstance FactOf(const Instance& instance);
  static Version UnknownVersionIn(const Instance& instance);
  static void NoteLowered(SlotId slot, Version from, Instance* instance, StoreBatch* batch);

  Store& store_;
  const Options options_;
  std::vector<Promised> promised_;                  // by group
  std::unordered_map<SlotId, Instance> instances_;  // the newest instance of each slot
  std::unordered_map<SlotId, Pulling> pulls_;
  std::unordered_map<uint64_t, SlotId> asked_;  // by question
  uint64_t last_question_ = 0;
  std::vector<SyncQuestion> questions_;  // not sent yet
  std::vector<InstanceName> drops_;      // not taken yet
  std::optional<Sweep> sweep_;
  DiskSpace disk_space_ = DiskSpace::kPlenty;
  ReplicaStats stats_;
};

}  // namespace ringkv
