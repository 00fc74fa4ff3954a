// A cluster in one thread and virtual time: routers (the real Shard and Membership over the real
// metadata transactions), one at a time or, for a while, two that both take themselves for the
// owner; nodes (the real BootSequence and Replica over MemoryStore), and a network and
// disks that fail as the seed says. Everything random comes from one generator: a seed is a run.
//
// It also knows what it did to whom, and checks at each step (docs/protocol.md, "Invariants"):
//   I1  one value for each (key, version);
//   I2  a node serves nobody but the last owner that it promised; what a client has of a former
//       owner was begun before a quorum (a read of one replica: before all) had promised the next;
//   I3  every quorum of replicas that lost nothing holds each committed version;
//   I4  a clean replica holds each committed version of a key that it is not behind on, and holds
//       nothing that is neither pending nor held by a quorum;
//   I5  a value given to a client is held by a quorum;
//   I9  an instance that lost something has no vote until it was reinstated;
//   R11 after all replicas of a slot lost the ends of their logs, what any of them still had is
//       not passed over, and is on all of them before any votes again;
//   I8  the floor moves only when all replicas hold all that is at or below it;
//   I9  an instance that lost something has no vote until it was reinstated;
//   I10 a retired instance answers nothing; what is dropped is named by no row;
//   I11 rows change one replica at a time, in one chain of epochs, and every quorum of the new set
//       holds what was committed by the old one;
//   R9  a request whose record is the current one is not written a second time;
//   I12 at rest all replicas are clean, vote, and are equal.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "kvnode/boot_sequence.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "kvnode/scrub.h"
#include "router/cluster_state.h"
#include "router/membership.h"
#include "router/shard.h"
#include "router/simulated_metadata.h"
#include "tests/sim/scheduler.h"

namespace ringkv {

// What may go wrong in a run; drawn from its seed ("swarm testing": Groce et al., 2012).
struct FaultMix {
  int nodes = 3;
  int replicas = 3;
  uint32_t groups = 16;        // of the 16 slots: what is owned together has one term
  bool synced_writes = false;  // durability `sync`, else `periodic`
  double loss = 0;             // of a message
  // An answer is taken for lost after so long (ShardOptions). Short, for single messages are lost
  // here; where none is, as within a real session, it is what routers have.
  Duration lost_after = std::chrono::milliseconds(250);
  double duplication = 0;
  Duration delay = std::chrono::microseconds(200);
  double long_delay = 0;  // chance of a delay up to `latest`: reordering
  Duration latest = std::chrono::milliseconds(300);
  bool node_crash = false;                                  // the process dies
  bool power_loss = false;                                  // the unsynced tail goes
  Duration sync_interval = std::chrono::milliseconds(100);  // without synced writes
  Duration longest_outage = std::chrono::milliseconds(3000);
  bool router_crash = false;
  bool partition = false;      // one node cut off from the router
  bool stall = false;          // a node does nothing for a while
  bool wipe = false;           // a node comes back with an empty disk
  bool old_copy = false;       // a node comes back with a copy of its disk from an earlier start
  bool topology = false;       // nodes join and leave, change their weight; that is paused, aborted
  int spare = 0;               // nodes that run and are no members at first
  double metadata_faults = 0;  // of a transaction: not taken, or its answer lost
  // Some of those whose answer is lost are applied later, up to three seconds: if they still hold.
  bool late_transactions = false;
  bool total_loss = false;  // all nodes lose power at once, and now and then the router too
  Duration longest_loss = std::chrono::milliseconds(1500);  // of power
  Duration metadata_delay = std::chrono::milliseconds(3);   // of a transaction, at most
  // A second router takes over while the first goes on: paused, or without the metadata store, or
  // without some nodes. Leases end.
  bool takeover = false;
  // And a third takes over from the second, which has removed a node by force meanwhile.
  bool removals = false;
  Duration lease_ttl = std::chrono::milliseconds(1500);
  bool one_way = false;  // between a router and a node, or two nodes: one way, or both
  bool clog = false;     // all that goes to and from one node is late
  Duration clogged = std::chrono::milliseconds(400);  // by so much at most
  bool slow_disk = false;                             // syncs of one node take their time
  bool disk_error = false;                            // a call to a disk fails: its process ends
  bool damage = false;                                // records of one node cannot be read
  // Monotonic clocks of routers run at their own pace, from their own start; wall clocks jump.
  bool clocks = false;
  size_t max_behind = 200'000;  // keys for each node, before a replica stops being tracked
  Duration between_faults = std::chrono::milliseconds(800);
  // What clients do: send again, under the same request id, what they got no answer to (R9);
  bool client_retries = false;
  bool ttl = false;  // write what expires (R8)
  // Values from a number on are large, the router has room for few, and spares few second
  // questions.
  bool large_values = false;

