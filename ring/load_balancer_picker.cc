// The load balancer's look-ups: without locks, in the order that load_balancer.h describes.
#include <cmath>
#include <functional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "ring/load_balancer.h"

namespace ringkv {
namespace {

// Draws before all servers are looked at. With a tenth of the weight online 97 of 100 keys find
// their server among them.
constexpr int kDraws = 32;
// Times that a scan begins anew because others were faster at the last place.
constexpr int kScans = 4;
// Of GetServerForKey without a picker; more threads at once take turns.
constexpr size_t kSharedPickers = 16;

Status NoneOnline(std::string_view of_what) {
  return Status::Unavailable("no server " + std::string(of_what) + "is online");
}

// a.taken / a.weight < b.taken / b.weight
bool LessLoaded(const BalancedServer& a, const BalancedServer& b) {
  return a.taken() * b.weight() < b.taken() * a.weight();
}

}  // namespace

struct alignas(kCacheLineBytes) LoadBalancer::SharedPicker {
  std::atomic<bool> busy{false};
  std::optional<Picker> picker;  // whoever set `busy` may use it; made for the first who does
};

// scaled = 1000 c × (m + 1), divisor = 1000 W, in whole numbers: the same everywhere.
struct LoadBalancer::Picker::Load {
  uint64_t scaled = 0;  // 0: no bound
  uint64_t divisor = 1;
  uint64_t min_capacity = 0;

