// Shard: the owner's side of the protocol (docs/protocol.md, R1-R4, R8-R10, R12) for the ownership
// groups of one event loop: one Sequencer for each slot, one session for each node. Pure: events in
// (link up or down, reply, client call, time), effects out (NodeTransport, the calls' `done`).
//
// Guarantees
//  1. `done` of every call runs exactly once, by its deadline and a tick at the latest; within
//     Submit itself when the answer is known at once.
//  2. Bounded: calls and bytes in flight; past the bound a call is answered OVERLOADED at once.
//  3. A node that does not answer holds up no call for longer than the hedge delay (reads) and no
//     write that a quorum of others acknowledges.
//
// Thread-compatible: one loop owns a shard and drives it:
//  - hand in events as they come;
//  - after each batch of events send what the transport gathered;
//  - call RunDue() at NextDue() at the latest.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/limits.h"
#include "ring/load_balancer.h"
#include "ringkv/v1/kv.pb.h"
#include "ringkv/v1/replica.pb.h"
#include "router/key_look.h"
#include "router/large_reads.h"
#include "router/retry_budget.h"

namespace ringkv {

struct ShardOptions {
  Duration tick = std::chrono::milliseconds(5);          // how often deadlines are looked at
  Duration ping = std::chrono::milliseconds(100);        // a node not heard of for so long is asked
  Duration suspect = std::chrono::milliseconds(500);     // and is held to be down after so long
  Duration hedge_min = std::chrono::milliseconds(3);     // a read goes to another replica after
  Duration hedge_max = std::chrono::milliseconds(50);    //   a time in between, by the node's pace
  Duration retransmit = std::chrono::milliseconds(250);  // what was not acknowledged is sent again
  // But not while a node has it and has not answered: within a session nothing is lost, and a node
  // that is slow would get everything twice. An answer is taken for lost after so long.
  Duration lost_after = std::chrono::seconds(4);
  size_t max_calls = 65'536;                            // in flight; more: OVERLOADED
  size_t max_bytes = 256u << 20;                        // of keys and values in flight
  size_t max_behind_keys = 200'000;                     // for each node; past it: not clean
  size_t max_repairs = 512;                             // in flight at a time
  size_t max_syncs = 32;                                // slots in sync at a time
  Duration sync_poll = std::chrono::milliseconds(20);   // how often a pull is asked how it is
  Duration sync_stall = std::chrono::seconds(3);        // without a step: another source
  Duration stable_interval = std::chrono::seconds(10);  // how often W is advanced
  Duration term_pause = std::chrono::seconds(5);        // between fresh terms asked for a group
  // Without a quorum, and with a complete replica from which others are filled: for so long, before
  // the union of all is taken instead.
  Duration union_patience = std::chrono::seconds(10);
  Duration floor_interval = std::chrono::seconds(60);  // and the floor, at most
  Duration clock_skew = std::chrono::seconds(10);      // between routers' clocks, at most
  Duration expiry_grace = std::chrono::seconds(60);    // an expired record stays so much longer
  // Larger values are read where there is room for them: so many bytes at a time.
  size_t large_value_bytes = kLargeValueBytes;
  size_t large_read_bytes = 32u << 20;
  uint64_t spare_retries = 256;  // of reads that are late (RetryBudget)
  double read_bound = 1.25;      // a node takes reads up to this × its fair share in flight...
  uint64_t read_always = 16;     // ...or so many
};

// How the process's shards together choose among replicas that may answer a read alone. A node that
// is down keeps its part of the fair share: the others are levelled a little sooner meanwhile.
LoadBalancerOptions ReadBalancing(const ShardOptions& options);

// Carries operations to nodes. Delivery may fail or repeat; order matters to nobody but within a
// session: OnDisconnected comes before OnConnected of the next one.
class NodeTransport {
 public:
  virtual ~NodeTransport() = default;
  // Copies, or encodes, what it is given. False: the queue to the node is full or closed; nothing
  // was taken.
  virtual bool Send(Peer peer, const v1::ReplicaOp& op) = 0;
};

struct ReplicaGrant {
  Peer peer;
  Incarnation inc;
  // R11, with an accepted loss: was made in place of a copy that was given up. A union goes
  // without.
  bool in_place_of_lost = false;
};

// A slot's row as the metadata has it.
struct SlotGrant {
  SlotId slot;
  std::vector<ReplicaGrant> replicas;    // first is the primary
  uint64_t epoch = 0;                    // grows with each change of the row
  std::optional<ReplicaGrant> learner;   // is being filled, and then takes the place of...
  std::optional<ReplicaGrant> replaced;  // ...this one
  std::vector<ReplicaGrant> retiring;    // left the row; to be told so until they answer
  bool loss_accepted = false;            // R11: an operator knows what may be missing
};

// What the owner of a slot wants of the metadata (docs/protocol.md, "Replace"). Said again from
// time to time, as long as the row's epoch is the one that is named. It is the wish of that term:
// the next owner, which may be the same router, has to find out anew what holds under its own.
struct RowRequest {
  enum class Kind {
    kFlip,     // the learner may take its place
    kAbandon,  // it can never be filled
    kRetired,  // `node` knows that its instance is retired
  };
  Kind kind = Kind::kFlip;
  SlotId slot;
  Term term;
  uint64_t epoch = 0;    // kFlip, kAbandon
  ReplicaGrant replica;  // kRetired
};

// Why a slot has no quorum.
enum class BlockedBy {
  kNothing,  // it has one
  kAbsence,  // replicas do not answer
  kLoss,     // all answer; too few have all but an unsynced end of what they acknowledged
  kUnion,    // all answer: they are being made equal, and vote again
};

// Ownership of a group, as a committed metadata transaction gave it.
struct GroupGrant {
  GroupId group;
  Term term;
  OwnerId owner;
  bool first_term = false;        // nobody owned it before: all its replicas are complete (empty)
  bool predecessor_gone = false;  // no earlier owner can read any more (R1)
  std::vector<SlotGrant> slots;
};

// What is known meanwhile of whoever made a call. Thread-safe.
struct CallerState {
  std::atomic<bool> gone{false};  // the call may end without an answer if it has not started
  std::atomic<bool> full{false};  // it does not take its answers: large values would be dropped
};

// One get, put, delete or increment. Key, value and TTL are within limits.
struct ClientCall {
  SlotId slot;
  v1::Op op;
  MonoTime deadline;
  std::function<void(v1::OpResult)> done;
  std::shared_ptr<const CallerState> caller;  // null: nothing is known
};

// One page of one slot: live keys only.
struct ScanCall {
  SlotId slot;
  std::string after;  // keys above this one; empty: all
  std::string prefix;
  bool keys_only = false;
  uint32_t max_bytes = 1 << 20;
  uint32_t max_entries = 1000;
  MonoTime deadline;
  struct Page {
    v1::OpStatus status;                 // NOT_APPLIED codes: try again
    std::vector<v1::ScanEntry> entries;  // in key order
    std::string next_after;              // go on after this key...
    bool complete = false;               // ...unless the slot has no more
  };
  std::function<void(Page)> done;
};

// How one replica of a slot stands with its owner.
struct ReplicaReport {
  Peer peer;
  Incarnation inc;
  bool responds = false;   // its node does
  bool reachable = false;  // and has told about this copy
  bool clean = false;
  bool voting = false;
  bool syncing = false;
  bool serves = false;                    // single-replica reads go there
  bool learner = false;                   // is being filled: no replica yet
  std::optional<v1::LostTail> lost_tail;  // without a vote: lacks no more than that
  uint64_t behind_keys = 0;
};

struct SlotReport {
  SlotId slot;
  Term term;
  uint64_t epoch = 0;
  bool joint = false;  // a quorum is a majority of the old set and of the new one
  std::vector<ReplicaReport> replicas;
  BlockedBy blocked = BlockedBy::kNothing;
  // A slot of the same group, or itself, that its only complete copy fills without a quorum just
  // now: under a fresh term nobody would know which copy that is. DescribeBlocked says so.
  std::optional<SlotId> filling;
};

// What is going on with one key.
struct KeyReport {
  std::vector<Version> pending;
  std::vector<Peer> behind;
};

struct PeerReport {
  Peer peer;
  bool connected = false;
  bool suspected = false;
  Boot boot;
  uint64_t clean_slots = 0;
  uint64_t voting_slots = 0;
  // Where the replicas elsewhere are not all there, complete and voting, and a quorum by
  // themselves; or whose replicas change just now.
  uint64_t needed_slots = 0;
  uint64_t behind_keys = 0;
  v1::NodeStats stats;  // the last that the node sent
};

struct ShardReport {
  uint64_t slots = 0;
  uint64_t fully_replicated = 0;         // all replicas reachable, voting, clean, nothing behind
  uint64_t degraded = 0;                 // not so, yet a quorum is there
  uint64_t blocked = 0;                  // no quorum
  std::vector<SlotReport> some_blocked;  // of these the first, at most 64
  uint64_t calls_in_flight = 0;
  uint64_t pending_keys = 0;  // keys with a version that is not committed yet
  std::vector<PeerReport> peers;
};

// Counted since the shard was made; read by metrics.
struct ShardStats {
  uint64_t single_reads = 0;  // reads asked of one replica
  uint64_t spread_reads = 0;  // of them: not the first that would do, for it had too many
  uint64_t quorum_reads = 0;
  uint64_t hedged_reads = 0;
  uint64_t reads_left = 0;       // times that nobody else was asked, because too much was already
  uint64_t large_reads = 0;      // reads that were given room for a large value
  uint64_t large_waits = 0;      // of them: had to wait for it
  uint64_t large_refused = 0;    // OVERLOADED: would have waited for too long
  uint64_t lease_refusals = 0;   // reads that asked a quorum because the lease was over
  uint64_t awaited_commits = 0;  // reads that met a pending version, and waited for it
  uint64_t node_reads = 0;       // Read operations sent
  uint64_t write_backs = 0;      // R3(b): a version that no quorum held was written back
  uint64_t commits = 0;
  uint64_t unknown = 0;        // writes that ended without an outcome
  uint64_t retries_found = 0;  // R9: of an attempt that the current record is of
  uint64_t retransmits = 0;
  uint64_t repairs = 0;    // keys sent again to a replica that was behind
  uint64_t overflows = 0;  // replicas that stopped being clean because too much was behind
  uint64_t overloaded = 0;
  uint64_t syncs = 0;           // pulls ordered
  uint64_t comparisons = 0;     // without a clean source
  uint64_t syncs_done = 0;      // replicas that became clean
  uint64_t syncs_aborted = 0;   // to be begun again
  uint64_t source_changes = 0;  // pulls that went on from another source
  uint64_t resolved = 0;        // keys that replicas disagreed about, each time one was tried
  uint64_t stable_rounds = 0;   // times that W advanced
  uint64_t stable_dropped = 0;  // times that something came between
  uint64_t joints = 0;          // times that a slot's quorum became joint
  uint64_t joints_left = 0;     // back to the old set, before a flip was asked for
  uint64_t flips = 0;           // sets changed
  uint64_t abandoned = 0;       // learners given up
  uint64_t retired = 0;         // instances whose nodes know that they are retired
  uint64_t looks = 0;           // times that all copies of a key were read for an operator
  uint64_t floors = 0;          // times that a floor was given out
  uint64_t unions = 0;          // R11: slots that went on with the union of their replicas...
  uint64_t unions_begun = 0;
  uint64_t unions_accepted = 0;  // ...of them: after an operator had accepted a loss
  // What was acknowledged so long before the loss may be missing: the longest; max: no bound known.
  uint64_t union_window_ms = 0;
  uint64_t last_union_ms = 0;  // wall clock
};

// R11: the slots of a group that can go on only under a term in which nothing was sent yet.
struct TermRequest {
  GroupId group;
  Term term;  // as it is held now
  std::vector<SlotId> slots;
};

class OutstandingOps;
class Sequencer;

class Shard {
 public:
  // `nodes` counts what is in flight at each node over all shards of the process (kRow).
  Shard(const ShardOptions& options, const Clock& clock, NodeTransport& transport,
        LoadBalancer& nodes);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // ---- placement ----
  // A node that is registered with the balancer, and where other nodes reach it; again when the
  // address changes.
  void AddPeer(Peer peer, NodeId node, std::string address);
  // Again, under a later term: what was going on in the group ends, as when another owner takes it.
  // Not from within a call of this shard.
  void TakeGroup(const GroupGrant& grant);
  // The row has changed by a committed transaction, or was read again. Older epochs change nothing.
  void AdoptRow(GroupId group, const SlotGrant& row);
  // What the slots want of the metadata, since the last call.
  std::vector<RowRequest> TakeRequests() { return std::exchange(requests_, {}); }
  // Who is asked for fresh terms (R11), by TakeGroup sooner or later; again and again until then.
  void OnNeedTerm(std::function<void(TermRequest)> ask) { need_term_ = std::move(ask); }
  // Single-replica reads are allowed until then (R10). kNever with an embedded metadata store.
  void SetLeaseUntil(MonoTime until) { lease_until_ = until; }
  // R1: the leases of all earlier owners are over.
  void PredecessorsGone();