  static FaultMix Draw(Random& random);
  // Without those that were added later: a seed that once found a flaw still finds it.
  void LeaveOutNewer() {
    one_way = clog = slow_disk = disk_error = damage = clocks = client_retries = ttl =
        large_values = false;
  }
  std::string ToString() const;
};

struct FaultCounts {
  uint64_t messages_lost = 0;
  uint64_t messages_duplicated = 0;
  uint64_t messages_late = 0;
  uint64_t node_crashes = 0;
  uint64_t power_losses = 0;
  uint64_t router_crashes = 0;
  uint64_t partitions = 0;
  uint64_t stalls = 0;
  uint64_t wipes = 0;
  uint64_t old_copies = 0;
  uint64_t changes = 0;  // of the topology, that were begun
  uint64_t changes_refused = 0;
  uint64_t metadata_faults = 0;
  uint64_t late_transactions = 0;  // that took effect after all
  uint64_t total_losses = 0;
  uint64_t takeovers = 0;      // beside a living owner
  uint64_t removals = 0;       // ordered by one that had just taken over, and is taken over
  uint64_t pauses = 0;         // of a router
  uint64_t metadata_away = 0;  // for one router
  uint64_t leases_ended = 0;   // of routers that were alive
  uint64_t former_ended = 0;   // owners that found out that they were none any more
  uint64_t retakes = 0;        // fresh terms in mid-life of groups of several slots
  uint64_t ways_closed = 0;
  uint64_t clogs = 0;
  uint64_t slow_disks = 0;
  uint64_t disk_errors = 0;
  uint64_t damaged = 0;  // records
  uint64_t clock_jumps = 0;
  uint64_t Total() const {
    return node_crashes + power_losses + router_crashes + partitions + stalls + wipes + old_copies +
           changes + total_losses + takeovers + pauses + metadata_away + ways_closed + clogs +
           slow_disks + disk_errors + damaged + clock_jumps;
  }
};

class SimCluster {
 public:
  static constexpr uint32_t kSlots = 16;
  static constexpr Duration kTick = std::chrono::milliseconds(10);  // of a router's shard

  SimCluster(Scheduler& scheduler, Random& random, const FaultMix& mix);
  ~SimCluster();

  // The present router. Calls must be handed in by `Submit`, while it is up.
  bool RouterUp() const;
  // The generation of the router process that took it; `done` never runs if that process dies.
  uint64_t Submit(ClientCall call);
  // To this process, which is alive.
  void SubmitTo(uint64_t generation, ClientCall call);
  // Of the present router, and of one that was taken over and is still there. 0: there is none.
  uint64_t router_generation() const;
  uint64_t former_generation() const;
  bool RouterAlive(uint64_t generation) const { return RouterOf(generation) != nullptr; }
  // Where a client goes that went to `before` last. 0: nobody takes calls.
  uint64_t ChooseRouter(uint64_t before);
  SlotId SlotFor(const std::string& key) const;

  // ---- what `admin check` asks (sim_check.h) ----
  std::vector<SlotId> AllSlots() const;
  // Of a router that is down: no replicas, and no answer.
  SlotReport Describe(SlotId slot) const;
  void LookAt(LookCall call);
  // Null: the node does not answer now.
  Store* ReachableStore(int node);
  // Of the present router process.
  int NodeOf(Peer peer) const;