  bool bounded() const { return scaled != 0; }
  uint64_t CapacityOf(uint64_t weight) const {
    return std::max(min_capacity, (scaled * weight + divisor - 1) / divisor);
  }
};

LoadBalancer::LoadBalancer(const LoadBalancerOptions& options)
    : options_(options),
      bound_permille_(static_cast<uint64_t>(std::llround(options.bound * 1000))),
      tables_(std::make_shared<const Table>()) {
  const Status status = CheckLoadBalancerOptions(options);
  RINGKV_CHECK(status.ok(), status.message());
  for (size_t i = 0; i < kSharedPickers; ++i) pool_.push_back(std::make_unique<SharedPicker>());
}

LoadBalancer::~LoadBalancer() {
  pool_.clear();
  for (const auto& [id, entry] : servers_) buried_.push_back(entry.server);
  for (const ServerRef& server : buried_) {
    RINGKV_CHECK(counts_.Of(server->number()).in_flight() == 0, "leases end before their balancer");
  }
}

BalancedServer* LoadBalancer::ServerPages::operator[](NodeIndex node) const {
  const size_t page = node.value() / kPerPage;
  if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
  return (*pages_[page])[node.value() % kPerPage].get();
}

Result<ServerLease> LoadBalancer::GetServerForKey(std::string_view key) {
  static thread_local const size_t start = std::hash<std::thread::id>()(std::this_thread::get_id());
  for (size_t i = start;; ++i) {
    SharedPicker& shared = *pool_[i % pool_.size()];
    // Acquire, and release below: what the last thread counted is seen by the next.
    if (shared.busy.exchange(true, std::memory_order_acquire)) {
      if ((i - start) % pool_.size() == pool_.size() - 1) std::this_thread::yield();
      continue;
    }
    if (shared.picker) {
      shared.picker->Online();
    } else {
      shared.picker.emplace(*this);
    }
    Result<ServerLease> lease = shared.picker->GetServerForKey(key);
    shared.picker->Offline();
    shared.busy.store(false, std::memory_order_release);
    return lease;
  }
}

LoadBalancer::Picker::Picker(LoadBalancer& balancer)
    : balancer_(balancer), reader_(balancer.tables_), stripe_(balancer.counts_.Claim()) {}

LoadBalancer::Picker::~Picker() { balancer_.counts_.Release(stripe_); }

Result<ServerLease> LoadBalancer::Picker::GetServerForKey(std::string_view key) {
  // Counting what is found makes the server stay; so the table is let go at once, after it.
  struct LetGo {
    SnapshotReader<Table>& reader;
    ~LetGo() { reader.Quiescent(); }
  } let_go{reader_};
  const Table& table = reader_.value();
  const Token token = TokenOf(key);
  if (balancer_.any()) {
    if (table.ring == nullptr) return Status::NotFound("no server is registered");
    BalancedServer* server = TakeAny(table, token);
    if (server == nullptr) return NoneOnline("");
    return Lease(*server);
  }
  if (table.ring == nullptr) return Status::NotFound("no ring was given");
  const SlotId slot = SlotOf(token, table.ring->slots());
  std::array<BalancedServer*, kMaxReplicas> row{};
  uint32_t places = 0;
  for (NodeIndex node : table.ring->Replicas(slot)) row[places++] = table.servers[node];
  const int place = TakeInRow({row.data(), places});
  if (place < 0) return NoneOnline("of slot " + std::to_string(slot.value()) + " ");
  return Lease(*row[place]);
}

LoadBalancer::Picker::Choice LoadBalancer::Picker::PickAmong(std::span<BalancedServer* const> row,
                                                             uint32_t eligible) {
  std::array<BalancedServer*, 32> places{};
  RINGKV_CHECK(row.size() <= places.size(), "a mask has 32 bits");
  for (size_t i = 0; i < row.size(); ++i) {
    if (eligible & (uint32_t{1} << i)) places[i] = row[i];
  }
  Choice choice;
  choice.place = TakeInRow({places.data(), row.size()});
  if (choice.place >= 0) choice.lease = Lease(*places[choice.place]);
  return choice;
}

ServerLease LoadBalancer::Picker::Count(BalancedServer& server) {
  if (balancer_.bounded()) server.TakePlace();
  return Lease(server);
}

ServerLease LoadBalancer::Picker::Lease(BalancedServer& server) {
  return ServerLease(&server, &stripe_, balancer_.bounded() ? &balancer_.in_flight_ : nullptr);
}

LoadBalancer::Picker::Load LoadBalancer::Picker::ReadLoad() const {
  Load load;
  if (!balancer_.bounded()) return load;
  load.scaled =
      balancer_.bound_permille_ * (balancer_.in_flight_.load(std::memory_order_relaxed) + 1);
  load.divisor =
      1000 * std::max<uint64_t>(1, balancer_.online_weight_.load(std::memory_order_relaxed));
  load.min_capacity = balancer_.options_.min_capacity;
  return load;
}

// True: it is online and has room, and where loads are bounded, a place there is taken.
bool LoadBalancer::Picker::Take(BalancedServer& server, const Load& load) const {
  if (server.state() != ServerState::kOnline) return false;
  return !load.bounded() || server.TakePlaceBelow(load.CapacityOf(server.weight()));
}

BalancedServer* LoadBalancer::Picker::TakeAny(const Table& table, Token token) const {
  const Load load = ReadLoad();
  const Ring& ring = *table.ring;
  auto home = [&](Token at) { return table.servers[ring.Primary(SlotOf(at, ring.slots()))]; };
  BalancedServer* server = home(token);
  if (Take(*server, load)) return server;
  if (balancer_.online_weight_.load(std::memory_order_relaxed) == 0) return nullptr;
  Random draws(token.value());
  for (int draw = 0; draw < kDraws; ++draw) {
    server = home(Token(draws.Next()));
    if (Take(*server, load)) return server;
  }
  return TakeByScan(table, token, load);
}

// Weighted rendezvous hashing over the servers that are online and have room; where none has, the
// least loaded.
BalancedServer* LoadBalancer::Picker::TakeByScan(const Table& table, Token token,
                                                 const Load& load) const {
  BalancedServer* least = nullptr;
  for (int scan = 0; scan < kScans; ++scan) {
    BalancedServer* best = nullptr;
    double best_score = 0;
    for (NodeIndex node : table.ring->nodes()) {
      BalancedServer* server = table.servers[node];
      if (server->state() != ServerState::kOnline) continue;
      if (least == nullptr || LessLoaded(*server, *least)) least = server;
      if (load.bounded() && server->taken() >= load.CapacityOf(server->weight())) continue;
      // An exponentially distributed time at the rate of the weight: the first to come wins.
      Random draw(token.value() ^ (uint64_t{node.value()} + 1) * 0x9e3779b97f4a7c15ULL);
      const double score = -std::log(draw.Unit()) / server->weight();
      if (best == nullptr || score < best_score) {
        best = server;
        best_score = score;
      }
    }
    if (best == nullptr) break;
    if (Take(*best, load)) return best;
  }
  if (least != nullptr && load.bounded()) least->TakePlace();
  return least;
}

// -1: none is online. Null places are passed over.
int LoadBalancer::Picker::TakeInRow(std::span<BalancedServer* const> row) const {
  const Load load = ReadLoad();
  int least = -1;
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i] == nullptr || row[i]->state() != ServerState::kOnline) continue;
    if (Take(*row[i], load)) return static_cast<int>(i);
    if (least < 0 || LessLoaded(*row[i], *row[least])) least = static_cast<int>(i);
  }
  if (least >= 0 && load.bounded()) row[least]->TakePlace();
  return least;
}

}  // namespace ringkv
