// The control loop's state: what the cluster is, that this router owns it, and which nodes are
// there.
//
//   load ──▶ (none yet: form, load again) ──▶ take ownership ──▶ serving ◀──▶ one transaction at a
//   time: a registration, an operator's command, or the next step of what moves
//
// A metadata store that does not answer is asked again; a transaction whose outcome is unknown, or
// that found something else than it expected, is followed by a new load. What cannot be repaired by
// asking again (a configuration to form a cluster of that makes no sense, metadata that cannot be
// read, another owner) ends it with `on_fatal`.
//
// Guarantees
//  1. The gate is opened only after this router's ownership was committed and handed to the data
//  plane.
//  2. A node's reply leaves only after its transaction was committed, and after the data plane was
//  told where the node is; so nobody can meet it before it is expected.
//  3. At most one registration of a node waits beside the one under way, and at most `max_waiting`
//  of all; more are told to try again.
//  4. With a store whose leases end (membership_lease.cc), the data plane is told of a lease only
//     once this router is known to have been the owner while it held it.
//  5. Registrations, retakes, commands and moves take turns: none keeps another from going on.
//  6. No copy leaves a row, and none is given up, as long as an earlier owner may still read it
//     by itself (R1): whoever takes over next waits only for those that the rows name.
//
// Thread-compatible: the control loop owns it; `view` from any thread.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config_values.h"
#include "base/random.h"
#include "base/timers.h"
#include "ringkv/v1/replica.pb.h"
#include "router/cluster_state.h"
#include "router/cluster_txns.h"
#include "router/data_plane.h"
#include "router/metadata_store.h"
#include "router/migration_txns.h"
#include "router/serving_gate.h"
#include "router/slot_mover.h"

namespace ringkv {

struct MembershipOptions {
  std::string router;  // this router's id
  // What a cluster is formed of if there is none.
  std::vector<NodeEntry> nodes;
  uint32_t replicas = 3;
  uint32_t slots = 4096;

  MoveLimits moves;
  Duration retry = std::chrono::milliseconds(500);
  // When a transaction whose outcome was unknown is looked for again: it may take effect after the
  // metadata was read.
  Duration doubt = std::chrono::seconds(5);
  size_t max_waiting = 1024;
  // How much earlier than the store the holder takes its lease for over, beside a hundredth of it:
  // the clocks of two machines need not run alike, and an answer takes a moment to leave.
  Duration lease_margin = std::chrono::milliseconds(200);
};

// What is known of the cluster, as of one moment. An immutable value.
struct ClusterView {
  std::string router;
  std::shared_ptr<const ClusterState> state;  // null: no cluster is known yet
  std::vector<std::string> peers;             // node ids, by Peer
  std::map<std::string, MonoTime> heard;      // when nodes asked last that are no members
};

class Membership {
 public:
  using RegisterDone = std::function<void(Result<v1::RegisterReply>)>;
  using ChangeDone = std::function<void(Result<uint64_t>)>;  // id of the migration
  using Done = std::function<void(Status)>;

  // Borrows all.
  Membership(MembershipOptions options, const Clock& clock, MetadataStore& store, DataPlane& data,
             ServingGate& gate, Random random, std::function<void(Status)> on_fatal);

  void Start();
  void Register(v1::RegisterRequest request, RegisterDone done);
  // Errors: StartMigration's and OrderMigration's; Unavailable, if nothing was changed;
  // UnknownOutcome.
  void StartChange(MigrationStart start, ChangeDone done);
  void OrderChange(uint64_t migration, MigrationOrder order, ChangeDone done);
  // What slots want of the metadata.
  void OnRowRequests(const std::vector<RowRequest>& requests);
  // R11: takes the group again, under a fresh term, unless that has happened since it was asked
  // for.
  void NeedTerm(TermRequest request);
  // R11: goes on with these slots without the copies that are given up. Refused: they have changed.
  // UnknownOutcome: the metadata store does not say.
  void AcceptLoss(std::vector<AcceptedLoss> losses, Done done);

  MonoTime NextDue() const { return timers_.NextDue(); }
  void RunDue() { timers_.RunDue(clock_.Now()); }

  bool serving() const { return phase_ == Phase::kServing; }
  std::shared_ptr<const ClusterView> view() const;

 private:
  // Transactions for one request, each on what the one before has found.
  static constexpr size_t kMaxAttempts = 5;

  enum class Phase { kStarting, kServing, kFailed };
  struct Waiting {
    v1::RegisterRequest request;
    RegisterDone done;
    size_t attempts = 0;
    bool in_flight = false;  // a transaction was begun for it
  };