  // ---- links ----
  // The node answered Hello; `boot` is that of its process. Nothing sent before is in flight.
  void OnConnected(Peer peer, Boot boot);
  void OnDisconnected(Peer peer);
  void OnReplies(Peer peer, const v1::ReplicaBatchReply& batch);

  // ---- clients ----
  void Submit(ClientCall call);
  void SubmitScan(ScanCall call);

  // ---- operators ----
  // Reads all copies of a key, under its lock, and ends by its deadline and a tick at the latest.
  void LookAt(LookCall call);

  // ---- time ----
  MonoTime NextDue() const;
  void RunDue();

  // ---- for people ----
  ShardReport Report() const;
  // A slot that this shard does not own: no replicas.
  SlotReport Describe(SlotId slot) const;
  // All slots without a quorum, by number.
  std::vector<SlotReport> DescribeBlocked() const;
  KeyReport Describe(SlotId slot, const std::string& key) const;
  const ShardStats& stats() const { return stats_; }

 private:
  class Host;
  // A group as this shard owns it.
  struct Group {
    GroupId id;
    Term term;
    OwnerId owner;
    bool deposed = false;
    std::vector<SlotId> slots;
    std::vector<Peer> peers;  // that hold a replica of any of its slots
    MonoTime next_ask;        // for a fresh term
  };
  // One node, as long as the shard lives; reset with each connection.
  struct Session {
    NodeId node;
    std::string address;
    ServerRef server;  // as the balancer knows it
    bool connected = false;
    bool suspected = false;
    Boot boot;
    MonoTime last_heard;
    MonoTime last_ping;
    std::unordered_map<GroupId, bool> promised;  // true: the promise is in, in this session
    uint64_t behind_keys = 0;
    double pace_ns = 1e6;        // smoothed time of an answer to a read
    uint64_t ticks_unheard = 0;  // since it was heard of; a loop that stands still counts none
    v1::NodeStats stats;
  };

