// Sequencer: the owner's rules for one slot (docs/protocol.md, R2 write, R3 read, R4 conditional
// writes, R5 sync, R6 replace, R8 TTL, R9 outcomes, R12 scan, looks). A key is a register: the
// sequencer hands out its versions, sends each to every replica, and calls it committed when a
// quorum of voting replicas holds it.
//
// Invariants
//  1. A version is sent nowhere before it stands in `pending` and in `behind` of every tracked
//  replica; a clean one is tracked.
//  2. At most one call holds a key's lock; what was committed or released under the lock was read
//  or
//     written by that call.
//  3. A clean replica holds every committed version of every key for which it is not behind.
//  4. A value goes to a client only if a clean replica gave it and it is not pending, or if a
//  quorum
//     holds it.
//  5. Acknowledgements count only from voting replicas, under the boot they were sent to.
//  6. A learner counts in no quorum. Once a flip was asked for, a quorum is one of both sets until
//     the row's epoch has grown.
//
// Pure and thread-compatible: its Shard drives it and does its sending (SequencerHost).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rule.h"
#include "router/seat_sync.h"
#include "router/shard.h"

namespace ringkv {

// What an answer from a replica is an answer to.
struct Expected {
  enum class Kind {
    kPromise,
    kContact,
    kApply,
    kRead,
    kScan,
    kStats,
    kPull,
    kReinstate,
    kPersist,
    kSetStable,
    kCreate,
    kRetire,
    kSetFloor,
  };
  Kind kind = Kind::kStats;
  SlotId slot;
  Incarnation inc;       // the instance asked
  GroupId group;         // kPromise
  uint64_t call = 0;     // kRead, kScan: who asked; kPull, kReinstate, kPersist, kSetFloor: id
  uint32_t attempt = 0;  // of that call
  std::string key;       // kApply
  Version version;       // kApply; kSetStable: W
  ServerLease load;  // kRead, kScan: in flight at the node, until the answer or the session ends
};

// What a sequencer needs of its shard.
class SequencerHost {
 public:
  virtual ~SequencerHost() = default;
  virtual MonoTime Now() const = 0;
  virtual uint64_t WallMillis() = 0;    // never goes back
  virtual bool LeaseValid() const = 0;  // single-replica reads are allowed (R10)
  virtual bool Responsive(Peer peer) const = 0;
  // It says that it has no space for new values.
  virtual bool DiskFull(Peer peer) const = 0;
  // Where other nodes reach it.
  virtual v1::SyncSource Locate(Peer peer) const = 0;
  // False: not sent; otherwise the answer, if one comes, goes to the sequencer's OnReply.
  // The operation gets its id, and is done with when this returns.
  virtual bool Send(Peer peer, v1::ReplicaOp& op, Expected expected) = 0;
  // Messages to be filled in and sent, as the last user left them: an Apply, a Read.
  virtual v1::ReplicaOp& ApplyScratch() = 0;
  virtual v1::ReplicaOp& ReadScratch() = 0;
  // Of a slot's replicas, which are to be asked in this order and of which some will do (bit i: the
  // i-th), the one to ask: the first that does not have too many reads in flight already.
  virtual LoadBalancer::Picker::Choice Choose(std::span<const Peer> row, uint32_t eligible) = 0;
  // A read that this node is asked whatever it has in flight.
  virtual ServerLease Count(Peer peer) = 0;
  // Has not been heard of for a while: to ask another one costs it nothing.
  virtual bool Silent(Peer peer) const = 0;
  virtual LargeReads& large_reads() = 0;
  virtual LargeKeys& large_keys() = 0;
  virtual RetryBudget& retry_budget() = 0;
  // How long a read waits for this node before another one is asked too.
  virtual Duration HedgeDelay(Peer peer) const = 0;
  // Counts one more key behind at the node; false: too many, the replica is no longer clean.
  virtual bool TrackBehind(Peer peer) = 0;
  virtual void UntrackBehind(Peer peer, uint64_t keys) = 0;
  // A place among the repairs in flight; false: none is free. Given back by EndRepair.
  virtual bool BeginRepair() = 0;
  virtual void EndRepair() = 0;
  // R11: asks for a fresh term for the group, under which another sequencer takes this one's place.
  virtual void NeedTerm(GroupId group) = 0;
  // Asks for StartSyncs when there is room for one more slot in sync.
  virtual void QueueSync(Sequencer* sequencer) = 0;
  virtual void Ask(RowRequest request) = 0;
  // Asks to be ticked until idle().
  virtual void Activate(Sequencer* sequencer) = 0;
  virtual uint64_t NextCallId() = 0;
  virtual const ShardOptions& options() const = 0;
  virtual ShardStats& stats() = 0;
};

class Sequencer {
 public:
  Sequencer(SequencerHost& host, const GroupGrant& group, const SlotGrant& grant);
  ~Sequencer();

