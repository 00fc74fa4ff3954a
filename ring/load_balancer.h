// LoadBalancer: which server takes a key's request. It keeps who there is, routes by a ring, steps
// over servers that take no requests, and counts what is in flight.
//
// Modes
//  any  for servers that hold no data: the balancer keeps a ring of its own (RF 1, a server's
//       weight being its vnodes). A key goes to the server of its slot, its home. While that takes
//       no requests the key goes to its stand-in: the homes of other slots, drawn by hashing
//       (token, attempt), in the order of first appearance. A slot drawn at random is at home with
//       each server by weight, so this is successive weighted sampling without replacement, the
//       order that weighted rendezvous hashing gives too (Thaler, Ravishankar, 1998; Schindelhauer,
//       Schomaker, 2005), at O(1) a look-up instead of O(servers). It is the same each time: when a
//       server goes down exactly its keys move, to all others by weight, and they come back with
//       it. It is drawn for each key, not for each slot, for a server's slots are too few to be
//       shared out evenly. Where no draw meets a server that will do, all are looked at, in
//       weighted rendezvous order: one server online among thousands is found.
//  row  for servers that hold the slots: candidates are the replicas of the key's slot, in the
//  order
//       of the row, by a ring that is given (SetRing). A replica that is not registered here counts
//       as offline. Callers that know better which replicas will do pick among them (PickAmong).
//
// Bounded loads (`bound` c > 1; Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded
// Loads", SODA 2018): of m requests in flight a server with weight w of the online ones' W takes at
// most ceil(c × (m + 1) × w / W); the overflow goes to the key's next candidate. With several
// threads m is what was in flight at some moment of the look-up, or less, so that the bound errs to
// the strict side. Only where no candidate has room (in row mode, or in a race) is it passed: by
// the one that is least loaded for its weight.
//
// Thread-safety: everything from any thread; changes take a mutex, look-ups never do. A Picker
// belongs to one thread at a time and shares nothing that it writes, unless loads are bounded.
// Pickers, leases and watches end before their balancer. Memory: the ring, and 16 bytes for each
// server and picker.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/snapshot_publisher.h"
#include "base/status.h"
#include "ring/balanced_server.h"
#include "ring/planner.h"
#include "ring/request_counts.h"
#include "ring/ring.h"
#include "ring/service_discovery.h"

namespace ringkv {

struct LoadBalancerOptions {
  enum class Mode { kAny, kRow };
  static constexpr double kMaxBound = 100;

  Mode mode = Mode::kAny;
  uint32_t slots = 4096;      // kAny: of its ring; 64 for each server there will ever be is good
  double bound = 0;           // c of bounded loads, above 1 and at most kMaxBound; 0: no bound
  uint64_t min_capacity = 1;  // a server with fewer in flight always has room
};

// Ok, or InvalidArgument that says what is wrong.
Status CheckLoadBalancerOptions(const LoadBalancerOptions& options);

struct ServerStatus {
  NodeId id;
  std::string address;
  uint32_t weight = 0;
  ServerState state = ServerState::kOnline;
  uint64_t in_flight = 0;
  uint64_t total = 0;  // requests since it was registered
};

class LoadBalancer {
 public:
  class Picker;

  // Needs options that CheckLoadBalancerOptions accepts.
  explicit LoadBalancer(const LoadBalancerOptions& options);
  ~LoadBalancer();
  LoadBalancer(const LoadBalancer&) = delete;
  LoadBalancer& operator=(const LoadBalancer&) = delete;

  // ---- who there is ----
  // A new server is online. InvalidArgument: bad id, address or weight (1 to kMaxVnodes). Refused:
  // the id is there already, or there are too many. Each of the others: NotFound for an id that is
  // not there.
  Status RegisterServer(std::string_view id, std::string_view address, uint32_t weight = 128);
  // Requests in flight there go on.
  Status UnregisterServer(std::string_view id);
  // Moves as few keys as the weights say.
  Status SetWeight(std::string_view id, uint32_t weight);
  // The server is at another place from now on, and its counts begin anew; no key moves.
  Status SetAddress(std::string_view id, std::string_view address);
  Status MarkUp(std::string_view id) { return SetState(id, ServerState::kOnline); }
  Status MarkDown(std::string_view id) { return SetState(id, ServerState::kOffline); }
  Status MarkDraining(std::string_view id) { return SetState(id, ServerState::kDraining); }

  Result<ServerStatus> GetServerStatus(std::string_view id) const;
  std::vector<ServerStatus> Servers() const;  // by id
  Result<ServerRef> Find(std::string_view id) const;

  // kRow only (else Refused). Never null.
  Status SetRing(std::shared_ptr<const Ring> ring);

