#include "ring/planner.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "ring/placement.h"
#include "ring/primaries.h"
#include "ring/rebalance.h"
#include "ring/shares.h"
#include "ring/spread.h"

namespace ringkv {
namespace {

// What a change comes to, whatever it was: the ring as it is, the members and RF as they shall be.
struct Change {
  Ring::Parts before;           // without rows' replicas where there was no ring yet
  std::vector<Member> members;  // by NodeIndex; who leaves is a gap
  uint32_t replicas = 0;        // RF to be
  NodeId about;                 // the node that the change is about; empty: none in particular
};

// All nodes of before and after, in the order of their ids: the planner's numbers are positions in
// this list, so that a plan does not depend on the history of indexes.
struct Roster {
  std::vector<NodeIndex> nodes;
  std::vector<uint32_t> number_of;  // by NodeIndex
  std::vector<uint32_t> weights;    // by number; 0: leaves
  uint32_t about = 0;               // nodes.size(): none
};

Roster MakeRoster(const Change& change) {
  const std::vector<Member>& old = change.before.members;
  auto id = [&](uint32_t i) -> const NodeId& {
    const bool stays = i < change.members.size() && !change.members[i].id.empty();
    return stays ? change.members[i].id : old[i].id;
  };
  Roster roster;
  const auto limit = static_cast<uint32_t>(std::max(old.size(), change.members.size()));
  for (uint32_t i = 0; i < limit; ++i) {
    if (i < change.members.size() && !change.members[i].id.empty()) {
      roster.nodes.push_back(NodeIndex(i));
    } else if (i < old.size() && !old[i].id.empty()) {
      roster.nodes.push_back(NodeIndex(i));
    }
  }
  std::sort(roster.nodes.begin(), roster.nodes.end(),
            [&](NodeIndex a, NodeIndex b) { return id(a.value()) < id(b.value()); });
  roster.number_of.resize(limit);
  roster.about = static_cast<uint32_t>(roster.nodes.size());
  for (uint32_t n = 0; n < roster.nodes.size(); ++n) {
    const uint32_t index = roster.nodes[n].value();
    roster.number_of[index] = n;
    const bool stays = index < change.members.size() && !change.members[index].id.empty();
    roster.weights.push_back(stays ? change.members[index].vnodes : 0);
    if (id(index) == change.about) roster.about = n;
  }
  return roster;
}

// The old rows in the planner's numbers, with room for the greater of old and new RF.
std::vector<uint32_t> WorkRows(const Change& change, const Roster& roster, uint32_t width) {
  const Ring::Parts& before = change.before;
  const auto nobody = static_cast<uint32_t>(roster.nodes.size());
  std::vector<uint32_t> rows(size_t{before.slots} * width, nobody);
  for (size_t slot = 0; slot < before.slots; ++slot) {
    for (size_t place = 0; place < before.replicas; ++place) {
      const NodeIndex node = before.rows[slot * before.replicas + place];
      rows[slot * width + place] = roster.number_of[node.value()];
    }
  }
  return rows;
}

// What left each row against what entered it, paired in the row's order.
std::vector<Move> MovesOf(const Placement& placement, const Roster& roster) {
  std::vector<Move> moves;
  std::vector<uint32_t> out, in;
  for (uint32_t slot = 0; slot < placement.slots(); ++slot) {
    out.clear();
    in.clear();
    for (uint32_t node : placement.RowBefore(slot)) {
      if (node != placement.nobody() && !placement.Holds(slot, node)) out.push_back(node);
    }
    for (uint32_t node : placement.Row(slot)) {
      if (placement.CopiesFor(slot, node) > 0) in.push_back(node);
    }
    for (size_t i = 0; i < std::max(out.size(), in.size()); ++i) {
      Move move{SlotId(slot), std::nullopt, std::nullopt};
      if (i < out.size()) move.from = roster.nodes[out[i]];
      if (i < in.size()) move.to = roster.nodes[in[i]];
      moves.push_back(move);
    }
  }
  return moves;
}

uint64_t LeastMoves(std::span<const uint32_t> current, std::span<const uint32_t> targets) {
  uint64_t gained = 0, lost = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    gained += targets[i] > current[i] ? targets[i] - current[i] : 0;
    lost += current[i] > targets[i] ? current[i] - targets[i] : 0;
  }
  return std::max(gained, lost);
}

// The change is judged before; from here on it cannot fail.
//
// Zones will come in between: RoundShares gets caps by zone, and Placement::CanEnter refuses a node
// in a zone that the row has already.
PlannedChange Plan(Change change) {
  const Roster roster = MakeRoster(change);
  const uint32_t slots = change.before.slots;
  const uint32_t width = std::max(change.before.replicas, change.replicas);
  const uint32_t narrow = std::min(change.before.replicas, change.replicas);
  std::vector<uint32_t> rows = WorkRows(change, roster, width);

  std::vector<uint32_t> current(roster.nodes.size() + 1, 0);
  for (uint32_t node : rows) ++current[node];
  current.pop_back();  // nobody
  const std::vector<Share> shares = FairShares(roster.weights, slots, change.replicas);
  const std::vector<uint32_t> targets =
      RoundShares(shares, current, uint64_t{slots} * change.replicas, roster.about);

  Placement placement(std::move(rows), width, width - narrow, shares, targets);
  Rebalance(placement);
  EvenSpread(placement, change.replicas);
  placement.PackRows();
  AssignPrimaries(placement, shares, change.replicas);

  Ring::Parts next;
  next.epoch = Epoch(change.before.epoch.value() + 1);
  next.slots = slots;
  next.replicas = change.replicas;
  next.members = std::move(change.members);
  next.rows.reserve(size_t{slots} * change.replicas);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    for (uint32_t node : placement.Row(slot).first(change.replicas)) {
      next.rows.push_back(roster.nodes[node]);
    }
  }
  Result<Ring> ring = Ring::Make(std::move(next));
  RINGKV_CHECK(ring.ok(), ring.status().message());
  return {std::move(ring).value(), MovesOf(placement, roster), LeastMoves(current, targets)};
}