  Version CommittedAs(const std::string& key, Version origin);
  bool HeldByAQuorum(const std::string& key, Version version);
  // A client was given what was written to the key as version `origin`: I2, I3 and I5.
  struct Release {
    uint64_t router = 0;  // generation
    MonoTime begun;       // when the call was handed in
    bool read = false;
  };
  void OnReleased(const std::string& key, Version origin, const Release& release);
  // A key whose replicas had all lost what they had not synced: when its slot went on, and with
  // what. What clients were told before holds no more; its history is judged from there anew.
  struct Cut {
    MonoTime at;
    std::optional<std::string> value;  // nullopt: absent
    uint64_t request = 0;              // number of the request that made it so; 0: none
    std::optional<MonoTime> expires;
  };
  const std::map<std::string, std::vector<Cut>>& cuts() const { return cuts_; }

  void StartFaults();
  // No more faults; everybody comes back.
  void Heal();
  // Faults of a script.
  void KillNode(int node) { CrashNode(node, Disk::kKept); }
  void LosePower(int node) { CrashNode(node, Disk::kPowerLost); }
  void WipeNode(int node) { CrashNode(node, Disk::kWiped); }
  void CopyDisk(int node);
  void RestoreOldCopy(int node) { CrashNode(node, Disk::kOldCopy); }
  void Start(int node) { StartNode(node); }
  // Each sync of the node's disk takes so long from now on, and it does nothing else meanwhile.
  void SetSyncTime(int node, Duration time) { nodes_[node]->sync_time = time; }
  // Damages what the node's disk has of the key. False: it has nothing.
  bool CorruptRecord(int node, const std::string& key);
  // From now on what nodes ask of each other in syncs of that slot stays on its way; or all of that
  // arrives.
  void HoldQuestions(std::optional<SlotId> slot);
  // Of whom the node waits for an answer in a sync of the slot, while questions are held. -1: none.
  int AskedNode(SlotId slot, int node) const;
  // The wall clocks of routers that start from now on.
  void SetClockSkew(std::chrono::milliseconds skew) { clock_skew_ = skew; }
  // No router's wall clock was ever further from the true time, so far.
  std::chrono::milliseconds widest_clock_skew() const { return widest_clock_skew_; }
  const FaultMix& mix() const { return mix_; }
  // When a wall clock that is right says so.
  MonoTime AtWallMillis(uint64_t wall_ms) const;
  void CutOff(int node, bool cut_off) { nodes_[node]->cut_off = cut_off; }
  // With everything that was not synced.
  void LoseTail(int node) { CrashNode(node, Disk::kTailLost); }
  // Power fails everywhere at once.
  void LosePowerEverywhere();
  // An operator gives up the copies of a slot that are not to be had.
  bool AcceptLoss(SlotId slot);
  void RestartRouter();
  void StopRouter() { CrashRouter(); }
  // Another router takes over while the present one lives on.
  void TakeOver();
  void PauseRouter(uint64_t generation);
  void ResumeRouter(uint64_t generation);
  void CutRouterOff(uint64_t generation, int node, bool cut_off);
  void SetMetadataAway(uint64_t generation, bool away);
  // How one router sees the slot.
  SlotReport DescribeAt(uint64_t generation, SlotId slot) const;
  // Everything that the metadata store has, now or as it was.
  SimulatedMetadata::Contents CopyMetadata() const { return *metadata_; }
  void RestoreMetadata(const SimulatedMetadata::Contents& contents);
  // The router's operations for which this says so are lost on their way.
  using Lose = std::function<bool(int node, const v1::ReplicaOp& op)>;
  void LoseOps(Lose lose) { lose_ = std::move(lose); }
  // The answers to batches with such an operation stay on their way; or all of those arrive.
  void HoldAnswers(std::function<bool(const v1::ReplicaOp& op)> to);
  // A copy of an operation that the network has kept until now.
  void DeliverLate(int node, const v1::ReplicaOp& op);
  // What a node's disk has of a key; (0, 0): nothing.
  Version OnDisk(int node, const std::string& key) {
    return StoredVersion(*nodes_[node], key, InstanceOn(node, SlotFor(key)));
  }
  // Operators' commands. False: refused, with the reason.
  bool Change(const v1::PlanChangeRequest& change, bool force, std::string* why = nullptr);
  bool AddNode(int node, std::string* why = nullptr);
  bool RemoveNode(int node, bool force = false, std::string* why = nullptr);
  bool Order(MigrationOrder order);
  // By another router's coordinator. False: its conditions do not hold.
  bool CommitElsewhere(const MetadataTxn& txn);
  // What the metadata says.
  const ClusterState& metadata() const { return *state_; }
  std::string RowText(SlotId slot) const;
  bool Moving() const { return state_->CurrentMigration() != nullptr; }
  // The next transactions of the router meet this.
  void InjectMetadata(SimulatedMetadata::Fault fault, int times);
  // From now on transactions wait; or all that wait are carried out.
  void HoldMetadata(bool hold) { metadata_held_ = hold; }
  // The router dies; whether the transaction that is under way was done is the caller's to say.
  void CrashRouterWithTransaction(bool done);
  size_t InstancesOnDisk(int node);
  bool Up(int node) const { return nodes_[node]->up; }
  bool Serving(int node) const { return nodes_[node]->replica != nullptr; }

