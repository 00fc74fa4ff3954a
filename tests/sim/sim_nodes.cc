// The nodes of the simulated cluster: their processes (the real BootSequence and Replica), and what
// becomes of their disks.
#include <algorithm>

#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_router_process.h"

namespace ringkv {

using std::chrono::milliseconds;

void SimCluster::StartNode(int i) {
  Node& node = *nodes_[i];
  node.up = true;
  ++node.generation;
  BootOptions options;
  options.node = NodeId::Parse(node.id).value();
  options.address = "127.0.0.1:" + std::to_string(7500 + 10 * i);
  options.version = "sim";
  options.fresh_store_uuid = std::string(12, 's') + std::to_string(1000 + node.disks);
  options.kernel_boot_id = node.kernel_boot_id;
  options.synced_writes = mix_.synced_writes;
  node.boot_sequence = std::make_unique<BootSequence>(node.store, random_, options);
  Trace([&] { return node.id + " starts"; });
  TakeStep(i, [&node] { return node.boot_sequence->Begin(); });
  if (!mix_.synced_writes) SyncLoop(i, node.generation);
  SweepLoop(i, node.generation);
}

void SimCluster::TakeStep(int i, const std::function<Result<BootStep>()>& take) {
  Node& node = *nodes_[i];
  std::optional<BootStep> step;
  const bool taken = WithDisk(i, [&] {
    Result<BootStep> result = take();
    if (result.ok()) step = std::move(*result);
    return result.status();
  });
  if (!taken) return;
  switch (step->kind) {
    case BootStep::Kind::kAsk:
      return Ask(i, step->request);
    case BootStep::Kind::kAskLater:
      node.asking = 0;  // answered; another copy of the answer finds nobody
      scheduler_.After(milliseconds(random_.Between(50, 200)),
                       [this, i, request = step->request, generation = node.generation] {
                         const Node& waits = *nodes_[i];
                         const bool idle = waits.generation == generation && waits.up;
                         if (idle && waits.asking == 0) Ask(i, request);
                       });
      return;
    case BootStep::Kind::kServe: {
      const Registered& registered = node.boot_sequence->registered();
      node.boot = registered.boot;
      Replica::Options options;
      options.slots = registered.slots;
      options.groups = registered.groups;
      options.boot = registered.boot;
      options.sync_writes = mix_.synced_writes;
      if (mix_.large_values) options.large_value_bytes = kSimLargeValueBytes;
      std::vector<GroupId> groups;
      for (uint32_t g = 0; g < registered.groups; ++g) groups.push_back(GroupId(g));
      const bool opened = WithDisk(i, [&] {
        auto replica = Replica::Open(node.store, options, groups);
        if (replica.ok()) node.replica = std::move(*replica);
        return replica.status();
      });
      if (!opened) return;
      DropLater(i);
      if (mix_.damage) {
        Scrub::Options scrub;
        scrub.period = milliseconds(2000);
        node.scrub =
            std::make_unique<Scrub>(node.store, scheduler_.clock(), Random(random_.Next()), scrub);
        ScrubLoop(i, node.generation);
      }
      // Before it has ever served it had nothing to lose; but the others may all have.
      const bool first = !std::exchange(node.served, true);
      if (first) {
        std::erase_if(node.lost, [this](uint32_t slot) { return !AllLost(SlotId(slot)); });
        node.nothing_lost = node.lost;
      }
      for (uint32_t slot : node.lost) {
        if (!node.nothing_lost.contains(slot) && node.replica->Votes(SlotId(slot)) &&
            RINGKV_RULE(kRegressedDoesNotVote)) {
          Violate("I9: slot " + std::to_string(slot) + " of " + node.id +
                  " votes although it lost acknowledged writes");
        }
      }
      Trace([&] { return node.id + " serves, boot " + std::to_string(node.boot.value()); });
      return;
    }
    case BootStep::Kind::kMoveAside:
      Trace([&] { return node.id + " moves its disk aside: " + step->reason; });
      if (!node.old_disk) Violate(node.id + " moves the disk aside that it ran on");
      node.old_disk = false;
      NewDisk(i);
      return StartNode(i);
    default:
      return Violate(node.id + " refuses to start: " + step->reason);
  }
}

// Asks the router to register, again and again until an answer comes.
void SimCluster::Ask(int i, const v1::RegisterRequest& request) {
  Node& node = *nodes_[i];
  node.asking = request.nonce();
  const uint64_t ask = ++node.asks;
  uint64_t generation = node.generation;
  Deliver(i, kRouters, [this, i, request, generation] {
    const Router* to = AnyRouter();
    if (to == nullptr || to->cut_off.contains(i)) return;
    OnRouter(to->generation, [this, i, request, generation](Router& router) {
      auto done = [this, i, generation, router = router.generation,
                   nonce = request.nonce()](Result<v1::RegisterReply> answer) {
        RINGKV_CHECK(answer.ok(), answer.status().message());
        auto reply = std::make_shared<v1::RegisterReply>(std::move(*answer));
        const Router* from = RouterOf(router);
        if (from == nullptr) return;
        ToNode(*from, i, [this, i, reply, generation, nonce] {
          Node& to = *nodes_[i];
          // An answer of an earlier process, or a second one, finds nobody who waits for it.
          if (to.generation != generation || !to.up || to.replica != nullptr) return;
          if (to.asking != nonce) return;  // a call's answer goes to that call
          TakeStep(i, [&] { return to.boot_sequence->OnReply(*reply); });
        });
      };
      RouterEvent(router, [&] { router.membership->Register(request, done); });
    });
  });
  scheduler_.After(milliseconds(random_.Between(100, 300)), [this, i, request, generation, ask] {
    Node& again = *nodes_[i];
    bool waits = again.generation == generation && again.up && again.replica == nullptr;
    if (waits && again.asking == request.nonce() && again.asks == ask) Ask(i, request);
  });
}

void SimCluster::SyncLoop(int i, uint64_t generation) {
  scheduler_.After(mix_.sync_interval, [this, i, generation] {
    Node& node = *nodes_[i];
    if (node.generation != generation || !node.up) return;
    if (node.stalled_until <= scheduler_.now()) WithDisk(i, [&node] { return node.store.Sync(); });
    SyncLoop(i, generation);
  });
}

void SimCluster::SweepLoop(int i, uint64_t generation) {
  scheduler_.After(milliseconds(100), [this, i, generation] {
    Node& node = *nodes_[i];
    if (node.generation != generation || !node.up) return;
    if (node.replica != nullptr && node.stalled_until <= scheduler_.now())
      WithDisk(i, [&] { return node.replica->SweepStep(scheduler_.now()).status(); });
    SweepLoop(i, generation);
  });
}

void SimCluster::ScrubLoop(int i, uint64_t generation) {
  scheduler_.After(milliseconds(20), [this, i, generation] {
    Node& node = *nodes_[i];
    if (node.generation != generation || node.scrub == nullptr) return;
    if (node.stalled_until <= scheduler_.now())
      WithDisk(i, [&node] { return node.scrub->Step().status(); });
    ScrubLoop(i, generation);
  });
}

// The disk that fails in one call works again for the next process; what the call wrote before that
// may be there.
bool SimCluster::WithDisk(int i, const std::function<Status()>& call) {
  Node& node = *nodes_[i];
  using Fails = Node::DiskFails;
  if (node.disk_fails == Fails::kAtOnce) node.store.SetDiskError(true);
  if (node.disk_fails == Fails::kAfterAWrite) node.store.SetDiskErrorAfterNextWrite();
  const Status status = call();
  if (node.disk_fails != Fails::kNot) {
    node.store.SetDiskError(false);
    node.store.Crash();
  }
  if (status.ok()) return true;
  if (status.code() != StatusCode::kIoError || node.disk_fails == Fails::kNot) {
    Violate(node.id + " fails: " + status.ToString());
    return false;
  }
  ++counts_.disk_errors;
  node.disk_fails = Fails::kNot;
  Trace([&] { return node.id + " meets an error of its disk"; });
  CrashForAWhile(i, Disk::kKept, milliseconds(random_.Between(5, 800)));
  return false;
}

void SimCluster::CrashForAWhile(int i, Disk disk, Duration outage) {
  CrashNode(i, disk);
  scheduler_.After(outage, [this, i] {
    if (!nodes_[i]->up) StartNode(i);
  });
}

void SimCluster::CrashNode(int i, Disk disk) {
  Node& node = *nodes_[i];
  Trace([&] {
    const char* how[] = {" dies", " loses power", " loses power and its tail",
                         " dies, its disk is empty", " dies, its disk is an old copy"};
    return node.id + how[static_cast<int>(disk)];
  });
  node.up = false;
  node.stalled_until = MonoTime{};
  if (node.replica != nullptr) Add(node.replica->stats(), &node.past_stats);
  node.replica.reset();
  node.scrub.reset();
  node.boot_sequence.reset();
  switch (disk) {
    case Disk::kKept:
      return node.store.Crash();
    case Disk::kPowerLost:
      node.store.CrashLosingUnsynced(random_.Below(node.store.unsynced_batches() + 1));
      if (RINGKV_RULE(kRegressedDoesNotVote)) node.kernel_boot_id += "+";
      break;
    case Disk::kTailLost:
      node.store.CrashLosingUnsynced(0);
      node.kernel_boot_id += "+";
      break;
    case Disk::kWiped:
      NewDisk(i);
      break;
    case Disk::kOldCopy:
      node.store.Restore(*node.copy);
      node.retired.clear();
      node.old_disk = true;
      break;
  }
  // Under `periodic` nobody can tell after a loss of power whether something is missing.
  const bool power = disk == Disk::kPowerLost || disk == Disk::kTailLost;
  if (!power || !mix_.synced_writes) {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      node.lost.insert(slot);
      node.nothing_lost.erase(slot);
      if (!power && disk != Disk::kKept) node.emptied.insert(slot);
      if (AllLost(SlotId(slot))) NoteWhatIsLeft(SlotId(slot), Holders(SlotId(slot)));
    }
  }
  for (const auto& [key, version] : committed_) CheckCommitted(key, /*released=*/false);
}

void SimCluster::NewDisk(int i) {
  nodes_[i]->store.Wipe();
  nodes_[i]->retired.clear();
  ++nodes_[i]->disks;
}

void SimCluster::LosePowerEverywhere() {
  ++counts_.total_losses;
  for (size_t i = 0; i < nodes_.size(); ++i) CrashNode(static_cast<int>(i), Disk::kPowerLost);
}

void SimCluster::CopyDisk(int i) {
  nodes_[i]->copy = nodes_[i]->store.Snapshot();
  nodes_[i]->copy_boot = nodes_[i]->boot;
}

bool SimCluster::CorruptRecord(int i, const std::string& key) {
  const SlotId slot = SlotFor(key);
  return nodes_[i]->store.CorruptRecord({slot, InstanceOn(i, slot), key});
}

}  // namespace ringkv
