// The simulated cluster as nodes join and leave: what operators order, and the instances that come
// to nodes and leave them by it.
#include <algorithm>

#include "router/cluster_txns.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_router_process.h"

namespace ringkv {

using std::chrono::milliseconds;

bool SimCluster::Change(const v1::PlanChangeRequest& change, bool force, std::string* why) {
  Trace([&] { return "operator: " + change.ShortDebugString() + (force ? " by force" : ""); });
  Router* router = AnyRouter();
  if (router == nullptr || router->paused) return false;
  auto answer = std::make_shared<std::optional<Status>>();
  MigrationStart start;
  start.change = change;
  start.force = force;
  start.now_ms = scheduler_.clock().WallMillis();
  RouterEvent(*router, [&] {
    router->membership->StartChange(start, [this, answer](Result<uint64_t> id) {
      *answer = id.status();
      ++(id.ok() ? counts_.changes : counts_.changes_refused);
      Trace([&] { return "change: " + id.status().ToString(); });
    });
  });
  if (!answer->has_value()) return true;  // under way
  if (why != nullptr) *why = (*answer)->message();
  return (*answer)->ok();
}

bool SimCluster::CommitElsewhere(const MetadataTxn& txn) {
  SimulatedMetadata elsewhere(metadata_);
  bool done = false;
  elsewhere.Commit(txn, [&](Result<bool> result) { done = result.ok() && *result; });
  return done;
}

bool SimCluster::AddNode(int node, std::string* why) {
  v1::PlanChangeRequest change;
  change.mutable_add_node()->set_node(nodes_[static_cast<size_t>(node)]->id);
  return Change(change, /*force=*/false, why);
}

bool SimCluster::RemoveNode(int node, bool force, std::string* why) {
  v1::PlanChangeRequest change;
  change.mutable_remove_node()->set_node(nodes_[static_cast<size_t>(node)]->id);
  return Change(change, force, why);
}

bool SimCluster::Order(MigrationOrder order) {
  const v1::MigrationRecord* current = state_->CurrentMigration();
  Router* router = AnyRouter();
  if (router == nullptr || router->paused || current == nullptr) return false;
  Trace([&] { return "operator: order " + std::to_string(static_cast<int>(order)); });
  RouterEvent(*router, [&] {
    router->membership->OrderChange(current->id(), order, [](const Result<uint64_t>&) {});
  });
  return true;
}

// Copies that do not answer are given up.
bool SimCluster::AcceptLoss(SlotId slot) {
  const SlotReport report = router_->shard->Describe(slot);
  if (report.blocked != BlockedBy::kAbsence && report.blocked != BlockedBy::kLoss) return false;
  AcceptedLoss loss;
  loss.slot = slot;
  std::vector<Node*> kept;
  for (const ReplicaReport& replica : report.replicas) {
    if (replica.learner) continue;
    Node& node = *nodes_[static_cast<size_t>(NodeOf(replica.peer))];
    v1::ReplicaRef ref;
    ref.set_node(node.id);
    ref.set_inc(replica.inc.value());
    (replica.reachable ? loss.kept : loss.given_up).push_back(ref);
    if (replica.reachable) {
      kept.push_back(&node);
    } else {
      node.lost.insert(slot.value());
    }
  }
  if (kept.empty()) return false;
  loss_accepted_.insert(slot);
  auto done = std::make_shared<std::optional<Status>>();
  RouterEvent(*router_, [&] {
    router_->membership->AcceptLoss({loss}, [done](Status status) { *done = std::move(status); });
  });
  if (!done->has_value() || !(*done)->ok()) return false;
  NoteWhatIsLeft(slot, kept);
  return true;
}

void SimCluster::ChangeTopology() {
  if (router_ == nullptr) return;
  if (const v1::MigrationRecord* current = state_->CurrentMigration()) {
    const bool paused = current->state() == v1::MIGRATION_STATE_PAUSED;
    if (paused || random_.Chance(0.3)) {
      Order(paused                ? MigrationOrder::kResume
            : random_.Chance(0.5) ? MigrationOrder::kPause
                                  : MigrationOrder::kAbort);
    }
    // A node that leaves and is dead holds nobody up once an operator says so.
    const std::string leaving = LeavingNode(*current);
    if (leaving.empty() || !random_.Chance(0.2)) return;
    v1::PlanChangeRequest change;
    change.mutable_remove_node()->set_node(leaving);
    Change(change, /*force=*/true);
    return;
  }
  const int i = static_cast<int>(random_.Below(nodes_.size()));
  Node& node = *nodes_[static_cast<size_t>(i)];
  const v1::NodeRecord* record = state_->FindNode(node.id);
  if (record == nullptr || record->state() == v1::NODE_STATE_WAITING) {
    AddNode(i);
  } else if (record->state() == v1::NODE_STATE_REMOVED) {
    // It may come again, with an empty disk.
    Trace([&] { return node.id + " is emptied after it left"; });
    if (node.up) CrashNode(i, Disk::kWiped);
    if (!node.up) StartNode(i);
  } else if (random_.Chance(0.3)) {
    v1::PlanChangeRequest change;
    change.mutable_set_vnodes()->set_node(node.id);
    change.mutable_set_vnodes()->set_vnodes(static_cast<uint32_t>(random_.Between(64, 256)));
    Change(change, /*force=*/false);
  } else {
    RemoveNode(i, /*force=*/!node.up || random_.Chance(0.3));
  }
}

bool SimCluster::Names(SlotId slot, const std::string& node, uint64_t inc) const {
  const v1::SlotPlacement& row = state_->slots()[slot.value()];
  auto is = [&](const v1::ReplicaRef& r) { return r.node() == node && r.inc() == inc; };
  return std::any_of(row.replicas().begin(), row.replicas().end(), is) ||
         (row.has_learner() && is(row.learner()));
}

// The instance that the row names on the node; the first one that there was, if none.
Incarnation SimCluster::InstanceOn(int node, SlotId slot) const {
  const v1::SlotPlacement& row = state_->slots()[slot.value()];
  const std::string& id = nodes_[static_cast<size_t>(node)]->id;
  for (const v1::ReplicaRef& replica : row.replicas()) {
    if (replica.node() == id) return Incarnation(replica.inc());
  }
  return Incarnation(row.learner().node() == id ? row.learner().inc() : 1);
}

size_t SimCluster::InstancesOnDisk(int node) {
  const auto facts = nodes_[static_cast<size_t>(node)]->store.ListMeta("instance/");
  size_t live = 0;
  for (const auto& [name, bytes] : *facts) {
    v1::DiskInstance fact;
    live += fact.ParseFromString(bytes) && !fact.retired() ? 1 : 0;
  }
  return live;
}

// Only slots that the node holds can have lost something there.
void SimCluster::ForgetLostElsewhere(Node& node) {
  std::erase_if(node.lost, [&](uint32_t slot) {
    const v1::SlotPlacement& row = state_->slots()[slot];
    auto here = [&](const v1::ReplicaRef& replica) { return replica.node() == node.id; };
    return std::none_of(row.replicas().begin(), row.replicas().end(), here) &&
           !(row.has_learner() && here(row.learner()));
  });
}

// I10.
void SimCluster::NoteRetired(int i, const v1::ReplicaBatch& batch,
                             const std::vector<v1::ReplicaOpReply>& replies) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  for (const v1::ReplicaOp& op : batch.ops()) {
    const bool about_an_instance = op.inc() != 0;
    if (!about_an_instance) continue;
    for (const v1::ReplicaOpReply& reply : replies) {
      if (reply.op() != op.op() || reply.code() != v1::REPLICA_CODE_OK) continue;
      if (op.has_retire()) {
        node.retired.insert({op.slot(), op.inc()});
        if (Names(SlotId(op.slot()), node.id, op.inc())) {
          Violate("I10: " + node.id + " retires an instance of slot " + std::to_string(op.slot()) +
                  " that its row names");
        }
      } else if (node.retired.contains({op.slot(), op.inc()})) {
        Violate("I10: " + node.id + " serves a retired instance of slot " +
                std::to_string(op.slot()));
      }
    }
  }
}

