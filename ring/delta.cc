#include "ring/delta.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

namespace ringkv {
namespace {

// Up to here members are changed one by one, each of which copies the list of all nodes.
constexpr size_t kFewNodes = 64;

void AddRow(const Ring& from, const Ring& to, SlotId slot, RingDelta* delta) {
  const ReplicaRow before = from.Replicas(slot);
  const ReplicaRow after = to.Replicas(slot);
  RingDelta::Row change{slot, 0, delta->entered.size()};
  for (uint32_t place = 0; place < after.size(); ++place) {
    if (place < before.size() && before[place] == after[place]) continue;
    change.places |= PlaceBit(place);
    delta->entered.push_back(after[place]);
  }
  if (change.places != 0) delta->rows.push_back(change);
}

Status CheckBase(const Ring& from, const RingDelta& delta) {
  const std::string needs = "the delta to epoch " + std::to_string(delta.to_epoch.value()) +
                            " needs the ring of epoch " + std::to_string(delta.from_epoch.value());
  if (from.epoch() != delta.from_epoch) {
    return Status::ConditionFailed(needs + ", and this one has epoch " +
                                   std::to_string(from.epoch().value()));
  }
  if (from.slots() != delta.slots || from.replicas() != delta.from_replicas) {
    return Status::ConditionFailed(needs + " with " + std::to_string(delta.slots) + " slots x " +
                                   std::to_string(delta.from_replicas) +
                                   " replicas, and this one has " + std::to_string(from.slots()) +
                                   " x " + std::to_string(from.replicas()));
  }
  if (from.fingerprint() != delta.base_fingerprint) {
    return Status::ConditionFailed(needs + ", and this one, of the same epoch, is another");
  }
  return Status::Ok();
}

Status Malformed(const std::string& what) {
  return Status::InvalidArgument("not an encoded delta: " + what);
}

// Against the base: that each change is one, and that indexes beyond the base's leave nothing out
// (or a few bytes could ask for as many nodes as there can be). Whether a ring comes of it is
// judged with the result.
Status CheckNodes(const Ring& from, const RingDelta& delta) {
  uint32_t next = from.index_limit();
  for (const RingDelta::Node& change : delta.nodes) {
    const std::string who = "the node with index " + std::to_string(change.index.value());
    const bool beyond = change.index.value() >= from.index_limit();
    if (!beyond && from.members()[change.index] == change.member) {
      return Malformed(who + " does not change");
    }
    if (beyond && change.index.value() != next++) return Malformed(who + " leaves out some before");
  }
  if (next > from.index_limit() && delta.nodes.back().member.id.empty()) {
    return Malformed("its last node is a gap");
  }
  return Status::Ok();
}

Status CheckRows(const Ring& from, const RingDelta& delta) {
  const bool more = delta.to_replicas > delta.from_replicas;
  if (more && delta.rows.size() != delta.slots) {
    return Malformed("it has more replicas for " + std::to_string(delta.rows.size()) + " of " +
                     std::to_string(delta.slots) + " slots");
  }
  const unsigned added = more ? PlaceBit(delta.to_replicas) - PlaceBit(delta.from_replicas) : 0u;
  for (const RingDelta::Row& change : delta.rows) {
    const uint32_t slot = change.slot.value();
    if ((change.places & added) != added) {
      return Malformed("slot " + std::to_string(slot) + " lacks a replica");
    }
    const ReplicaRow before = from.Replicas(change.slot);
    size_t entered = change.first;
    for (uint32_t place = 0; place < delta.to_replicas; ++place) {
      if ((change.places & PlaceBit(place)) == 0) continue;
      const NodeIndex node = delta.entered[entered++];
      if (place < before.size() && before[place] == node) {
        return Malformed("slot " + std::to_string(slot) + " keeps the node of its place " +
                         std::to_string(place));
      }
    }
  }
  return Status::Ok();
}

// `change` may be nullptr: as it was, but for RF.
ReplicaRow NewRow(const Ring& from, const RingDelta& delta, SlotId slot,
                  const RingDelta::Row* change) {
  const ReplicaRow before = from.Replicas(slot);
  std::array<NodeIndex, kMaxReplicas> nodes;
  size_t entered = change != nullptr ? change->first : 0;
  for (uint32_t place = 0; place < delta.to_replicas; ++place) {
    const bool changes = change != nullptr && (change->places & PlaceBit(place)) != 0;
    nodes[place] = changes ? delta.entered[entered++] : before[place];
  }
  return ReplicaRow(std::span(nodes).first(delta.to_replicas));
}

// What changes is written over a copy that shares the rest.
Result<Ring> Edited(const Ring& from, const RingDelta& delta) {
  RingEditor editor(from);
  editor.SetEpoch(delta.to_epoch);
  // Who leaves goes first: the index, or the id at another index, may be given anew.
  for (const RingDelta::Node& change : delta.nodes) {
    const NodeId& before = from.members()[change.index].id;
    if (before.empty() || before == change.member.id) continue;
    RINGKV_RETURN_IF_ERROR(editor.RemoveMember(change.index));
  }
  for (const RingDelta::Node& change : delta.nodes) {
    if (change.member.id.empty()) continue;
    RINGKV_RETURN_IF_ERROR(editor.SetMember(change.index, change.member));
  }
  for (const RingDelta::Row& change : delta.rows) {
    RINGKV_RETURN_IF_ERROR(editor.SetRow(change.slot, NewRow(from, delta, change.slot, &change)));
  }
  return editor.Finish();
}

Result<Ring> Remade(const Ring& from, RingDelta delta) {
  Ring::Parts parts{delta.to_epoch, delta.slots, delta.to_replicas, from.members().ToVector(), {}};
  for (RingDelta::Node& change : delta.nodes) {
    const size_t index = change.index.value();
    if (index >= parts.members.size()) parts.members.resize(index + 1);
    parts.members[index] = std::move(change.member);
  }
  parts.rows.reserve(size_t{delta.slots} * delta.to_replicas);
  auto change = delta.rows.begin();
  for (uint32_t slot = 0; slot < delta.slots; ++slot) {
    const bool changes = change != delta.rows.end() && change->slot == SlotId(slot);
    const ReplicaRow row = NewRow(from, delta, SlotId(slot), changes ? &*change : nullptr);
    parts.rows.insert(parts.rows.end(), row.begin(), row.end());
    if (changes) ++change;
  }
  return Ring::Make(std::move(parts));
}

}  // namespace

RingDelta DeltaBetween(const Ring& from, const Ring& to) {
  RingDelta delta;
  delta.from_epoch = from.epoch();
  delta.to_epoch = to.epoch();
  delta.slots = from.slots();
  delta.from_replicas = from.replicas();
  delta.to_replicas = to.replicas();
  const auto add = [&](NodeIndex node) { delta.nodes.push_back({node, to.members()[node]}); };
  MemberTable::ForEachDifference(from.members(), to.members(), [&](NodeIndex node) {
    if (node.value() < from.index_limit()) add(node);
  });
  for (uint32_t i = from.index_limit(); i < to.index_limit(); ++i) add(NodeIndex(i));
  if (from.replicas() == to.replicas()) {
    SlotTable::ForEachDifference(from.table(), to.table(),
                                 [&](SlotId slot) { AddRow(from, to, slot, &delta); });
  } else {
    for (uint32_t slot = 0; slot < from.slots(); ++slot) AddRow(from, to, SlotId(slot), &delta);
  }
  delta.base_fingerprint = from.fingerprint();
  return delta;
}

Result<Ring> Apply(const Ring& from, RingDelta delta) {
  RINGKV_RETURN_IF_ERROR(CheckBase(from, delta));
  RINGKV_RETURN_IF_ERROR(CheckNodes(from, delta));
  RINGKV_RETURN_IF_ERROR(CheckRows(from, delta));
  const bool few = delta.nodes.size() <= kFewNodes;
  Result<Ring> ring = few && delta.from_replicas == delta.to_replicas
                          ? Edited(from, delta)
                          : Remade(from, std::move(delta));
  if (!ring.ok()) return ring.status().Annotate("not an encoded delta");
  return ring;
}

}  // namespace ringkv
