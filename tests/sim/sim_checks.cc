// What the simulated cluster knows of itself and checks at each step: the invariants that stand in
// sim_cluster.h.
#include <algorithm>

#include "base/rule.h"
#include "kvnode/instance_facts.h"
#include "migration/version_proto.h"
#include "ring/hash.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_router_process.h"

namespace ringkv {

using std::chrono::milliseconds;

// ---- checks ---------------------------------------------------------------------------------

// What was collected reads as a tombstone at the floor, which may be its own version, and nothing
// more is known of it: of a value that has expired, and of a tombstone that was written back, whose
// origin is gone. `written`: as CheckSent notes it.
bool SimCluster::IsCollectedAs(SlotId slot, const v1::Record& record, const std::string& written) {
  const bool expires = written.starts_with('+') && !written.starts_with("+0/");
  const bool written_back = written.starts_with("-0//") && !record.has_origin();
  if (!record.tombstone() || (!expires && !written_back)) return false;
  const std::vector<Node*> holders = Holders(slot);
  return std::any_of(holders.begin(), holders.end(), [&](Node* node) {
    return FloorOf(*node, slot, IncOf(*node, slot)).version == FromProto(record.version());
  });
}

void SimCluster::CheckSent(const Router& router, const v1::ReplicaOp& op) {
  if (op.has_pull() && op.pull().in_union()) united_.emplace(SlotId(op.slot()), op.term());
  if (op.has_reinstate()) {
    // With the first of a term all is decided: whoever starts again later is filled by the others.
    // What a former owner says is not heard.
    const SlotId slot(op.slot());
    const bool first = told_[slot] < op.term();
    told_[slot] = std::max(told_[slot], op.term());
    if (first && GoesOnAfterALoss(slot, op.term())) CheckEqualEverywhere(router, slot);
  }
  if (!op.has_apply()) return;
  std::string name = std::to_string(op.slot()) + "/" + op.apply().key() + "/" +
                     FromProto(op.apply().record().version()).ToString();
  const v1::Record& record = op.apply().record();
  std::string content = (record.tombstone() ? "-" : "+") + std::to_string(record.expires_at_ms()) +
                        "/" + record.value();
  if (record.has_origin()) content += "/" + FromProto(record.origin()).ToString();
  auto [at, made] = values_.emplace(name, content);
  if (!made && at->second != content && !IsCollectedAs(SlotId(op.slot()), record, at->second)) {
    Violate("I1: two values for " + name + ": " + at->second + " and " + content);
  }
  if (made) CheckNoSecondTime(router, op.apply().key(), record);
  if (record.has_origin()) {
    write_backs_[{op.apply().key(), FromProto(record.origin())}].insert(
        FromProto(record.version()));
  }
}

Incarnation SimCluster::IncOf(const Node& node, SlotId slot) const {
  for (const v1::ReplicaRef& replica : state_->slots()[slot.value()].replicas()) {
    if (replica.node() == node.id) return Incarnation(replica.inc());
  }
  return Incarnation(1);
}

std::vector<SimCluster::Node*> SimCluster::Holders(SlotId slot) {
  std::vector<Node*> holders;
  for (const v1::ReplicaRef& replica : state_->slots()[slot.value()].replicas()) {
    for (const auto& node : nodes_) {
      if (node->id == replica.node()) holders.push_back(node.get());
    }
  }
  return holders;
}

bool SimCluster::AllLost(SlotId slot) {
  const std::vector<Node*> holders = Holders(slot);
  return std::all_of(holders.begin(), holders.end(),
                     [&](const Node* node) { return node->lost.count(slot.value()) != 0; });
}

// Whether a replica that is told under `term` to vote again may lack what was acknowledged. One
// that never served before its power failed is no loss: it votes, its owner knows what it is behind
// on, and it may fill the others before all are back. Then nothing is lost, and nothing is excused.
bool SimCluster::GoesOnAfterALoss(SlotId slot, uint32_t term) {
  if (!AllLost(slot)) return false;
  const std::vector<Node*> holders = Holders(slot);
  const bool one_is_whole = std::any_of(holders.begin(), holders.end(), [&](const Node* node) {
    return node->nothing_lost.contains(slot.value());
  });
  return !one_is_whole || united_.contains({slot, term});
}

std::set<std::string> SimCluster::KeysOf(SlotId slot) {
  std::set<std::string> keys;
  for (const Node* holder : Holders(slot)) {
    Node& node = const_cast<Node&>(*holder);
    auto page =
        node.store.Scan(slot, IncOf(node, slot), "", "",
                        {.max_bytes = 1u << 30, .max_entries = 1u << 30, .past_damage = true});
    for (const StoredEntry& entry : page->entries) keys.insert(entry.key);
    for (const DamagedRecord& record : page->damaged) keys.insert(record.key);
  }
  for (const auto& [key, version] : committed_) {
    if (SlotFor(key) == slot) keys.insert(key);
  }
  return keys;
}

// The write that a key has its value of; (0, 0): it has none, and no trace of one.
Version SimCluster::WrittenAs(const std::optional<v1::Record>& record) {
  return record.has_value() ? FromProto(OriginOf(*record)) : Version{};
}

// What none of them has is lost, and nobody can be blamed.
void SimCluster::NoteWhatIsLeft(SlotId slot, const std::vector<Node*>& of) {
  for (const std::string& key : KeysOf(slot)) NoteWhatIsLeft(key, of);
}

void SimCluster::NoteWhatIsLeft(const std::string& key, const std::vector<Node*>& of) {
  Left left;
  Version highest;
  for (Node* node : of) {
    if (node->old_disk) continue;  // it is moved aside
    const Incarnation inc = IncOf(*node, SlotFor(key));
    const Version version = StoredVersion(*node, key, inc);
    if (version <= highest) continue;
    highest = version;
    const std::optional<v1::Record> record = StoredRecord(*node, key, inc);
    // Nothing below a floor is nothing, on the others too.
    left = record.has_value()
               ? Left{version, WrittenAs(record), record->tombstone(), record->expires_at_ms()}
               : Left{};
  }
  left_[key] = left;
  auto committed = committed_.find(key);
  if (committed != committed_.end()) committed->second = std::min(committed->second, left.version);
}

// What an earlier owner sent, and arrives only now, is there before the union begins.
void SimCluster::NoteLateApplies(const v1::ReplicaBatch& batch) {
  for (const v1::ReplicaOp& op : batch.ops()) {
    const SlotId slot(op.slot());
    if (!op.has_apply() || !AllLost(slot)) continue;
    const GroupId group = GroupOf(slot, kSlots, state_->identity().groups());
    // What a union itself writes goes back to an earlier write.
    const v1::Record& record = op.apply().record();
    const bool present = record.version().term() == state_->groups()[group.value()].term();
    if (present && record.has_origin()) continue;
    Left before = left_[op.apply().key()];
    NoteWhatIsLeft(op.apply().key(), Holders(slot));
    if (left_[op.apply().key()].version < before.version) left_[op.apply().key()] = before;
  }
}

// The owner tells a replica to vote again; all had lost something. It knew of none that had started
// again when it decided so, which was with the tick before this one: who has come since as another
// process is filled by those that vote.
void SimCluster::CheckEqualEverywhere(const Router& router, SlotId slot) {
  for (const std::string& key : KeysOf(slot)) {
    std::optional<Version> first;
    Floor floor;  // what is absent or collected at or below one is the same
    for (Node* node : Holders(slot)) {
      floor = std::max(floor, FloorOf(*node, slot, IncOf(*node, slot)));
    }
    for (Node* node : Holders(slot)) {
      const size_t i = std::stoul(node->id.substr(1)) - 1;
      const Router::Link& link = router.links[i];
      const bool known = node->up && node->replica != nullptr && node->boot == link.boot &&
                         scheduler_.now() - link.since > kTick;
      if (!known) continue;
      const Incarnation inc = IncOf(*node, slot);
      const std::optional<v1::Record> record = StoredRecord(*node, key, inc);
      Version version = StoredVersion(*node, key, inc);
      if (record.has_value() ? Collected(*record, floor) : version <= floor.version)
        version = Version{};
      if (!first.has_value()) first = version;
      if (version != *first) {
        Violate("R11: replicas are to vote again, and " + key + " is not the same on all");
      }
    }
  }
}

// The first replica of a slot whose replicas had all lost something votes again.
void SimCluster::CheckUnited(const Router* router, SlotId slot, int i) {
  Node& first = *nodes_[static_cast<size_t>(i)];
  for (const std::string& key : KeysOf(slot)) {
    // Its vote may come late, when the others have gone on: then nothing is decided by it.
    if (router != nullptr && router->links[static_cast<size_t>(i)].peer.has_value()) {
      const Peer peer = *router->links[static_cast<size_t>(i)].peer;
      const std::vector<Peer> behind = router->shard->Describe(slot, key).behind;
      if (std::find(behind.begin(), behind.end(), peer) != behind.end()) continue;
    }
    const Incarnation inc = IncOf(first, slot);
    const std::optional<v1::Record> record = StoredRecord(first, key, inc);
    const Version version = StoredVersion(first, key, inc);
    const Version origin = WrittenAs(record);
    if (auto left = left_.find(key); left != left_.end()) {
      // A union that was begun before may have spread a newer write than is left now.
      const bool dead = !record.has_value() || record->tombstone();
      const bool expired =
          left->second.expires_at_ms != 0 &&
          AtWallMillis(left->second.expires_at_ms) - widest_clock_skew_ <= scheduler_.now();
      const bool other = origin != left->second.origin && origin <= left->second.version &&
                         !(dead && (left->second.dead || expired));
      if (version < left->second.version || other) {
        Violate("R11: version " + left->second.version.ToString() + " (written as " +
                left->second.origin.ToString() + ") of " + key +
                " had survived, and its slot goes on with " + version.ToString() + " (written as " +
                origin.ToString() + ")");
      }
    }
    committed_[key] = record.has_value() ? version : Version{};
    Cut cut;
    cut.at = scheduler_.now();
    if (record.has_value() && !record->tombstone()) cut.value = record->value();
    if (record.has_value()) cut.request = record->request_id().number();
    if (record.has_value() && record->expires_at_ms() != 0)
      cut.expires = AtWallMillis(record->expires_at_ms());
    cuts_[key].push_back(std::move(cut));
  }
}

// Nothing: absent, or collected by the copy's floor.
std::optional<v1::Record> SimCluster::StoredRecord(Node& node, const std::string& key,
                                                   Incarnation inc) {
  RecordKey name{SlotFor(key), inc, key};
  RecordLookup found;
  node.store.MultiGet({&name, 1}, {&found, 1});
  if (!found.found || Collected(found.record, FloorOf(node, name.slot, name.inc))) {
    return std::nullopt;
  }
  return std::move(found.record);
}

// Its record cannot be read now: what it held is as good as lost there.
bool SimCluster::IsDamaged(Node& node, const std::string& key) {
  const auto damaged = node.damaged.find(key);
  if (damaged == node.damaged.end()) return false;
  const RecordKey name{SlotFor(key), damaged->second.inc, key};
  RecordLookup found;
  node.store.MultiGet({&name, 1}, {&found, 1});
  return found.status.code() == StatusCode::kCorruption;
}

bool SimCluster::HoldsOrHeld(Node& node, const std::string& key, Incarnation inc, Version version) {
  if (IsDamaged(node, key)) return node.damaged.at(key).version >= version;
  return StoredVersion(node, key, inc) >= version;
}

bool SimCluster::WasDamaged(const std::string& key) const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [&](const auto& node) { return node->ever_damaged.contains(key); });
}

