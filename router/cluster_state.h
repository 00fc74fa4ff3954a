// What the metadata store says of the cluster, as one typed value: decoded and checked when it is
// loaded, changed only by applying transactions that were committed. Pure.
//
// Names (contents: proto/ringkv/v1/cluster.proto): "cluster", "placement", "next_term" (decimal),
// "group/NNNNNNNN", "slot/NNNNNNNN", "node/ID", "desired/NNNNNNNN" (by group),
// "migration/NNNNNNNN". Other names are left alone: they belong to newer versions.
//
// Guarantees
//  1. A state that was loaded is consistent: every group and slot is there, every replica is on a
//     known node, no term is given twice. What is not is an error that names the entry.
//  2. `Expect…` gives back the stored bytes exactly as they were read, so that a transaction built
//  on
//     a state holds only if nobody has changed what it rests on.
//
// A value; thread-compatible.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "ringkv/v1/cluster.pb.h"
#include "router/metadata_store.h"

namespace ringkv {

inline constexpr uint32_t kMetadataFormatVersion = 1;
inline constexpr size_t kUuidBytes = 16;

inline constexpr std::string_view kClusterName = "cluster";
inline constexpr std::string_view kPlacementName = "placement";
inline constexpr std::string_view kNextTermName = "next_term";
std::string GroupName(GroupId group);
std::string SlotName(SlotId slot);
std::string NodeName(std::string_view id);
std::string DesiredName(GroupId group);
std::string MigrationName(uint64_t id);

class ClusterState {
 public:
  // nullopt: no cluster has been formed. Corruption: what is stored makes no sense. Refused:
  // another format version wrote it.
  static Result<std::optional<ClusterState>> Load(const MetadataStore::Entries& entries);

  // The state after a committed transaction. Corruption, and the state is as before, if the
  // transaction makes no sense.
  Status Apply(const MetadataTxn& txn);

  const v1::ClusterIdentity& identity() const { return identity_; }
  const v1::PlacementSettings& placement() const { return placement_; }
  uint32_t next_term() const { return next_term_; }
  const std::vector<v1::GroupOwnership>& groups() const { return groups_; }      // by group
  const std::vector<v1::SlotPlacement>& slots() const { return slots_; }         // by slot
  const std::map<std::string, v1::NodeRecord>& nodes() const { return nodes_; }  // by id

  // Rows that are to be others, by slot.
  const std::map<uint32_t, v1::DesiredRow>& desired() const { return desired_; }
  const std::map<uint64_t, v1::MigrationRecord>& migrations() const {
    return migrations_;
  }  // by id
  // The one that is not over; null: none.
  const v1::MigrationRecord* CurrentMigration() const;

  // Null: not known.
  const v1::NodeRecord* FindNode(std::string_view id) const;

  // Adds to `txn` that `name` must be as this state knows it (or must not be there).
  void Expect(std::string_view name, MetadataTxn* txn) const;
  // Makes `txn` the next of the transactions that change rows, wishes or migrations. It holds only
  // if it was planned on all of those before it: one whose outcome is in doubt may take effect at
  // any time, and then nothing holds that was planned without it; nor does it, once another has
  // come before it.
  void RaiseEpoch(MetadataTxn* txn) const;

 private:
  // What a transaction changed, and what must be decoded again for it.
  struct Touched {
    bool nodes = false;
    bool groups = false;
    bool changes = false;  // desired rows and migrations
    bool slots = false;
    std::vector<uint32_t> slot_list;  // these, where not all of them
    static Touched All() { return {true, true, true, true, {}}; }
  };

  ClusterState() = default;
  Status Decode(const Touched& touched);
  Status DecodeSettings();
  Status DecodeGroups();
  Status DecodeSlots();
  Status DecodeSlot(uint32_t slot);
  Status DecodeChanges();
  Status DecodeNodes();

  std::map<std::string, std::string, std::less<>> stored_;  // exactly as in the store
  v1::ClusterIdentity identity_;
  v1::PlacementSettings placement_;
  uint32_t next_term_ = 0;
  std::vector<v1::GroupOwnership> groups_;
  std::vector<v1::SlotPlacement> slots_;
  std::map<std::string, v1::NodeRecord> nodes_;
  std::map<uint32_t, v1::DesiredRow> desired_;
  std::map<uint64_t, v1::MigrationRecord> migrations_;
};

// Whether the node's instances count: it is part of the cluster, or on its way out.
bool IsMember(const v1::NodeRecord& node);
// Whether the migration is over, one way or the other.
bool IsOver(const v1::MigrationRecord& migration);

}  // namespace ringkv