  // After healing and some quiet time: nothing is left undone (I12). Empty: all is well.
  std::string CheckQuiet();
  // Then, when time enough has gone by: no disk has a tombstone or an expired record any more.
  std::string CheckCollected();

  void Violate(std::string what);
  // The first violation; empty while there is none.
  const std::string& violation() const { return violation_; }
  // Some node's record of the key was damaged, ever.
  bool WasDamaged(const std::string& key) const;
  const FaultCounts& faults() const { return counts_; }
  ShardStats shard_stats() const;      // over all router processes
  ReplicaStats replica_stats() const;  // over all node processes

  void SetTrace(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }

 private:
  class Transport;
  class Data;
  struct Router;  // sim_router_process.h

  struct Node {
    std::string id;
    MemoryStore store;
    std::unique_ptr<BootSequence> boot_sequence;
    std::unique_ptr<Replica> replica;  // serves
    Boot boot;
    bool up = false;
    uint64_t generation = 0;  // processes so far
    uint64_t asking = 0;      // nonce of the registration that it waits for; 0: none
    uint64_t asks = 0;        // times that it has asked
    std::string kernel_boot_id = "k1";
    // The injector's own knowledge: slots whose instance lost something and got no vote since.
    std::set<uint32_t> lost;
    std::set<uint32_t> nothing_lost;                 // of these: where it had nothing, and may vote
    bool old_disk = false;                           // it was given one
    bool served = false;                             // ever
    std::set<uint32_t> emptied;                      // of these: all of it
    std::shared_ptr<const MemoryStore::Image> copy;  // of the disk, as it was...
    Boot copy_boot;                                  // ...under this boot
    uint64_t disks = 0;                              // so far
    bool cut_off = false;
    MonoTime stalled_until;
    Duration sync_time{};  // of its disk
    MonoTime sync_began;   // the last one that took time: it ends at stalled_until
    Duration clogged{};    // what goes to and from it takes so much more, at most
    enum class DiskFails { kNot, kAtOnce, kAfterAWrite };
    DiskFails disk_fails = DiskFails::kNot;  // with the next call that needs it
    std::unique_ptr<Scrub> scrub;            // while it serves
    // Records that could not be read when last looked at, by key: of which instance, and what they
    // were. Nothing but a mend changes them.
    struct Damaged {
      Incarnation inc;
      Version version;
    };
    std::map<std::string, Damaged> damaged;
    std::set<std::string> ever_damaged;
    // When it promised which terms, by group. It only grows.
    std::map<uint32_t, std::map<uint32_t, MonoTime>> promised;
    std::set<std::pair<uint32_t, uint64_t>> retired;  // (slot, inc) that it said it has retired
    ReplicaStats past_stats;
  };

