// What goes wrong in a run, and that it ends.
#include <algorithm>

#include "tests/sim/sim_options.h"
#include "tests/sim/sim_router_process.h"

namespace ringkv {

using std::chrono::milliseconds;

void SimCluster::StartFaults() {
  faults_on_ = true;
  NextFault();
}

void SimCluster::NextFault() {
  auto pause = Duration(static_cast<int64_t>((0.5 + random_.Unit()) * mix_.between_faults.count()));
  scheduler_.After(pause, [this] {
    if (!faults_on_) return;
    InjectFault();
    NextFault();
  });
}

namespace {

enum class FaultKind {
  kNodeCrash,
  kPowerLoss,
  kRouterCrash,
  kPartition,
  kStall,
  kWipe,
  kOldCopy,
  kTopology,
  kTotalLoss,
  kTakeover,
  kPause,
  kMetadataAway,
  kRemoval,
  kOneWay,
  kClog,
  kSlowDisk,
  kDiskError,
  kDamage,
  kClockJump,
};

// Some more often than others.
std::vector<FaultKind> KindsOf(const FaultMix& mix) {
  using Kind = FaultKind;
  std::vector<Kind> kinds;
  if (mix.node_crash) kinds.push_back(Kind::kNodeCrash);
  if (mix.power_loss) kinds.push_back(Kind::kPowerLoss);
  if (mix.router_crash) kinds.push_back(Kind::kRouterCrash);
  if (mix.partition) kinds.push_back(Kind::kPartition);
  if (mix.stall) kinds.push_back(Kind::kStall);
  if (mix.wipe) kinds.push_back(Kind::kWipe);
  if (mix.old_copy) kinds.push_back(Kind::kOldCopy);
  if (mix.topology) kinds.push_back(Kind::kTopology);
  if (mix.total_loss) kinds.push_back(Kind::kTotalLoss);
  if (mix.takeover) {
    kinds.insert(kinds.end(),
                 {Kind::kTakeover, Kind::kTakeover, Kind::kPause, Kind::kMetadataAway});
  }
  if (mix.removals) kinds.insert(kinds.end(), {Kind::kRemoval, Kind::kRemoval});
  if (mix.one_way) kinds.insert(kinds.end(), {Kind::kOneWay, Kind::kOneWay});
  if (mix.clog) kinds.push_back(Kind::kClog);
  if (mix.slow_disk) kinds.push_back(Kind::kSlowDisk);
  if (mix.disk_error) kinds.push_back(Kind::kDiskError);
  if (mix.damage) kinds.insert(kinds.end(), {Kind::kDamage, Kind::kDamage});
  if (mix.clocks) kinds.push_back(Kind::kClockJump);
  return kinds;
}

}  // namespace

// A minority of the disks may have lost something at any time, but for losses of all power; and a
// minority all of it.
int SimCluster::ChooseNode(bool loses, bool what_it_had) {
  const int drawn = static_cast<int>(random_.Below(nodes_.size()));
  if (!loses) return drawn;
  for (const auto& node : nodes_) {
    ForgetLostElsewhere(*node);
    ForgetMended(*node);
  }
  auto first = [this](auto has) {
    auto at = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& n) { return has(*n); });
    return at == nodes_.end() ? -1 : static_cast<int>(at - nodes_.begin());
  };
  const int damaged = first([](const Node& node) { return !node.damaged.empty(); });
  const int emptied = first([](const Node& node) { return !node.emptied.empty(); });
  const int lost = first([](const Node& node) { return !node.lost.empty(); });
  if (damaged >= 0) return damaged;
  if (emptied >= 0 && what_it_had) return emptied;
  return lost >= 0 ? lost : drawn;
}

