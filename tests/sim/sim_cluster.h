// A cluster in one thread and virtual time: one router (the real Shard over the real metadata
// transactions), nodes (the real BootSequence and Replica over MemoryStore), and a network and
// disks that fail as the seed says. Everything random comes from one generator: a seed is a run.
//
// It also knows what it did to whom, and checks at each step (docs/protocol.md, "Invariants"):
//   I1  one value for each (key, version);
//   I3  every quorum of replicas that lost nothing holds each committed version;
//   I5  a value given to a client is held by a quorum.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "kvnode/boot_sequence.h"
#include "kvnode/memory_store.h"
#include "kvnode/replica.h"
#include "router/cluster_state.h"
#include "router/shard.h"
#include "router/simulated_metadata.h"
#include "tests/sim/scheduler.h"

namespace ringkv {

// What may go wrong in a run; drawn from its seed ("swarm testing": Groce et al., 2012).
struct FaultMix {
  int nodes = 3;
  int replicas = 3;
  bool synced_writes = false;  // durability `sync`, else `periodic`
  double loss = 0;             // of a message
  double duplication = 0;
  Duration delay = std::chrono::microseconds(200);
  double long_delay = 0;    // chance of a delay up to 300 ms: reordering
  bool node_crash = false;  // the process dies
  bool power_loss = false;  // the unsynced tail goes
  bool router_crash = false;
  bool partition = false;  // one node cut off from the router
  bool stall = false;      // a node does nothing for a while
  Duration between_faults = std::chrono::milliseconds(800);

  static FaultMix Draw(Random& random);
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
  uint64_t Total() const {
    return node_crashes + power_losses + router_crashes + partitions + stalls;
  }
};

class SimCluster {
 public:
  SimCluster(Scheduler& scheduler, Random& random, const FaultMix& mix);
  ~SimCluster();

  // Null while the router is down. Calls must be handed in by `Submit`.
  bool RouterUp() const { return shard_ != nullptr; }
  // The generation of the router process that took it; `done` never runs if that process dies.
  uint64_t Submit(ClientCall call);
  uint64_t router_generation() const { return router_generation_; }
  SlotId SlotFor(const std::string& key) const;

  // A client was given this version of the key: I3 and I5.
  void OnReleased(const std::string& key, Version version);

  void StartFaults();
  // No more faults; everybody comes back.
  void Heal();
  // After healing and some quiet time: nothing is left undone (I12). Empty: all is well.
  std::string CheckQuiet();

  // The first violation; empty while there is none.
  const std::string& violation() const { return violation_; }
  const FaultCounts& faults() const { return counts_; }
  ShardStats shard_stats() const;      // over all router processes
  ReplicaStats replica_stats() const;  // over all node processes

  void SetTrace(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }

 private:
  static constexpr uint32_t kSlots = 16;
  class Transport;

  struct Node {
    std::string id;
    MemoryStore store;
    std::unique_ptr<BootSequence> boot_sequence;
    std::unique_ptr<Replica> replica;  // serves
    Boot boot;
    bool up = false;
    uint64_t generation = 0;  // processes so far
    uint64_t asking = 0;      // nonce of the registration that it waits for
    std::string kernel_boot_id = "k1";
    bool lost_writes = false;  // the injector's own knowledge: must never vote again
    bool cut_off = false;
    MonoTime stalled_until;
    // As the router's link to it stands.
    bool connected = false;
    Boot connected_boot;
    ReplicaStats past_stats;
  };

  // ---- network ----
  void Deliver(int node, std::function<void()> arrive);
  Duration DrawDelay();
  void Flush();
  void OnBatch(int node, const v1::ReplicaBatch& batch);
  void PollLink(int node);

  // ---- router ----
  void StartRouter();
  void CrashRouter();
  void RouterEvent(const std::function<void()>& event);
  void ArmTimer();

  // ---- nodes ----
  void StartNode(int node);
  void CrashNode(int node, bool lose_power);
  void TakeStep(int node, Result<BootStep> step);
  void Ask(int node, const v1::RegisterRequest& request);
  void SyncLoop(int node, uint64_t generation);

  // ---- faults and checks ----
  void NextFault();
  void InjectFault();
  void CheckOneValue(const v1::ReplicaOp& op);
  void CheckCommitted(const std::string& key, bool released);
  Version StoredVersion(Node& node, const std::string& key);
  void Violate(std::string what);
  void Trace(const std::function<std::string()>& text);

  Scheduler& scheduler_;
  Random& random_;
  const FaultMix mix_;
  FaultCounts counts_;
  bool faults_on_ = false;
  std::function<void(const std::string&)> trace_;
  std::string violation_;

  std::vector<std::unique_ptr<Node>> nodes_;
  std::shared_ptr<SimulatedMetadata::Contents> metadata_;
  std::optional<ClusterState> state_;  // the router's
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<LoadBalancer> balancer_;
  std::unique_ptr<Shard> shard_;
  uint64_t router_generation_ = 0;
  MonoTime timer_at_ = kNever;
  ShardStats past_stats_;

  std::map<std::string, std::string> values_;  // I1: "slot/key/version" -> record
  std::map<std::string, Version> committed_;   // highest version known committed, by key
};

}  // namespace ringkv