Version SimCluster::StoredVersion(Node& node, const std::string& key, Incarnation inc) {
  const std::optional<v1::Record> record = StoredRecord(node, key, inc);
  if (record.has_value()) return FromProto(record->version());
  return FloorOf(node, SlotFor(key), inc).version;
}

Floor SimCluster::FloorOf(Node& node, SlotId slot, Incarnation inc) {
  v1::DiskInstance fact;
  auto bytes = node.store.GetMeta(InstanceMetaName(slot, inc));
  if (bytes.ok()) RINGKV_CHECK(fact.ParseFromString(*bytes), "a fact of the disk can be read");
  return {FromProto(fact.floor()), fact.expired_before_ms()};
}

// I8: the floor moves only when all replicas hold all that is at or below it. What was written back
// under a version above the floor is not at or below it any more: a quorum has it there, and
// whoever lacks it is behind on that version.
void SimCluster::CheckFloor(const v1::ReplicaOp& op) {
  if (!op.has_set_floor()) return;
  const Version floor = FromProto(op.set_floor().floor());
  for (const auto& [key, written] : committed_) {
    if (SlotFor(key).value() != op.slot()) continue;
    const Version version = CommittedAs(key, written);
    if (version > floor) continue;
    // What was written back, or written anew, above it is at a quorum: nothing older counts any
    // more, and it cannot be collected yet. Of an unknown outcome nobody need have been told.
    if (HeldByAQuorum(key, {floor.term, floor.seq + 1})) continue;
    for (const v1::ReplicaRef& replica : state_->slots()[op.slot()].replicas()) {
      auto at = std::find_if(nodes_.begin(), nodes_.end(),
                             [&](const auto& n) { return n->id == replica.node(); });
      // A disk that was lost since is filled again before it counts.
      if ((*at)->lost.count(op.slot()) != 0 ||
          HoldsOrHeld(**at, key, Incarnation(replica.inc()), version))
        continue;
      Violate("I8: floor " + floor.ToString() + " although " + (*at)->id + " lacks " +
              version.ToString() + " of " + key);
    }
  }
}