  SlotId slot() const { return slot_; }
  Term term() const { return term_; }

  void Submit(ClientCall call);
  void SubmitScan(ScanCall call);
  void SubmitLook(LookCall call);

  // A session with the node began and its promise is in: says Contact.
  void Contact(Peer peer, Boot boot);
  // The node is gone, or does not answer: what was asked of it is asked of others.
  void OnPeerDown(Peer peer);
  void OnPeerSlow(Peer peer);
  void OnReply(Peer peer, const Expected& expected, const v1::ReplicaOpReply& reply);

  // There is room now for the value that the call waits for.
  void OnRoom(uint64_t call);

  // The node has found that its record of the key is unreadable.
  void OnDamaged(Peer peer, Incarnation inc, const std::string& key);

  // Deadlines, hedges, retransmissions, repairs, syncs.
  void Tick();
  bool idle() const {
    return calls_.empty() && scans_.empty() && keys_.empty() && !syncing() &&
           change_.stage == SetChange::Stage::kNone;
  }

  // R6: the row as a committed transaction made it, or as it was read. False: nothing new.
  bool AdoptRow(const SlotGrant& row);
  // Whose nodes it has to do with.
  std::vector<Peer> Peers() const;

  // R5: begins to make replicas clean that are not, if that can be done now.
  void StartSyncs();
  bool syncing() const;
  bool TakesSyncPlace() const;
  bool WantsSync() const;
  // R11: a complete replica fills others of the row without a quorum, or is about to. The owner's
  // next term would not know that it is complete.
  bool FillsWithoutAQuorum() const;
  // W: begins a round if there is something to gain.
  void AdvanceStable();
  Version stable() const { return stable_; }
  // R7: raises the floor to W if there may be garbage and everything is on all replicas.
  void AdvanceFloor();

  // R1: no earlier owner can read any more.
  void PredecessorsGone() { predecessor_gone_ = true; }

  // Another owner has taken over: everything ends here.
  void Depose();

  // Whether it has something to say to the node, and whether all of it is said.
  bool HasSeat(Peer peer) const;
  bool IsUsable(Peer peer) const;
  bool QuorumReachable() const;  // and something may be given out
  BlockedBy WhyBlocked() const;
  SlotReport Report() const;
  KeyReport Report(const std::string& key) const;
  uint64_t pending_keys() const { return pending_keys_.size(); }

  bool active = false;  // the shard's own marks: it is among those to be ticked,
  bool queued = false;  // it waits for StartSyncs

 private:
  static constexpr int kMaxSeats = 8;
  using Mask = uint8_t;  // bit i: seat i

  // One replica as the owner sees it.
  struct Seat {
    Peer peer;
    Incarnation inc;
    bool present = false;  // else the place is free
    bool created = false;  // a learner: its node is known to have the instance
    bool usable = false;   // promised and contacted in the present session
    bool voting = false;
    bool tracked = false;  // everything sent and not acknowledged since some moment is in behind
    bool clean = false;    // tracked, and lacks nothing committed but what is in behind
    std::optional<v1::LostTail> lost_tail;  // R11: without a vote, and lacks no more than that
    Version floor;                          // as it said at the contact
    Version stable_found;                   // W, as it said at the contact
    Version stable;                         // the highest W that it has answered for since it was
                                            // last made complete
    Boot boot;
    uint64_t behind_keys = 0;
    SeatSync sync;
  };

  // A version sent and not yet committed.
  struct Pending {
    v1::Record record;
    Version version;
    Mask acks = 0;
    uint64_t call = 0;  // who waits for it; may have given up
  };

  struct Key {
    std::string name;
    std::vector<Pending> pending;              // ascending versions
    std::array<Version, kMaxSeats> behind{};   // highest version sent and not acknowledged
    std::array<Version, kMaxSeats> missing{};  // everything below it is acknowledged
    Mask behind_mask = 0;
    Mask corrupt_mask = 0;          // the record there is unreadable
    Mask unanswered = 0;            // a record of it is under way there, or being applied
    MonoTime unanswered_since;      // if there is one
    uint64_t locked_by = 0;         // call id; 0: free
    std::deque<uint64_t> queue;     // calls that wait for the lock, or to read after it
    std::vector<uint64_t> readers;  // calls that are kAwaitingCommit; some may have ended
    uint64_t repair = 0;            // call that reads for a repair; 0: none
    uint32_t users = 0;             // who holds a pointer to this key
    bool draining = false;          // RunQueue is on the stack
    MonoTime sent;                  // last time that something of it was sent
    size_t pending_index = 0;       // in pending_keys_, if pending is not empty
  };