void SimCluster::InjectFault() {
  using Kind = FaultKind;
  const std::vector<Kind> kinds = KindsOf(mix_);
  const Kind kind = kinds[random_.Below(kinds.size())];
  if (kind == Kind::kTopology) return ChangeTopology();
  const bool all_of_it = kind == Kind::kWipe || kind == Kind::kOldCopy;
  const int i = ChooseNode(
      all_of_it || kind == Kind::kDamage || (kind == Kind::kPowerLoss && !mix_.synced_writes),
      all_of_it || kind == Kind::kDamage);
  Node& node = *nodes_[static_cast<size_t>(i)];
  Duration outage =
      milliseconds(random_.Chance(0.7) ? random_.Between(5, 800) : random_.Between(800, 3000));
  outage = std::min(outage, mix_.longest_outage);
  switch (kind) {
    case Kind::kNodeCrash:
      if (!node.up) return;
      ++counts_.node_crashes;
      return CrashForAWhile(i, Disk::kKept, outage);
    case Kind::kPowerLoss:
      if (!node.up) return;
      ++counts_.power_losses;
      return CrashForAWhile(i, Disk::kPowerLost, outage);
    case Kind::kWipe:
      if (!node.up) return;
      ++counts_.wipes;
      return CrashForAWhile(i, Disk::kWiped, outage);
    case Kind::kOldCopy:
      return PutOldCopyBack(i, outage);
    case Kind::kRouterCrash:
      if (router_ == nullptr) return;
      ++counts_.router_crashes;
      CrashRouter();
      return scheduler_.After(outage, [this] {
        if (router_ == nullptr) StartRouter();
      });
    case Kind::kPartition:
      if (node.cut_off) return;
      ++counts_.partitions;
      node.cut_off = true;
      Trace([&] { return node.id + " is cut off"; });
      return scheduler_.After(outage, [&node] { node.cut_off = false; });
    case Kind::kStall:
      ++counts_.stalls;
      node.stalled_until = scheduler_.now() + outage;
      return Trace([&] { return node.id + " stalls"; });
    case Kind::kTotalLoss:
      return LoseAllPower();
    case Kind::kTakeover:
      return TakeOverForAWhile(outage);
    case Kind::kRemoval:
      return TakeOverAndRemove(outage);
    case Kind::kPause:
      if (router_ != nullptr) PauseForAWhile(router_->generation, outage);
      return;
    case Kind::kMetadataAway:
      if (router_ != nullptr) SendMetadataAway(router_->generation, outage);
      return;
    case Kind::kOneWay:
      return CloseWays(outage);
    case Kind::kClog:
      return Clog(i, outage);
    case Kind::kSlowDisk:
      return SlowDisk(i, outage);
    case Kind::kDiskError:
      node.disk_fails =
          random_.Chance(0.5) ? Node::DiskFails::kAtOnce : Node::DiskFails::kAfterAWrite;
      return;
    case Kind::kDamage:
      return DamageRecords(i);
    case Kind::kClockJump:
      return JumpClock();
    case Kind::kTopology:
      break;  // done above
  }
}

void SimCluster::PutOldCopyBack(int i, Duration outage) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  if (node.copy == nullptr || node.copy_boot == node.boot) {
    // A copy of the present start cannot be told from the disk itself.
    if (node.up && node.replica != nullptr && node.copy == nullptr) CopyDisk(i);
    return;
  }
  if (!node.up) return;
  ++counts_.old_copies;
  CrashForAWhile(i, Disk::kOldCopy, outage);
  node.copy = nullptr;
}

// One way between two ends, or both; of two nodes, or of one and the routers.
void SimCluster::CloseWays(Duration outage) {
  int from = static_cast<int>(random_.Below(nodes_.size() + 1)) - 1;
  int to = static_cast<int>(random_.Below(nodes_.size()));
  if (from == to) from = kRouters;
  if (random_.Chance(0.5)) std::swap(from, to);
  std::vector<std::pair<int, int>> ways = {{from, to}};
  if (random_.Chance(0.3)) ways.emplace_back(to, from);
  for (const std::pair<int, int>& way : ways) {
    if (!closed_.insert(way).second) continue;
    ++counts_.ways_closed;
    auto name = [this](int end) { return end == kRouters ? "routers" : nodes_[end]->id; };
    Trace([&] { return "nothing gets from " + name(way.first) + " to " + name(way.second); });
    scheduler_.After(outage, [this, way] { closed_.erase(way); });
  }
}