// The highest version under which a quorum holds what was written as `origin`.
Version SimCluster::CommittedAs(const std::string& key, Version origin) {
  auto written_back = write_backs_.find({key, origin});
  if (written_back == write_backs_.end()) return origin;
  for (auto version = written_back->second.rbegin(); version != written_back->second.rend();
       ++version) {
    if (HeldByAQuorum(key, *version)) return *version;
  }
  return origin;
}

// At least this version of the key is on the disks of a quorum.
bool SimCluster::HeldByAQuorum(const std::string& key, Version version) {
  int holders = 0;
  for (const v1::ReplicaRef& replica : state_->slots()[SlotFor(key).value()].replicas()) {
    auto at = std::find_if(nodes_.begin(), nodes_.end(),
                           [&](const auto& n) { return n->id == replica.node(); });
    holders += StoredVersion(**at, key, Incarnation(replica.inc())) >= version ? 1 : 0;
  }
  return holders > mix_.replicas / 2;
}

void SimCluster::OnReleased(const std::string& key, Version origin, const Release& release) {
  LookAtMetadata();  // a transaction of this very event may have made it a commit
  CheckFencing(key, release);
  const Version version = CommittedAs(key, origin);
  Version& committed = committed_[key];
  if (version < committed) return;
  committed = version;
  CheckCommitted(key, /*released=*/true);
  CheckClean(key);
}