Status NoSuchNode(const NodeId& id) {
  return Status::NotFound("node '" + id.value() + "' is not part of the cluster");
}

std::string Count(size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

Change ChangeOf(const Ring& ring, NodeId about) {
  Change change;
  change.before = ring.ToParts();
  change.members = change.before.members;
  change.replicas = ring.replicas();
  change.about = std::move(about);
  return change;
}

}  // namespace

Result<PlannedChange> FormRing(std::vector<Member> members, uint32_t replicas, uint32_t slots) {
  RINGKV_RETURN_IF_ERROR(CheckSlotCount(slots));
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(replicas));
  if (members.empty()) {
    return Status::InvalidArgument("a ring needs at least one node, and there is none");
  }
  for (const Member& member : members) RINGKV_RETURN_IF_ERROR(CheckMember(member));
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  for (size_t i = 1; i < members.size(); ++i) {
    if (members[i - 1].id == members[i].id) {
      return Status::Refused("node '" + members[i].id.value() + "' is named twice");
    }
  }
  if (members.size() < replicas) {
    return Status::Refused(
        Count(replicas, "replica") + " of a slot need as many nodes, and there " +
        (members.size() == 1 ? "is 1" : "are " + std::to_string(members.size())) +
        "; add nodes, or form with replicas: " + std::to_string(members.size()));
  }
  Change change;
  change.before.slots = slots;
  change.members = std::move(members);
  change.replicas = replicas;
  return Plan(std::move(change));
}

Result<PlannedChange> AddNode(const Ring& ring, const Member& member) {
  RINGKV_RETURN_IF_ERROR(CheckMember(member));
  if (ring.Find(member.id)) {
    return Status::Refused("node '" + member.id.value() + "' is part of the cluster already");
  }
  Change change = ChangeOf(ring, member.id);
  auto gap = std::find_if(change.members.begin(), change.members.end(),
                          [](const Member& m) { return m.id.empty(); });
  if (gap == change.members.end()) gap = change.members.insert(gap, Member());
  *gap = member;
  return Plan(std::move(change));
}

Result<PlannedChange> RemoveNode(const Ring& ring, const NodeId& id) {
  const std::optional<NodeIndex> node = ring.Find(id);
  if (!node) return NoSuchNode(id);
  const size_t left = ring.nodes().size() - 1;
  if (left == 0) {
    return Status::Refused("node '" + id.value() +
                           "' is the last one and holds all data; add a node first");
  }
  if (left < ring.replicas()) {
    return Status::Refused("without node '" + id.value() + "' " + Count(left, "node") +
                           " would be left for " + std::to_string(ring.replicas()) +
                           " replicas of each slot; add a node first, or lower the replicas: "
                           "kvctl admin set-replicas " +
                           std::to_string(left));
  }
  Change change = ChangeOf(ring, id);
  change.members[node->value()] = Member();
  return Plan(std::move(change));
}

Result<PlannedChange> SetVnodes(const Ring& ring, const NodeId& id, uint32_t vnodes) {
  RINGKV_RETURN_IF_ERROR(CheckVnodes(id, vnodes));
  const std::optional<NodeIndex> node = ring.Find(id);
  if (!node) return NoSuchNode(id);
  Change change = ChangeOf(ring, id);
  change.members[node->value()].vnodes = vnodes;
  return Plan(std::move(change));
}

Result<PlannedChange> SetReplicas(const Ring& ring, uint32_t replicas) {
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(replicas));
  if (ring.nodes().size() < replicas) {
    return Status::Refused(
        Count(replicas, "replica") + " of each slot need as many nodes, and there " +
        (ring.nodes().size() == 1 ? "is 1" : "are " + std::to_string(ring.nodes().size())) +
        "; add " + Count(replicas - ring.nodes().size(), "node") +
        " first: "
        "kvctl admin add-node ID HOST:PORT");
  }
  Change change = ChangeOf(ring, NodeId());
  change.replicas = replicas;
  return Plan(std::move(change));
}

}  // namespace ringkv