void SimCluster::Clog(int i, Duration outage) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  if (node.clogged != Duration{}) return;
  ++counts_.clogs;
  node.clogged = Duration(static_cast<int64_t>(random_.Unit() * mix_.clogged.count()));
  Trace([&] { return node.id + " is clogged"; });
  scheduler_.After(outage, [&node] { node.clogged = Duration{}; });
}

void SimCluster::SlowDisk(int i, Duration outage) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  if (node.sync_time != Duration{}) return;
  ++counts_.slow_disks;
  node.sync_time = milliseconds(random_.Between(2, 300));
  Trace([&] { return "the disk of " + node.id + " is slow"; });
  scheduler_.After(outage, [&node] { node.sync_time = Duration{}; });
}

void SimCluster::DamageRecords(int i) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  std::vector<std::string> keys;
  for (const auto& [key, version] : committed_) keys.push_back(key);
  if (keys.empty()) return;
  for (uint64_t left = random_.Between(1, 3); left > 0; --left) {
    const std::string& key = keys[random_.Below(keys.size())];
    // A repair of the first damage that is still under way would take a second one for it.
    const Incarnation inc = InstanceOn(i, SlotFor(key));
    const Version version = StoredVersion(node, key, inc);
    if (node.ever_damaged.contains(key) || !CorruptRecord(i, key)) continue;
    ++counts_.damaged;
    node.damaged[key] = {inc, version};
    node.ever_damaged.insert(key);
    Trace([&] { return node.id + " cannot read its record of " + key; });
  }
}

void SimCluster::ForgetMended(Node& node) {
  std::erase_if(node.damaged, [&](const auto& damaged) { return !IsDamaged(node, damaged.first); });
}

// Between two clocks there is no more than what the routers allow for.
void SimCluster::JumpClock() {
  if (router_ == nullptr) return;
  ++counts_.clock_jumps;
  const auto half = static_cast<uint64_t>(SimOptions(mix_).clock_skew / milliseconds(2));
  const milliseconds skew(static_cast<int64_t>(random_.Below(2 * half + 1)) -
                          static_cast<int64_t>(half));
  Trace(
      [&] { return "the router's wall clock is off by " + std::to_string(skew.count()) + " ms"; });
  widest_clock_skew_ = std::max(widest_clock_skew_, std::chrono::abs(skew));
  router_->clock->SetWallSkew(skew);
}

Duration SimCluster::DrawOutage() {
  return milliseconds(5) +
         Duration(static_cast<int64_t>(random_.Unit() * mix_.longest_loss.count()));
}

// Power comes back for one after the other.
void SimCluster::LoseAllPower() {
  LosePowerEverywhere();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    scheduler_.After(DrawOutage(), [this, i] {
      if (!nodes_[i]->up) StartNode(static_cast<int>(i));
    });
  }
  if (router_ == nullptr || random_.Chance(0.6)) return;
  CrashRouter();
  scheduler_.After(DrawOutage(), [this] {
    if (router_ == nullptr) StartRouter();
  });
}

void SimCluster::Heal() {
  faults_on_ = false;
  Trace([] { return std::string("the faults stop"); });
  closed_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->cut_off = false;
    nodes_[i]->clogged = nodes_[i]->sync_time = Duration{};
    nodes_[i]->disk_fails = Node::DiskFails::kNot;
    nodes_[i]->stalled_until = MonoTime{};
    if (!nodes_[i]->up) StartNode(static_cast<int>(i));
  }
  for (uint64_t generation : {router_generation(), former_generation()}) {
    Router* router = RouterOf(generation);
    if (router == nullptr) continue;
    router->cut_off.clear();
    router->metadata_away = false;
    ResumeRouter(generation);
  }
  if (router_ == nullptr) StartRouter();
  const v1::MigrationRecord* current = state_->CurrentMigration();
  if (current != nullptr && current->state() == v1::MIGRATION_STATE_PAUSED)
    Order(MigrationOrder::kResume);
}

}  // namespace ringkv
