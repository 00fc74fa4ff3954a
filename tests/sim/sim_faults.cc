// What goes wrong in a run, and that it ends.
#include <algorithm>

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

void SimCluster::InjectFault() {
  std::vector<int> kinds;
  if (mix_.node_crash) kinds.push_back(0);
  if (mix_.power_loss) kinds.push_back(1);
  if (mix_.router_crash) kinds.push_back(2);
  if (mix_.partition) kinds.push_back(3);
  if (mix_.stall) kinds.push_back(4);
  if (mix_.wipe) kinds.push_back(5);
  if (mix_.old_copy) kinds.push_back(6);
  if (mix_.topology) kinds.push_back(7);
  if (mix_.total_loss) kinds.push_back(8);
  if (mix_.takeover) kinds.insert(kinds.end(), {9, 9, 10, 11});
  if (mix_.removals) kinds.insert(kinds.end(), {12, 12});
  int kind = kinds[random_.Below(kinds.size())];
  if (kind == 7) return ChangeTopology();
  int i = static_cast<int>(random_.Below(nodes_.size()));
  const bool loses = kind == 5 || kind == 6 || (kind == 1 && !mix_.synced_writes);
  if (loses) {
    // A minority of the disks may have lost something at any time, but for losses of all power; and
    // a minority all of it.
    for (const auto& n : nodes_) ForgetLostElsewhere(*n);
    auto lost =
        std::find_if(nodes_.begin(), nodes_.end(), [](const auto& n) { return !n->lost.empty(); });
    auto emptied = std::find_if(nodes_.begin(), nodes_.end(),
                                [](const auto& n) { return !n->emptied.empty(); });
    if (emptied != nodes_.end() && kind != 1) lost = emptied;
    if (lost != nodes_.end()) i = static_cast<int>(lost - nodes_.begin());
  }
  Node& node = *nodes_[i];
  Duration outage =
      milliseconds(random_.Chance(0.7) ? random_.Between(5, 800) : random_.Between(800, 3000));
  outage = std::min(outage, mix_.longest_outage);
  if (kind == 6 && (node.copy == nullptr || node.copy_boot == node.boot)) {
    // A copy of the present start cannot be told from the disk itself.
    if (node.up && node.replica != nullptr && node.copy == nullptr) CopyDisk(i);
    return;
  }
  if (kind == 8) return LoseAllPower();
  if (kind == 9) return TakeOverForAWhile(outage);
  if (kind == 12) return TakeOverAndRemove(outage);
  if (kind >= 10) {
    if (router_ == nullptr) return;
    return kind == 10 ? PauseForAWhile(router_->generation, outage)
                      : SendMetadataAway(router_->generation, outage);
  }
  if (kind <= 1 || kind >= 5) {
    if (!node.up) return;
    switch (kind) {
      case 0:
        ++counts_.node_crashes;
        CrashNode(i, Disk::kKept);
        break;
      case 1:
        ++counts_.power_losses;
        CrashNode(i, Disk::kPowerLost);
        break;
      case 5:
        ++counts_.wipes;
        CrashNode(i, Disk::kWiped);
        break;
      default:
        ++counts_.old_copies;
        CrashNode(i, Disk::kOldCopy);
        node.copy = nullptr;
    }
    scheduler_.After(outage, [this, i] {
      if (!nodes_[i]->up) StartNode(i);
    });
  } else if (kind == 2) {
    if (router_ == nullptr) return;
    ++counts_.router_crashes;
    CrashRouter();
    scheduler_.After(outage, [this] {
      if (router_ == nullptr) StartRouter();
    });
  } else if (kind == 3) {
    if (node.cut_off) return;
    ++counts_.partitions;
    node.cut_off = true;
    Trace([&] { return node.id + " is cut off"; });
    scheduler_.After(outage, [this, i] { nodes_[i]->cut_off = false; });
  } else {
    ++counts_.stalls;
    node.stalled_until = scheduler_.now() + outage;
    Trace([&] { return node.id + " stalls"; });
  }
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
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->cut_off = false;
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