  // ---- network ----
  // An end of a way: a node's number, or all routers.
  static constexpr int kRouters = -1;
  void Deliver(int from, int to, std::function<void()> arrive);
  // Between this router and a node.
  void ToNode(const Router& router, int node, std::function<void()> arrive);
  void FromNode(int node, uint64_t router, std::function<void()> arrive);
  bool IsClosed(int from, int to) const { return closed_.contains({from, to}); }
  bool Reaches(const Router* router, int node) const;
  void SendQuestions(int node);
  // `asker`: generation of the process that asked.
  void OnQuestion(int from, int to, const v1::ReplicaOp& op, uint64_t asker);
  Duration DrawDelay(int from, int to);
  void Flush(Router& router);
  void OnBatch(int node, const v1::ReplicaBatch& batch, uint64_t router);
  void PollLink(int node);
  void PollLink(Router& router, int node);

  // ---- routers ----
  Router* RouterOf(uint64_t generation) const;
  Router* AnyRouter();
  // Something comes in: if that process is still there, and when it is not paused any more.
  void OnRouter(uint64_t generation, std::function<void(Router&)> event);
  void StartRouter();
  void CrashRouter();
  void OnRouterFailed(uint64_t generation, const Status& why);
  void EndRouter(std::unique_ptr<Router>& router);
  bool ManualMetadata() const { return mix_.topology || mix_.takeover; }
  void ScheduleMetadata(Router& router);
  void StepMetadata(Router& router);
  void StepStore(Router& router);
  void LookAtMetadata();
  void CheckRows(const ClusterState& before);
  std::string DescribeMoves() const;
  void RouterEvent(Router& router, const std::function<void()>& event);
  void ArmTimer(Router& router);

  // ---- nodes ----
  void StartNode(int node);
  enum class Disk { kKept, kPowerLost, kTailLost, kWiped, kOldCopy };
  void CrashNode(int node, Disk disk);
  void NewDisk(int node);
  void TakeStep(int node, const std::function<Result<BootStep>()>& take);
  void Ask(int node, const v1::RegisterRequest& request);
  void SyncLoop(int node, uint64_t generation);
  void SweepLoop(int node, uint64_t generation);
  void ScrubLoop(int node, uint64_t generation);
  // Calls what uses the node's disk, which may fail. False: it did, and the process has ended.
  bool WithDisk(int node, const std::function<Status()>& call);
  void CrashForAWhile(int node, Disk disk, Duration outage);

  void DropLater(int node);
  Incarnation InstanceOn(int node, SlotId slot) const;
  bool Names(SlotId slot, const std::string& node, uint64_t inc) const;