// The records of retired instances go some time later, in the life of this process or of another.
void SimCluster::DropLater(int i) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  for (const InstanceName& name : node.replica->TakeDrops()) {
    scheduler_.After(milliseconds(random_.Between(1, 200)), [this, i, name,
                                                             generation = node.generation] {
      Node& at = *nodes_[static_cast<size_t>(i)];
      if (at.generation != generation || !at.up || at.replica == nullptr) return;
      if (Names(name.slot, at.id, name.inc.value())) {
        Violate("I10: " + at.id + " drops what a row names, slot " +
                std::to_string(name.slot.value()));
      }
      const auto page = at.store.Scan(name.slot, name.inc, "", "",
                                      {.max_entries = 1u << 30, .past_damage = true});
      const uint64_t others = at.store.Stats().keys - page->entries.size() - page->damaged.size();
      const bool dropped = WithDisk(i, [&]() -> Status {
        RINGKV_RETURN_IF_ERROR(at.store.DropInstance(name.slot, name.inc));
        RINGKV_RETURN_IF_ERROR(at.store.Sync());
        return at.replica->OnDropped(name);
      });
      if (!dropped) return;
      if (at.store.Stats().keys != others) Violate("I10: a drop took records of another instance");
    });
  }
}

}  // namespace ringkv