// How many of the slot's replicas had promised a later term before that moment.
int SimCluster::PromisedLater(SlotId slot, uint32_t term, MonoTime before) {
  const GroupId group = GroupOf(slot, kSlots, state_->identity().groups());
  int later = 0;
  for (const Node* node : Holders(slot)) {
    auto of_group = node->promised.find(group.value());
    if (of_group == node->promised.end()) continue;
    later += std::any_of(of_group->second.upper_bound(term), of_group->second.end(),
                         [&](const auto& promise) { return promise.second < before; })
                 ? 1
                 : 0;
  }
  return later;
}

// I2: what is begun once a quorum has promised a later term does not end well, and where one
// replica may be read alone, once all have.
void SimCluster::CheckFencing(const std::string& key, const Release& release) {
  const Router* router = RouterOf(release.router);
  if (router == nullptr) return;
  const SlotId slot = SlotFor(key);
  const int later = PromisedLater(slot, router->shard->Describe(slot).term.value(), release.begun);
  const int replicas = static_cast<int>(Holders(slot).size());
  if (later > replicas / 2 && (!release.read || later == replicas)) {
    Violate("I2: a fenced owner gave out " + key);
  }
}

// What the node has promised for the groups of the batch's slots, by group.
std::map<uint32_t, v1::DiskPromise> SimCluster::PromisesOf(Node& node,
                                                           const v1::ReplicaBatch& batch) {
  std::map<uint32_t, v1::DiskPromise> promises;
  for (const v1::ReplicaOp& op : batch.ops()) {
    const GroupId group = GroupOf(SlotId(op.slot()), kSlots, state_->identity().groups());
    if (op.inc() == 0 || promises.contains(group.value())) continue;
    auto bytes = node.store.GetMeta(PromiseMetaName(group));
    v1::DiskPromise promise;
    if (bytes.ok() && promise.ParseFromString(*bytes)) promises[group.value()] = promise;
  }
  return promises;
}