  // Each of the functions above begins with it: within one of them time stands still, but for the
  // lease. An operation would ask for it a dozen times.
  void ReadClock() { now_ = clock_.Now(); }
  void FindPeers(Group& group);
  void SendPromise(Session& session, Peer peer, const Group& group);
  void OnPromiseReply(Peer peer, GroupId group, const v1::ReplicaOpReply& reply);
  void OnReply(Peer peer, const v1::ReplicaOpReply& reply);
  void Depose(Group& group);
  void EndGroup(GroupId id);
  void NeedTerm(GroupId id);
  // A slot of the group that its only complete copy fills without a quorum.
  std::optional<SlotId> FilledWithoutAQuorum(const Group& group) const;
  bool SendOp(Peer peer, v1::ReplicaOp& op, struct Expected expected);
  void DropOutstanding(Peer peer);
  void Watch();      // pings and suspicion
  void Introduce();  // promises and contacts that are due
  void RunSyncs();
  bool Admit(const ClientCall& call, size_t bytes);
  const Group* GroupOf(SlotId slot) const;
  Sequencer* FindSequencer(SlotId slot) const {
    return slot.value() < by_slot_.size() ? by_slot_[slot.value()] : nullptr;
  }

  const ShardOptions options_;
  const Clock& clock_;
  NodeTransport& transport_;
  LoadBalancer& nodes_;
  LoadBalancer::Picker picker_;
  MonoTime lease_until_;
  std::function<void(TermRequest)> need_term_;
  ShardStats stats_;

  std::unique_ptr<Host> host_;     // what the sequencers see of this shard
  std::vector<Session> sessions_;  // by peer
  std::unordered_map<GroupId, Group> groups_;
  std::unordered_map<SlotId, std::unique_ptr<Sequencer>> sequencers_;
  std::vector<Sequencer*> by_slot_;  // the same; null: another shard's
  std::vector<Sequencer*> active_;   // to be ticked
  std::deque<Sequencer*> waiting_syncs_;
  std::unique_ptr<OutstandingOps> outstanding_;
  std::vector<RowRequest> requests_;  // not taken yet
  uint64_t last_call_ = 0;
  uint64_t last_wall_ms_ = 0;
  size_t calls_ = 0;
  size_t call_bytes_ = 0;
  size_t repairs_ = 0;
  LargeReads large_reads_;
  LargeKeys large_keys_;
  RetryBudget retry_budget_;
  MonoTime now_;
  MonoTime next_tick_;
  MonoTime next_watch_;
  MonoTime next_introduce_;
  MonoTime next_stable_;
};

}  // namespace ringkv