  // A look at all copies of a key.
  struct Look {
    LookCall call;
    std::vector<CopyLook> copies;         // of the row's replicas
    std::array<int, kMaxSeats> place{};   // by seat; -1: none
    std::array<Boot, kMaxSeats> boots{};  // by seat
  };

  struct Call {
    enum class Kind { kGet, kPut, kDelete, kIncrement, kInternalRead, kLook };
    enum class Stage {
      kQueued,
      kAwaitingRoom,  // reads a large value, and is in line
      kSingleRead,
      kAwaitingCommit,  // has read a version that is pending
      kQuorumRead,
      kSettling,
      kWriting,
      kWritingBack,
      kLooking,
    };
    uint64_t id = 0;
    Kind kind = Kind::kGet;
    Stage stage = Stage::kQueued;
    Key* key = nullptr;
    ClientCall client;  // not for kInternalRead
    std::function<void(const v1::OpStatus&, const v1::Record*)> internal_done;
    MonoTime deadline;
    bool needs_lock = false;  // a write, or a read that found a version without a quorum
    // The attempt at reading that is on; answers to earlier ones are dropped.
    uint32_t attempt = 0;
    Mask asked = 0;
    Mask answered = 0;
    Mask voted = 0;         // answers that count for the quorum
    Mask unreadable = 0;    // answered so, in a quorum read
    Mask candidates = 0;    // R5: seats whose answers are awaited, vote or not
    bool in_union = false;  // R11: the candidates are the quorum
    std::array<Version, kMaxSeats> versions{};
    v1::Record best;  // highest answer of the attempt
    Version best_version;
    MonoTime ask_again;
    MonoTime asked_since;        // the attempt began
    int late_rounds = 0;         // so many times a quorum did not answer in time
    size_t large_bytes = 0;      // of a value that is known to be large
    bool has_room = false;       // for it
    bool asks_quorum = false;    // kAwaitingRoom: what it does then
    uint64_t asked_wall_ms = 0;  // when the attempt began
    Version writing;             // kWriting, kWritingBack
    Version awaited;             // kAwaitingCommit
    int64_t number = 0;          // kIncrement: the result
    std::unique_ptr<Look> look;  // kLook
  };

  struct Scan {
    uint64_t id = 0;
    ScanCall call;
    uint32_t attempt = 0;
    int single_seat = -1;  // asked alone; -1: a quorum
    Mask asked = 0;
    Mask answered = 0;
    Mask excluded = 0;  // gave an error
    std::array<v1::ScanSlotReply, kMaxSeats> replies;
    std::set<std::string> suspect;              // behind at the seat when it was asked
    std::map<std::string, v1::Record> entries;  // decided
    uint64_t reads_left = 0;                    // keys read one by one
    bool merged = false;
    bool complete = false;
    std::string last;  // end of the range covered
    MonoTime ask_again;
    uint64_t asked_wall_ms = 0;  // when the attempt began
    v1::OpStatus failure;
  };

  // ---- seats and keys (sequencer.cc) ----
  int SeatOf(Peer peer) const;
  // Whether these seats are a quorum, if all of them vote.
  bool IsQuorum(Mask seats) const;
  int MajorityOfRow() const { return static_cast<int>(row_.size()) / 2 + 1; }
  void NotePromise(Peer peer);
  // R1: nothing is acknowledged or given out before.
  bool MayRelease() const { return predecessor_gone_ || !RINGKV_RULE(kPredecessorIsAwaited); }
  bool QuorumThere() const { return QuorumWithout(0); }
  bool Reachable(int seat) const;
  Mask ReachableMask() const;
  // Whose nodes have no space for new values.
  Mask FullMask() const;
  // Those that can be asked now, without these, are a quorum.
  bool QuorumWithout(Mask left_out) const {
    return IsQuorum(VotingMask() & ReachableMask() & static_cast<Mask>(~left_out));
  }
  // Who votes and counts.
  Mask VotingMask() const;
  bool Votes(int seat) const { return (VotingMask() >> seat & 1) != 0; }
  v1::ReplicaOp MakeOp(int seat) const;
  void Address(v1::ReplicaOp* op, int seat) const;
  Key* FindKey(const std::string& name);
  Key* UseKey(const std::string& name);
  void ReleaseKey(Key* key);
  void OnContactReply(int seat, const v1::ReplicaOpReply& reply);
  void ClearBehind(int seat);
  void MarkBehind(Key* key, int seat, Version version);
  void UnmarkBehind(Key* key, int seat);
  void Acknowledged(Key* key, int seat, Version stored);
  void Untrack(int seat);