  // ---- faults and checks ----
  void ChangeTopology();
  void NoteRetired(int node, const v1::ReplicaBatch& batch,
                   const std::vector<v1::ReplicaOpReply>& replies);
  void ForgetLostElsewhere(Node& node);
  void NextFault();
  void InjectFault();
  int ChooseNode(bool loses, bool what_it_had);
  void PutOldCopyBack(int node, Duration outage);
  void CloseWays(Duration outage);
  void Clog(int node, Duration outage);
  void SlowDisk(int node, Duration outage);
  void DamageRecords(int node);
  void JumpClock();
  void ForgetMended(Node& node);
  bool IsDamaged(Node& node, const std::string& key);
  // What is there of the key, or what it was before it was damaged.
  bool HoldsOrHeld(Node& node, const std::string& key, Incarnation inc, Version version);
  void LoseAllPower();
  void TakeOverForAWhile(Duration outage);
  void TakeOverAndRemove(Duration outage);
  void PauseForAWhile(uint64_t router, Duration outage);
  void SendMetadataAway(uint64_t router, Duration outage);
  Duration DrawOutage();
  void CheckSent(const Router& router, const v1::ReplicaOp& op);
  bool IsCollectedAs(SlotId slot, const v1::Record& record, const std::string& written);
  void CheckNoSecondTime(const Router& router, const std::string& key, const v1::Record& record);
  void CheckCommitted(const std::string& key, bool released);
  void CheckClean(const std::string& key);
  void CheckClean(const Router& router, const std::string& key);
  bool MayReadAlone(const Router& router, const SlotReport& report, const Node& node);
  int PromisedLater(SlotId slot, uint32_t term, MonoTime before);
  Incarnation IncOf(const Node& node, SlotId slot) const;
  std::vector<Node*> Holders(SlotId slot);
  bool AllLost(SlotId slot);
  bool GoesOnAfterALoss(SlotId slot, uint32_t term);
  std::set<std::string> KeysOf(SlotId slot);
  void NoteWhatIsLeft(SlotId slot, const std::vector<Node*>& of);
  void NoteWhatIsLeft(const std::string& key, const std::vector<Node*>& of);
  static Version WrittenAs(const std::optional<v1::Record>& record);
  void NoteLateApplies(const v1::ReplicaBatch& batch);
  void CheckEqualEverywhere(const Router& router, SlotId slot);
  void CheckUnited(const Router* router, SlotId slot, int first);
  void CheckFencing(const std::string& key, const Release& release);
  std::map<uint32_t, v1::DiskPromise> PromisesOf(Node& node, const v1::ReplicaBatch& batch);
  void CheckServed(int node, const std::map<uint32_t, v1::DiskPromise>& promises,
                   const v1::ReplicaBatch& batch, const std::vector<v1::ReplicaOpReply>& replies);
  void CheckAllLoop();
  std::string DescribeUnfinished() const;
  std::vector<v1::ReplicaOpReply> WrittenBeforeTheError(int node, const v1::ReplicaBatch& batch);
  void NoteReinstated(const Router* router, int node, const v1::ReplicaBatch& batch,
                      const std::vector<v1::ReplicaOpReply>& replies);
  void CheckFloor(const v1::ReplicaOp& op);
  Floor FloorOf(Node& node, SlotId slot, Incarnation inc);
  // A key that is not there has the version of the floor.
  Version StoredVersion(Node& node, const std::string& key, Incarnation inc);
  std::optional<v1::Record> StoredRecord(Node& node, const std::string& key, Incarnation inc);
  void Trace(const std::function<std::string()>& text);

  Scheduler& scheduler_;
  Random& random_;
  const FaultMix mix_;
  FaultCounts counts_;
  bool faults_on_ = false;
  std::function<void(const std::string&)> trace_;
  std::string violation_;

  std::set<std::pair<int, int>> closed_;  // ways, from and to
  Lose lose_;
  std::function<bool(const v1::ReplicaOp& op)> hold_answers_;
  std::vector<std::function<void()>> held_answers_;
  struct Question {
    int from = 0;
    int to = 0;
    std::shared_ptr<v1::ReplicaOp> op;
    uint64_t asker = 0;  // generation
  };
  std::optional<SlotId> hold_questions_;
  std::vector<Question> held_questions_;
  std::chrono::milliseconds clock_skew_{};
  std::chrono::milliseconds widest_clock_skew_{};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::shared_ptr<SimulatedMetadata::Contents> metadata_;
  std::optional<ClusterState> state_;  // what is in the metadata store now
  bool metadata_held_ = false;
  bool metadata_changed_ = false;   // by none of the routers that are there
  std::unique_ptr<Router> router_;  // null: it is down
  std::unique_ptr<Router> former_;  // was taken over, and is still there
  uint64_t last_generation_ = 0;
  ShardStats past_stats_;

  std::map<std::string, std::string> values_;  // I1: "slot/key/version" -> record
  std::set<SlotId> loss_accepted_;
  std::map<std::string, Version> committed_;      // highest version known committed, by key
  std::map<std::string, std::vector<Cut>> cuts_;  // by key
  // Of slots whose replicas have all lost something: the highest version left anywhere, and which
  // write it is of.
  struct Left {
    Version version;
    Version origin;
    bool dead = true;
    uint64_t expires_at_ms = 0;
  };
  std::map<std::string, Left> left_;
  std::set<std::pair<SlotId, uint32_t>> united_;  // (slot, term) in which an owner made a union
  std::map<SlotId, uint32_t> told_;  // last term under which a replica was told to vote again
  // Versions under which owners wrote a (key, origin) back.
  std::map<std::pair<std::string, Version>, std::set<Version>> write_backs_;
};

}  // namespace ringkv