// I2: nobody but the last owner that was promised before is served.
void SimCluster::CheckServed(int i, const std::map<uint32_t, v1::DiskPromise>& promises,
                             const v1::ReplicaBatch& batch,
                             const std::vector<v1::ReplicaOpReply>& replies) {
  Node& node = *nodes_[static_cast<size_t>(i)];
  for (const v1::ReplicaOpReply& reply : replies) {
    if (reply.code() != v1::REPLICA_CODE_OK) continue;
    auto op = std::find_if(batch.ops().begin(), batch.ops().end(),
                           [&](const v1::ReplicaOp& asked) { return asked.op() == reply.op(); });
    if (op == batch.ops().end() || op->has_stats()) continue;
    if (op->has_promise()) {
      node.promised[op->promise().group()].try_emplace(op->term(), scheduler_.now());
      continue;
    }
    const GroupId group = GroupOf(SlotId(op->slot()), kSlots, state_->identity().groups());
    const auto promised = promises.find(group.value());
    if (promised == promises.end()) continue;
    const v1::DiskPromise& promise = promised->second;
    if (promise.term() > op->term() ||
        (promise.term() == op->term() && promise.owner() != op->owner())) {
      Violate("I2: " + node.id + " serves term " + std::to_string(op->term()) +
              " after it has promised " + std::to_string(promise.term()));
    }
  }
}

void SimCluster::CheckCommitted(const std::string& key, bool released) {
  Version version = committed_[key];
  int quorum = mix_.replicas / 2 + 1;
  int holders = 0, lacking = 0, lost = 0;
  const uint32_t slot = SlotFor(key).value();
  for (const v1::ReplicaRef& replica : state_->slots()[slot].replicas()) {
    auto at = std::find_if(nodes_.begin(), nodes_.end(),
                           [&](const auto& n) { return n->id == replica.node(); });
    if ((*at)->lost.count(slot) != 0) {
      ++lost;
    } else {
      ++(HoldsOrHeld(**at, key, Incarnation(replica.inc()), version) ? holders : lacking);
    }
  }
  if (lacking >= quorum) Violate("I3: a quorum lacks version " + version.ToString() + " of " + key);
  if (released && holders + lost < quorum) {
    Violate("I5: version " + version.ToString() + " of " + key + " was given out, held by " +
            std::to_string(holders));
  }
}

// I4.
void SimCluster::CheckClean(const std::string& key) {
  if (router_ != nullptr) CheckClean(*router_, key);
  if (former_ != nullptr) CheckClean(*former_, key);
}