  struct Command {
    std::function<Result<StartedMigration>(const ClusterState&)> plan;
    ChangeDone done;
    size_t attempts = 0;
  };
  // Groups that this router owns are taken again (membership_retake.cc).
  struct Retake {
    std::optional<TermRequest> asked;  // for this; else `losses`
    std::vector<GroupId> groups;
    std::vector<SlotId> united;
    std::vector<AcceptedLoss> losses;
    Done done;  // may be empty
    // Owners of the groups, by attempt. Any of them may be what the metadata says in the end: what
    // was in doubt may be applied after it was tried again.
    std::vector<std::vector<uint64_t>> tried;
  };

  // ---- the lease (membership_lease.cc) ----
  void RenewLease();
  void OnLease(MonoTime sent, bool as_owner, Result<Lease> answer);
  void ConfirmLease(uint64_t session);
  void NotePredecessors(const Lease& lease);
  void LookForATakeover();

  void Load();
  void OnLoaded(Result<MetadataStore::Entries> entries);
  void Form();
  void Take();
  void OnTaken(const MetadataTxn& txn, Result<bool> result);
  void Serve();
  bool StillOwner() const;
  void LoadInDoubt();
  void RetryLater(const Status& why);
  void Fail(Status why);

  void Pump();
  bool BeginNext();  // false: nothing is to be done
  void BeginFirst();
  // That nobody else is the owner.
  void ExpectOwnership(MetadataTxn* txn) const;
  void OnRegistered(const MetadataTxn& txn, v1::RegisterReply reply, Result<bool> result);
  void AnswerFirst(Result<v1::RegisterReply> reply);

  void BeginCommand();
  void OnCommanded(const MetadataTxn& txn, uint64_t id, Result<bool> result);
  void AnswerCommand(Result<uint64_t> id);
  bool MayChangeRows() const;
  bool BeginMove();
  void OnMoved(const MetadataTxn& txn, Result<bool> result);
  bool Apply(const MetadataTxn& txn);

  // Peers, links and rows: what the data plane has to know of the state, against what it was.
  void TellChanges(const ClusterState& before);
  SlotGrant GrantOf(const v1::SlotPlacement& row) const;
  void BeginRetake();
  void OnRetaken(const MetadataTxn& txn, Result<bool> result);
  void FinishRetake(const std::vector<uint64_t>& owners);
  const std::vector<uint64_t>* OwnersAfterRetake() const;
  void AnswerRetake(const Status& status);

  void TellPeer(const v1::NodeRecord& node);
  GroupGrant GrantOf(const v1::GroupOwnership& group) const;
  void WarnOfIgnoredConfiguration() const;
  void LogOutcome(const v1::RegisterRequest& request, const v1::RegisterReply& reply) const;
  void Publish();

  const MembershipOptions options_;
  const Clock& clock_;
  MetadataStore& store_;
  DataPlane& data_;
  ServingGate& gate_;
  Random random_;
  const std::function<void(Status)> on_fatal_;

  Phase phase_ = Phase::kStarting;
  std::shared_ptr<const ClusterState> state_;
  std::map<std::string, Peer> peers_;
  std::vector<std::string> peer_names_;  // by Peer
  std::vector<uint64_t> owners_;         // ours, by group
  std::map<std::string, MonoTime> heard_;
  std::deque<Waiting> waiting_;
  std::deque<Retake> retakes_;
  std::deque<Command> commands_;
  SlotMover mover_;
  MonoTime next_move_;                  // not before: the store did not take the last one
  std::array<Timers::Id, 2> doubts_{};  // LoadInDoubt; 0: none
  bool busy_ = false;                   // a transaction or a load is under way
  bool load_wanted_ = false;
  // With a store whose leases end.
  struct {
    Timers::Id timer = 0;
    uint64_t asks = 0;
    uint64_t session = 0;  // as the store said last; 0: none yet
    MonoTime until;        // of that session, as the last renewal has it
    // The session that was known when the load or the taking that is under way was begun, and the
    // one under which this router was seen to be the owner.
    uint64_t asked = 0;
    uint64_t confirmed = 0;
    // Sessions of others that held when this router had just taken over, and do still.
    std::optional<std::vector<uint64_t>> predecessors;
    bool predecessors_gone = false;
  } lease_;
  bool pumping_ = false;
  int turn_ = 0;  // kind of transaction that is looked for first (BeginNext)
  Timers timers_;

  mutable std::mutex view_mutex_;
  std::shared_ptr<const ClusterView> view_;  // guarded by view_mutex_
};

}  // namespace ringkv