  // Applies all of it that makes sense; the first error, if something does not. Servers that were
  // registered by hand are left alone.
  Status Apply(const DiscoveryUpdate& update);
  // Applies all updates until the watch ends; what makes no sense is logged.
  [[nodiscard]] std::unique_ptr<ServiceDiscovery::Watch> Follow(ServiceDiscovery& discovery);

  // ---- look-ups ----
  // From any thread, by a picker of a small pool. NotFound: there is no server (kAny) or no ring
  // (kRow). Unavailable: none of the candidates is online.
  Result<ServerLease> GetServerForKey(std::string_view key);

 private:
  // The servers by NodeIndex of the ring: pages that copies share. Changed, copied and destroyed
  // under mutex_ only.
  class ServerPages {
   public:
    // Null: none there.
    BalancedServer* operator[](NodeIndex node) const;
    void Set(NodeIndex node, ServerRef server);

   private:
    static constexpr uint32_t kPerPage = 256;
    using Page = std::array<ServerRef, kPerPage>;
    std::vector<std::shared_ptr<Page>> pages_;  // copied before a change, if shared
  };
  // What look-ups read.
  struct Table {
    std::shared_ptr<const Ring> ring;  // null: there is none
    ServerPages servers;
  };
  struct Entry {
    ServerRef server;
    bool discovered = false;
  };
  struct SharedPicker;

  // All need mutex_.
  Result<Entry*> EntryOf(std::string_view id);
  Status Add(std::string_view id, std::string_view address, uint32_t weight, bool discovered);
  Status Remove(const NodeId& id);
  Status Reweigh(Entry& entry, uint32_t weight);
  Status Readdress(Entry& entry, std::string_view address);
  void Restate(BalancedServer& server, ServerState state);
  Status ApplyOne(const DiscoveredServer& server);
  Result<ServerRef> MakeServer(NodeId id, std::string_view address, uint32_t weight);
  void CollectBuried();
  // Puts it into the table, if the ring has a node of that id.
  void Place(const NodeId& id, ServerRef server);
  // kAny: the table's ring is the planned one from now on.
  Status Planned(Result<PlannedChange> change);
  void Publish();
  ServerStatus StatusOf(const BalancedServer& server) const;

  Status SetState(std::string_view id, ServerState state);
  bool bounded() const { return bound_permille_ != 0; }
  bool any() const { return options_.mode == LoadBalancerOptions::Mode::kAny; }

  const LoadBalancerOptions options_;
  const uint64_t bound_permille_;  // 0: no bound
  RequestCounts counts_;
  std::atomic<uint64_t> online_weight_{0};  // written under mutex_
  // Over all servers; counted only where loads are bounded.
  alignas(kCacheLineBytes) std::atomic<uint64_t> in_flight_{0};
  SnapshotPublisher<Table> tables_;  // begins a cache line of its own

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<NodeId, Entry, std::less<>> servers_;
  std::optional<Planner> planner_;  // kAny, and there is a server
  Table next_;                      // as published, or about to be
  std::vector<ServerRef> buried_;   // gone; look-ups or leases may still use them
  std::vector<ServerNumber> free_numbers_;
  uint32_t next_number_ = 0;

  std::vector<std::unique_ptr<SharedPicker>> pool_;  // constant
};

// Look-ups of one thread, with counters of its own.
class LoadBalancer::Picker {
 public:
  explicit Picker(LoadBalancer& balancer);
  ~Picker();
  Picker(const Picker&) = delete;
  Picker& operator=(const Picker&) = delete;

  // As LoadBalancer::GetServerForKey.
  Result<ServerLease> GetServerForKey(std::string_view key);

  // For callers that know better which servers will do and hold a ServerRef of each: of at most 32
  // the first that is eligible (bit i: place i), online and has room; else, of those eligible and
  // online, the least loaded for its weight.
  struct Choice {
    int place = -1;  // none is eligible and online
    ServerLease lease;
  };
  Choice PickAmong(std::span<BalancedServer* const> row, uint32_t eligible);

  // Counts a request that goes there whatever this balancer thinks.
  ServerLease Count(BalancedServer& server);

  // Around a time in which the thread makes no look-up by key, so that it does not hold back the
  // memory of earlier rings.
  void Offline() { reader_.Offline(); }
  void Online() { reader_.Online(); }

 private:
  // What is in flight, as bounded loads look at it.
  struct Load;

  Load ReadLoad() const;
  bool Take(BalancedServer& server, const Load& load) const;
  BalancedServer* TakeAny(const Table& table, Token token) const;
  BalancedServer* TakeByScan(const Table& table, Token token, const Load& load) const;
  int TakeInRow(std::span<BalancedServer* const> row) const;
  ServerLease Lease(BalancedServer& server);

  LoadBalancer& balancer_;
  SnapshotReader<Table> reader_;
  RequestCounts::Stripe& stripe_;
};

}  // namespace ringkv