void SimCluster::CheckClean(const Router& router, const std::string& key) {
  const SlotId slot = SlotFor(key);
  const KeyReport going_on = router.shard->Describe(slot, key);
  const SlotReport report = router.shard->Describe(slot);
  auto committed = committed_.find(key);
  for (const ReplicaReport& replica : report.replicas) {
    const auto i = static_cast<size_t>(router.NodeOf(replica.peer));
    Node& node = *nodes_[i];
    if (!replica.clean || !replica.voting || !replica.reachable) continue;
    if (!node.up || node.replica == nullptr) continue;
    if (node.boot != router.links[i].boot) continue;
    // A former owner's opinion counts as long as it may rest on it.
    if (mix_.takeover && !MayReadAlone(router, report, node)) continue;
    if (IsDamaged(node, key)) continue;
    const Version stored = StoredVersion(node, key, replica.inc);
    const bool behind = std::find(going_on.behind.begin(), going_on.behind.end(), replica.peer) !=
                        going_on.behind.end();
    if (!behind && committed != committed_.end() && stored < committed->second) {
      Violate("I4: clean " + node.id + " has " + stored.ToString() + " of " + key + ", not " +
              committed->second.ToString());
    }
    if (std::find(going_on.pending.begin(), going_on.pending.end(), stored) !=
        going_on.pending.end()) {
      continue;
    }
    if (stored == FloorOf(node, slot, replica.inc).version) continue;  // nothing is there
    int holders = 0;
    for (const ReplicaReport& other : report.replicas) {
      if (other.learner) continue;
      Node& at = *nodes_[static_cast<size_t>(router.NodeOf(other.peer))];
      if (at.lost.count(slot.value()) != 0 || HoldsOrHeld(at, key, other.inc, stored)) ++holders;
    }
    // The set may have changed since, which the router cannot know before it reads the metadata:
    // what left may be dropped already, and a quorum of the new set holds what counted.
    int holders_now = 0;
    for (Node* at : Holders(slot)) {
      if (at->lost.count(slot.value()) != 0 || HoldsOrHeld(*at, key, IncOf(*at, slot), stored))
        ++holders_now;
    }
    if (std::max(holders, holders_now) <= mix_.replicas / 2) {
      Violate("I4: clean " + node.id + " has " + stored.ToString() + " of " + key +
              ", which no quorum holds");
    }
  }
}

// Whether this router would release what it reads there and nowhere else.
bool SimCluster::MayReadAlone(const Router& router, const SlotReport& report, const Node& node) {
  if (router.clock->Now() >= router.lease_until && RINGKV_RULE(kLeaseAtSingleReads)) return false;
  const GroupId group = GroupOf(report.slot, kSlots, state_->identity().groups());
  v1::DiskPromise promise;
  auto bytes = const_cast<Node&>(node).store.GetMeta(PromiseMetaName(group));
  return bytes.ok() && promise.ParseFromString(*bytes) && promise.term() <= report.term.value();
}

void SimCluster::CheckAllLoop() {
  scheduler_.After(milliseconds(50), [this] {
    for (const auto& [key, version] : committed_) CheckClean(key);
    CheckAllLoop();
  });
}

// The instance has everything again, as far as its owner knows. What it knows is looked at.
void SimCluster::NoteReinstated(const Router* router, int i, const v1::ReplicaBatch& batch,
                                const std::vector<v1::ReplicaOpReply>& replies) {
  for (const v1::ReplicaOp& op : batch.ops()) {
    if (!op.has_reinstate() || nodes_[i]->lost.count(op.slot()) == 0) continue;
    for (const v1::ReplicaOpReply& reply : replies) {
      if (reply.op() != op.op() || reply.code() != v1::REPLICA_CODE_OK) continue;
      const SlotId slot(op.slot());
      if (GoesOnAfterALoss(slot, op.term())) CheckUnited(router, slot, i);
      nodes_[i]->lost.erase(op.slot());
      nodes_[i]->emptied.erase(op.slot());
      for (const auto& [key, version] : committed_) {
        if (SlotFor(key).value() == op.slot()) CheckCommitted(key, /*released=*/false);
      }
    }
  }
}

