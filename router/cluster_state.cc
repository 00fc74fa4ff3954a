#include "router/cluster_state.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "base/check.h"
#include "base/limits.h"
#include "ring/hash.h"

namespace ringkv {
namespace {

std::string Numbered(const char* folder, uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s/%08u", folder, number);
  return name;
}

template <class Message>
Status ParseEntry(const std::string& name, const std::string& bytes, Message* message) {
  if (message->ParseFromString(bytes)) return Status::Ok();
  return Status::Corruption("metadata entry `" + name + "` cannot be decoded");
}

Status Wrong(std::string_view name, std::string_view what) {
  return Status::Corruption("metadata entry `" + std::string(name) + "` " + std::string(what));
}

Status CheckIdentity(const v1::ClusterIdentity& identity) {
  if (identity.format_version() != kMetadataFormatVersion) {
    return Status::Refused("the metadata has format version " +
                           std::to_string(identity.format_version()) + "; this program reads " +
                           std::to_string(kMetadataFormatVersion));
  }
  if (identity.uuid().size() != kUuidBytes) return Wrong(kClusterName, "has no uuid of 16 bytes");
  const uint32_t slots = identity.slots();
  if (!IsSlotCount(slots)) {
    return Wrong(kClusterName, "has " + std::to_string(slots) + " slots");
  }
  const uint32_t groups = identity.groups();
  if (!IsGroupCount(groups, slots)) {
    return Wrong(kClusterName, "has " + std::to_string(groups) + " groups");
  }
  return Status::Ok();
}

Status CheckNode(const std::string& name, const v1::NodeRecord& node) {
  if (name != NodeName(node.id())) return Wrong(name, "is of node `" + node.id() + "`");
  RINGKV_RETURN_IF_ERROR(NodeId::Parse(node.id()).status().Annotate(name));
  if (Status address = CheckAddress(node.address()); !address.ok()) {
    return Wrong(name, "has a bad address: " + address.message());
  }
  if (node.vnodes() < 1 || node.vnodes() > kMaxVnodes) {
    return Wrong(name, "has " + std::to_string(node.vnodes()) + " vnodes");
  }
  if (!node.store_uuid().empty() && node.store_uuid().size() != kUuidBytes) {
    return Wrong(name,
                 "has a store uuid of " + std::to_string(node.store_uuid().size()) + " bytes");
  }
  if (node.state() == v1::NODE_STATE_UNSPECIFIED) return Wrong(name, "has no state");
  return Status::Ok();
}

Status CheckReplica(const std::string& name, const v1::ReplicaRef& replica, uint64_t last_inc,
                    const std::map<std::string, v1::NodeRecord>& nodes) {
  if (!nodes.contains(replica.node())) {
    return Wrong(name, "names node `" + replica.node() + "`, which is not known");
  }
  if (replica.inc() < 1 || replica.inc() > last_inc) {
    return Wrong(name, "has incarnation " + std::to_string(replica.inc()) +
                           " outside 1 to last_inc " + std::to_string(last_inc));
  }
  return Status::Ok();
}

Status CheckSlot(const std::string& name, const v1::SlotPlacement& slot,
                 const std::map<std::string, v1::NodeRecord>& nodes) {
  if (slot.replicas_size() == 0) return Wrong(name, "has no replicas");
  std::set<std::string> seen;
  for (const v1::ReplicaRef& replica : slot.replicas()) {
    RINGKV_RETURN_IF_ERROR(CheckReplica(name, replica, slot.last_inc(), nodes));
    if (!seen.insert(replica.node()).second) {
      return Wrong(name, "has two replicas on node `" + replica.node() + "`");
    }
  }
  if (slot.has_learner()) {
    RINGKV_RETURN_IF_ERROR(CheckReplica(name, slot.learner(), slot.last_inc(), nodes));
    if (seen.contains(slot.learner().node())) {
      return Wrong(
          name, "has its learner on node `" + slot.learner().node() + "`, which holds a replica");
    }
  }
  if (slot.has_replaced() && (!slot.has_learner() || !seen.contains(slot.replaced().node()))) {
    return Wrong(name, "replaces what is not there");
  }
  for (const v1::ReplicaRef& replica : slot.retiring()) {
    RINGKV_RETURN_IF_ERROR(CheckReplica(name, replica, slot.last_inc(), nodes));
  }
  return Status::Ok();
}

}  // namespace

std::string GroupName(GroupId group) { return Numbered("group", group.value()); }
std::string SlotName(SlotId slot) { return Numbered("slot", slot.value()); }
std::string NodeName(std::string_view id) { return "node/" + std::string(id); }
std::string DesiredName(GroupId group) { return Numbered("desired", group.value()); }
std::string MigrationName(uint64_t id) { return Numbered("migration", static_cast<uint32_t>(id)); }

bool IsMember(const v1::NodeRecord& node) {
  return node.state() == v1::NODE_STATE_MEMBER || node.state() == v1::NODE_STATE_DRAINING;
}

bool IsOver(const v1::MigrationRecord& migration) {
  return migration.state() == v1::MIGRATION_STATE_DONE ||
         migration.state() == v1::MIGRATION_STATE_ABORTED;
}

Result<std::optional<ClusterState>> ClusterState::Load(const MetadataStore::Entries& entries) {
  ClusterState state;
  state.stored_.insert(entries.begin(), entries.end());
  if (!state.stored_.contains(kClusterName)) {
    for (std::string_view name : {kPlacementName, kNextTermName}) {
      if (state.stored_.contains(name)) return Wrong(name, "is there without a cluster");
    }
    return std::optional<ClusterState>();
  }
  RINGKV_RETURN_IF_ERROR(state.Decode(Touched::All()));
  return std::optional<ClusterState>(std::move(state));
}

Status ClusterState::Apply(const MetadataTxn& txn) {
  // Changed in place, and only what was touched is decoded again: a registration must not cost a
  // walk over all slots.
  std::vector<std::pair<std::string, std::optional<std::string>>> undo;
  Touched touched;
  auto set = [&](const std::string& name, std::optional<std::string> value) {
    auto found = stored_.find(name);
    std::optional<std::string> old;
    if (found != stored_.end()) old = std::move(found->second);
    undo.emplace_back(name, std::move(old));
    touched.groups |= name.starts_with("group/") || name == kClusterName || name == kNextTermName;
    touched.nodes |= name.starts_with(NodeName(""));
    // A node that goes may be one that a row names.
    const bool node_goes = name.starts_with(NodeName("")) && !value.has_value();
    touched.slots |= name == kClusterName || node_goes;
    touched.changes |= node_goes || name.starts_with("desired/") || name.starts_with("migration/");
    if (name.starts_with("slot/")) {
      const auto slot = static_cast<uint32_t>(std::strtoul(name.c_str() + 5, nullptr, 10));
      if (value.has_value() && slot < slots_.size()) touched.slot_list.push_back(slot);
      touched.slots |= !value.has_value();
    }
    if (value.has_value()) {
      stored_[name] = std::move(*value);
    } else {
      stored_.erase(name);
    }
  };
  for (const auto& [name, value] : txn.puts) set(name, value);
  for (const std::string& name : txn.erases) set(name, std::nullopt);
  Status decoded = Decode(touched);
  if (decoded.ok()) return decoded;
  for (auto it = undo.rbegin(); it != undo.rend(); ++it) {
    if (it->second.has_value()) {
      stored_[it->first] = std::move(*it->second);
    } else {
      stored_.erase(it->first);
    }
  }
  RINGKV_CHECK(Decode(Touched::All()).ok(), "the state before the transaction was consistent");
  return decoded;
}

Status ClusterState::Decode(const Touched& touched) {
  RINGKV_RETURN_IF_ERROR(DecodeSettings());
  if (touched.nodes) RINGKV_RETURN_IF_ERROR(DecodeNodes());
  if (touched.groups) RINGKV_RETURN_IF_ERROR(DecodeGroups());
  if (touched.slots) {
    RINGKV_RETURN_IF_ERROR(DecodeSlots());
  } else {
    for (uint32_t slot : touched.slot_list) RINGKV_RETURN_IF_ERROR(DecodeSlot(slot));
  }
  if (touched.changes) RINGKV_RETURN_IF_ERROR(DecodeChanges());
  return Status::Ok();
}

Status ClusterState::DecodeSettings() {
  auto entry = [this](std::string_view name) {
    auto found = stored_.find(name);
    return found == stored_.end() ? nullptr : &found->second;
  };
  const std::string* cluster = entry(kClusterName);
  if (cluster == nullptr) return Wrong(kClusterName, "is missing");
  RINGKV_RETURN_IF_ERROR(ParseEntry(std::string(kClusterName), *cluster, &identity_));
  RINGKV_RETURN_IF_ERROR(CheckIdentity(identity_));

  const std::string* placement = entry(kPlacementName);
  if (placement == nullptr) return Wrong(kPlacementName, "is missing");
  RINGKV_RETURN_IF_ERROR(ParseEntry(std::string(kPlacementName), *placement, &placement_));
  if (placement_.replicas() < 1 || placement_.replicas() > kMaxReplicas) {
    return Wrong(kPlacementName, "asks for " + std::to_string(placement_.replicas()) + " replicas");
  }

  const std::string* next_term = entry(kNextTermName);
  if (next_term == nullptr) return Wrong(kNextTermName, "is missing");
  const char* end = next_term->data() + next_term->size();
  auto [parsed_to, error] = std::from_chars(next_term->data(), end, next_term_);
  if (error != std::errc() || parsed_to != end || next_term_ == 0) {
    return Wrong(kNextTermName, "is no term");
  }
  return Status::Ok();
}

Status ClusterState::DecodeGroups() {
  std::set<uint32_t> terms;
  groups_.resize(identity_.groups());
  for (uint32_t i = 0; i < identity_.groups(); ++i) {
    const std::string name = GroupName(GroupId(i));
    auto found = stored_.find(name);
    if (found == stored_.end()) return Wrong(name, "is missing");
    v1::GroupOwnership& group = groups_[i];
    RINGKV_RETURN_IF_ERROR(ParseEntry(name, found->second, &group));
    if (group.group() != i) return Wrong(name, "is of group " + std::to_string(group.group()));
    if (group.term() == 0) continue;
    if (group.term() >= next_term_) return Wrong(name, "has a term not below next_term");
    if (group.first_term() == 0 || group.first_term() > group.term()) {
      return Wrong(name, "has a first term that does not fit its term");
    }
    if (group.owner() == 0) return Wrong(name, "has a term and no owner");
    if (!terms.insert(group.term()).second)
      return Wrong(name, "shares its term with another group");
  }
  return Status::Ok();
}

Status ClusterState::DecodeSlots() {
  slots_.resize(identity_.slots());
  for (uint32_t i = 0; i < identity_.slots(); ++i) RINGKV_RETURN_IF_ERROR(DecodeSlot(i));
  return Status::Ok();
}

Status ClusterState::DecodeSlot(uint32_t slot) {
  const std::string name = SlotName(SlotId(slot));
  auto found = stored_.find(name);
  if (found == stored_.end()) return Wrong(name, "is missing");
  RINGKV_RETURN_IF_ERROR(ParseEntry(name, found->second, &slots_[slot]));
  if (slots_[slot].slot() != slot) {
    return Wrong(name, "is of slot " + std::to_string(slots_[slot].slot()));
  }
  return CheckSlot(name, slots_[slot], nodes_);
}

Status ClusterState::DecodeChanges() {
  desired_.clear();
  migrations_.clear();
  constexpr std::string_view kDesiredPrefix = "desired/";
  for (auto it = stored_.lower_bound(kDesiredPrefix);
       it != stored_.end() && it->first.starts_with(kDesiredPrefix); ++it) {
    v1::DesiredRows rows;
    RINGKV_RETURN_IF_ERROR(ParseEntry(it->first, it->second, &rows));
    for (v1::DesiredRow& row : *rows.mutable_rows()) {
      if (row.slot() >= identity_.slots()) {
        return Wrong(it->first, "is of slot " + std::to_string(row.slot()));
      }
      for (const std::string& node : row.nodes()) {
        if (!nodes_.contains(node)) return Wrong(it->first, "names node `" + node + "`");
      }
      desired_[row.slot()] = std::move(row);
    }
  }
  constexpr std::string_view kMigrationPrefix = "migration/";
  for (auto it = stored_.lower_bound(kMigrationPrefix);
       it != stored_.end() && it->first.starts_with(kMigrationPrefix); ++it) {
    v1::MigrationRecord migration;
    RINGKV_RETURN_IF_ERROR(ParseEntry(it->first, it->second, &migration));
    if (migration.id() == 0 || it->first != MigrationName(migration.id())) {
      return Wrong(it->first, "is of migration " + std::to_string(migration.id()));
    }
    migrations_[migration.id()] = std::move(migration);
  }
  return Status::Ok();
}

const v1::MigrationRecord* ClusterState::CurrentMigration() const {
  for (auto it = migrations_.rbegin(); it != migrations_.rend(); ++it) {
    if (!IsOver(it->second)) return &it->second;
  }
  return nullptr;
}

Status ClusterState::DecodeNodes() {
  nodes_.clear();
  const std::string prefix = NodeName("");
  for (auto it = stored_.lower_bound(prefix); it != stored_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    v1::NodeRecord node;
    RINGKV_RETURN_IF_ERROR(ParseEntry(it->first, it->second, &node));
    RINGKV_RETURN_IF_ERROR(CheckNode(it->first, node));
    nodes_.emplace(node.id(), std::move(node));
  }
  return Status::Ok();
}

const v1::NodeRecord* ClusterState::FindNode(std::string_view id) const {
  auto found = nodes_.find(std::string(id));
  return found == nodes_.end() ? nullptr : &found->second;
}

void ClusterState::Expect(std::string_view name, MetadataTxn* txn) const {
  auto found = stored_.find(name);
  std::optional<std::string> value;
  if (found != stored_.end()) value = found->second;
  txn->expect.emplace_back(std::string(name), std::move(value));
}

void ClusterState::RaiseEpoch(MetadataTxn* txn) const {
  Expect(kPlacementName, txn);
  v1::PlacementSettings next = placement_;
  next.set_epoch(next.epoch() + 1);
  txn->puts.emplace_back(kPlacementName, next.SerializeAsString());
}

}  // namespace ringkv