  // ---- calls: start, lock, end (sequencer.cc) ----
  Call* FindCall(uint64_t id);
  void Start(Call* call);
  void Run(Call* call);
  void Unlock(Key* key);
  void RunQueue(Key* key);
  void FinishCall(Call* call, v1::Outcome outcome, v1::ErrorCode code, std::string message,
                  const v1::Record* record);
  void Fail(Call* call, v1::ErrorCode code, std::string message);
  void AddCall(std::unique_ptr<Call> call);
  void AskAgainAt(Call* call, MonoTime at);
  static MonoTime DueOf(const Call& call);
  void TickCalls();
  static bool HasGone(const Call& call);
  void TickCall(Call* call);

  // ---- writing (sequencer_write.cc) ----
  void BeginWrite(Call* call, v1::Record record);
  void FailForFullDisks(Call* call);
  void AddPending(Call* call, v1::Record record);
  // Who can be sent it.
  Mask TakersOf(const v1::Record& record) const;
  void SendPending(Key* key, Pending& pending);
  void SendPendingTo(Mask seats, Key* key, Pending& pending);
  v1::ReplicaOp& PrepareApply(const Key& key, const v1::Record& record, bool forget);
  bool SendApply(v1::ReplicaOp& op, Key* key, int seat);
  void ForgetUnanswered(int seat);
  void GiveUpAnswers(Key* key) const;
  // A read of the owner's own may be of a large value, at nodes that have much to do.
  Duration InternalPatience() const { return host_.options().lost_after * 2; }
  void OnApplyReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply);
  void CommitIfQuorum(Key* key);
  void DropAcks(int seat);
  void TickPending();
  void TickRepairs();
  void StartRepair(Key* key);
  void SendRepair(const std::string& name, const v1::Record& record);
  void Settle(Call* call);
  void AfterSettle(Call* call);
  // The call holds the lock and knows the key's record: checks its condition and writes, or ends.
  void Decide(Call* call, const v1::Record& current);
  void DecideIncrement(Call* call, const v1::Record& current, bool live);