// What the replies would have said of votes that a disk took in before it failed.
std::vector<v1::ReplicaOpReply> SimCluster::WrittenBeforeTheError(int i,
                                                                  const v1::ReplicaBatch& batch) {
  std::vector<v1::ReplicaOpReply> replies;
  for (const v1::ReplicaOp& op : batch.ops()) {
    v1::DiskInstance fact;
    auto bytes =
        nodes_[i]->store.GetMeta(InstanceMetaName(SlotId(op.slot()), Incarnation(op.inc())));
    if (!op.has_reinstate() || !bytes.ok() || !fact.ParseFromString(*bytes) || !fact.voting())
      continue;
    replies.emplace_back().set_op(op.op());
  }
  return replies;
}

// The replicas that are not what they should be.
std::string SimCluster::DescribeUnfinished() const {
  std::string text;
  for (uint32_t s = 0; s < kSlots; ++s) {
    for (const ReplicaReport& replica : router_->shard->Describe(SlotId(s)).replicas) {
      if (replica.reachable && replica.clean && replica.voting && replica.behind_keys == 0)
        continue;
      text += "slot " + std::to_string(s) + " on " +
              nodes_[static_cast<size_t>(router_->NodeOf(replica.peer))]->id +
              (replica.reachable ? "" : " unreachable") + (replica.clean ? "" : " not clean") +
              (replica.voting ? "" : " without vote") + (replica.syncing ? " in sync" : "") + ", " +
              std::to_string(replica.behind_keys) + " behind; ";
    }
  }
  return text;
}

std::string SimCluster::CheckQuiet() {
  if (router_ == nullptr) return "there is no router";
  if (former_ != nullptr) return "a former owner has not noticed that it is none any more";
  ShardReport report = router_->shard->Report();
  if (report.blocked != 0) {
    return std::to_string(report.blocked) + " slots are blocked: " + DescribeUnfinished();
  }
  if (report.calls_in_flight != 0) return "calls are still in flight";
  if (std::string moving = DescribeMoves(); !moving.empty()) return moving;
  if (report.pending_keys != 0)
    return std::to_string(report.pending_keys) + " keys are still pending";
  if (report.fully_replicated != kSlots) {
    return std::to_string(kSlots - report.fully_replicated) +
           " slots are not fully replicated: " + DescribeUnfinished();
  }
  for (uint32_t s = 0; s < kSlots; ++s) {
    // Whether a replica has swept what the highest floor lets go makes no difference.
    Floor floor;
    for (const ReplicaReport& replica : router_->shard->Describe(SlotId(s)).replicas) {
      floor = std::max(floor, FloorOf(*nodes_[static_cast<size_t>(router_->NodeOf(replica.peer))],
                                      SlotId(s), replica.inc));
    }
    std::map<std::string, std::string> first;
    bool have_first = false;
    for (const ReplicaReport& replica : router_->shard->Describe(SlotId(s)).replicas) {
      if (!replica.clean) continue;
      Node& node = *nodes_[static_cast<size_t>(router_->NodeOf(replica.peer))];
      if (!replica.reachable || replica.behind_keys != 0) {
        return "slot " + std::to_string(s) + " on " + node.id + " is behind by " +
               std::to_string(replica.behind_keys) + " keys";
      }
      auto page = node.store.Scan(SlotId(s), replica.inc, "", "",
                                  {.max_bytes = 1u << 30, .max_entries = 1u << 30});
      if (!page.ok())
        return "slot " + std::to_string(s) + " on " + node.id + ": " + page.status().message();
      std::map<std::string, std::string> content;
      for (const StoredEntry& entry : page->entries) {
        if (Collected(entry.record, floor)) continue;
        content[entry.key] = entry.record.SerializeAsString();
      }
      if (have_first && content != first)
        return "clean replicas of slot " + std::to_string(s) + " differ";
      first = std::move(content);
      have_first = true;
    }
  }
  return "";
}

}  // namespace ringkv