  // ---- reading (sequencer_read.cc) ----
  void StartRead(Call* call);
  Mask MayAnswerAlone(const Key* key) const;
  LoadBalancer::Picker::Choice PickSingle(const Key* key, Mask asked);
  bool AskOne(Call* call, int seat, ServerLease load);
  void AskQuorum(Call* call);
  void OnReadReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply);
  void OnSingleAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply);
  void OnQuorumAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply);
  void DecideRead(Call* call);
  void OnUnreadable(Call* call);
  void WriteBack(Call* call);
  void AwaitCommit(Call* call, Version version);
  void ReleaseReaders(Key* key, Version committed, const v1::Record& record);
  void ReadDone(Call* call, const v1::Record& record);
  bool IsPending(const Key* key, Version version) const;
  bool Live(const v1::Record& record) { return LiveAt(record, host_.WallMillis()); }
  static bool LiveAt(const v1::Record& record, uint64_t wall_ms);

  // ---- reads that take long (sequencer_patience.cc) ----
  void TickRead(Call* call);
  void PutOff(Call* call);
  bool MayAskAgain(const Call& call);
  void ReadLate(Call* call);
  bool FindRoom(Call* call, bool quorum);
  bool RefuseIfFull(Call* call);
  void OnLarge(Call* call, const v1::ReplicaOpReply& reply);
  void LeaveRoom(Call* call);
  bool IsSmall(const v1::Record& record) const {
    return record.value().size() <= host_.options().large_value_bytes;
  }

  // ---- scanning (sequencer_scan.cc) ----
  void AskScan(Scan* scan);
  void OnScanReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply);
  void MergeSingle(Scan* scan);
  void MergeQuorum(Scan* scan);
  void ReadKeyForScan(Scan* scan, const std::string& name);
  void FinishScan(Scan* scan);
  void TickScans();

  // ---- looking (sequencer_look.cc) ----
  void AskAll(Call* call);
  bool IsComplete(int seat) const;
  void OnLookAnswer(Call* call, int seat, const v1::ReplicaOpReply& reply);
  void FinishLook(Call* call);

  // ---- sync (sequencer_sync.cc) ----
  int PickSource(int target, int unlike) const;
  bool MaySourceFor(int target, int source) const;
  void BeginPull(int target, int source);
  void BeginComparison();
  void JoinComparison(int seat, int reference);
  bool Track(int seat, int source);
  void TakeBehindOver(int seat, int source);
  void EndSync(int seat);
  void AbortSync(int seat);
  void AbortComparison();
  void FinishComparison();
  void TickSync();
  void TickPull(int target);
  void ChangeSource(int target);
  void SendPull(int target);
  void OnPullReply(int target, const Expected& expected, const v1::ReplicaOpReply& reply);
  void TakeReports(int target, const v1::PullReply& reply);
  void Resolve(int target, const std::string& name);
  void MarkLacking(const Call& call);
  bool CaughtUp(int target) const;
  void SendReinstate(int target);
  void OnReinstateReply(int target, const Expected& expected, const v1::ReplicaOpReply& reply);

  // ---- changes of the set (sequencer_replace.cc) ----
  // An instance that left the row.
  struct Leaving {
    Peer peer;
    Incarnation inc;
    bool told = false;
  };
  void TakeRow(const SlotGrant& row);
  int SeatFor(const ReplicaGrant& replica);
  void RemoveSeat(int seat);
  void ForgetAnswersOf(int seat);
  void RecheckCommits();
  void TickChange();
  bool MayBeJoint() const;
  bool LearnerHasAll() const;
  void EnterJoint();
  void LeaveJoint();
  void AskForFlip();
  void SendCreate(int seat);
  void OnCreateReply(int seat, const v1::ReplicaOpReply& reply);
  void SendRetire(const Leaving& leaving);
  void SayRetired(const Leaving& leaving);
  void OnRetireReply(Peer peer, const Expected& expected, const v1::ReplicaOpReply& reply);
  // ---- union (sequencer_union.cc) ----
  Mask UnionMembers() const;
  bool UnionMayDecide(Mask unreadable) const;
  void ConsiderUnion();
  void BeginUnion();
  void FinishUnion();
  void TickPatience();
  bool UnionHolds(Mask acks) const;
  void EndUnionCalls();

  // ---- W (sequencer_stable.cc) ----
  bool AllCleanAndQuiet() const;
  bool SameBoots(const std::array<Boot, kMaxSeats>& boots) const;
  Version LowestMissing() const;
  void OnPersistReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply);
  void GiveStable();

  // ---- floor (sequencer_floor.cc) ----
  bool MayRaiseFloor() const;
  void OnFloorReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply);

  SequencerHost& host_;
  const SlotId slot_;
  const GroupId group_;
  const Term term_;
  const OwnerId owner_;
  bool predecessor_gone_;
  std::vector<Peer> unpromised_;  // where an earlier owner may read, and may not be fenced yet
  uint64_t last_seq_ = 0;
  bool deposed_ = false;
  std::vector<Seat> seats_;
  uint64_t epoch_ = 0;    // of the row
  std::vector<int> row_;  // seats of the replicas, in order of preference
  Mask set_ = 0;          // the same
  Mask next_set_ = 0;     // what it will be; the same as set_ unless joint
  SetChange change_;
  std::vector<Leaving> retiring_;
  std::unordered_map<std::string, Key> keys_;  // keys with anything going on
  std::vector<Key*> pending_keys_;             // those with pending versions
  std::map<uint64_t, std::unique_ptr<Call>> calls_;
  MonoTime calls_due_ = kNever;    // none is due before
  MonoTime pending_due_ = kNever;  // nor is a pending version to be sent again
  MonoTime next_look_for_gone_;
  std::map<uint64_t, std::unique_ptr<Scan>> scans_;
  MonoTime next_repair_;
  Mask compared_ = 0;                           // R5 without a clean source: who takes part
  uint32_t comparisons_ = 0;                    // begun
  Version stable_;                              // W, as given out
  std::array<Boot, kMaxSeats> stable_boots_{};  // under which all had persisted it
  // R11. What was ever sent under this term that leaves something at a replica.
  enum class Sent { kNothing, kOfAUnion, kAnything };
  Sent sent_ = Sent::kNothing;
  UnionRound union_;
  Mask in_place_of_lost_ = 0;
  // The learner, if it was recorded under this term and was not begun to be filled: it is empty.
  Incarnation empty_learner_;
  bool loss_accepted_ = false;
  StableRound stable_round_;
  FloorState floor_;
  Version newest_garbage_;  // the highest version sent that is garbage, or will be when it expires
};

}  // namespace ringkv
