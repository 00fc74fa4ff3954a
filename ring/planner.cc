#include "ring/planner.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/check.h"
#include "ring/node_groups.h"
#include "ring/node_targets.h"
#include "ring/placement.h"
#include "ring/primaries.h"
#include "ring/rebalance.h"
#include "ring/shares.h"
#include "ring/spread.h"

namespace ringkv {
namespace {

// What a planner works on; `groups` says who takes part.
struct Worktable {
  Worktable(NodeGroups nodes, SlotTable rows, uint32_t limit)
      : groups(std::move(nodes)), placement(std::move(rows), limit) {
    if (groups.zoned()) most_in_one_zone = placement.MostInOneZone(groups);
  }

  NodeGroups groups;
  Placement placement;
  uint32_t most_in_one_zone = 1;  // no row has more replicas in any
  NodeTargets targets;
  PrimarySearch search;
};

struct Outcome {
  std::vector<Placement::Replacement> replacements;
  uint64_t least_moves = 0;
};

// In a change that has begun and moved nothing yet.
uint64_t LeastMoves(Placement& placement) {
  int64_t gained = 0, lost = 0;
  for (uint32_t node : placement.TouchedNodes()) {
    const int64_t surplus = placement.surplus(node);
    (surplus > 0 ? lost : gained) += std::abs(surplus);
  }
  return static_cast<uint64_t>(std::max(gained, lost));
}

// Brings the worktable to where the groups want it, and returns the fewest moves that their counts
// need. The change is judged before; from here on it cannot fail.
uint64_t Arrange(Worktable* work, uint32_t replicas, uint32_t limit, uint32_t about) {
  Placement& placement = work->placement;
  const uint32_t slots = placement.slots();
  const uint32_t per_zone = ReplicasPerZone(work->groups, replicas);
  const std::vector<Share> shares = FairShares(work->groups, slots, replicas, per_zone);
  work->targets.Update(work->groups, shares, {slots, replicas, per_zone}, placement.counts(),
                       about);
  placement.BeginChange({&work->groups, &work->targets, replicas, per_zone, limit, about});
  const uint64_t least_moves = LeastMoves(placement);
  Rebalance(placement, work->most_in_one_zone > per_zone);
  EvenSpread(placement, replicas);
  if (placement.empty_places() > 0) {
    for (uint32_t slot = 0; slot < slots; ++slot) placement.PackRow(slot);
  }
  AssignPrimaries(placement, shares, replicas, &work->search);
  work->most_in_one_zone = per_zone;
  return least_moves;
}

Outcome Plan(Worktable* work, uint32_t replicas, uint32_t limit, uint32_t about) {
  Outcome outcome;
  outcome.least_moves = Arrange(work, replicas, limit, about);
  outcome.replacements = work->placement.EndChange();
  return outcome;
}

// The rows with `width` places: cut off at the end, or filled up with nobody.
SlotTable WithWidth(const SlotTable& rows, uint32_t width) {
  SlotTable table(rows.slots(), width);
  std::vector<NodeIndex> nodes(width);
  for (uint32_t slot = 0; slot < rows.slots(); ++slot) {
    const ReplicaRow row = rows.Row(SlotId(slot));
    for (uint32_t i = 0; i < width; ++i) nodes[i] = i < row.size() ? row[i] : NodeIndex(kNoNode);
    table.SetRow(SlotId(slot), ReplicaRow(nodes));
  }
  return table;
}

SlotTable EmptyTable(uint32_t slots, uint32_t replicas) {
  SlotTable table(slots, replicas);
  const std::vector<NodeIndex> nobody(replicas, NodeIndex(kNoNode));
  for (uint32_t slot = 0; slot < slots; ++slot) table.SetRow(SlotId(slot), ReplicaRow(nobody));
  return table;
}

std::optional<NodeIndex> Somebody(uint32_t node) {
  if (node == kNoNode) return std::nullopt;
  return NodeIndex(node);
}

PlannedChange Answer(Ring next, const Outcome& outcome, bool zoned) {
  PlannedChange change{std::move(next), {}, outcome.least_moves};
  change.moves.reserve(outcome.replacements.size());
  for (const auto& [slot, left, entered] : outcome.replacements) {
    change.moves.push_back({SlotId(slot), Somebody(left), Somebody(entered)});
  }
  if (change.moves.size() > change.least_moves) {
    change.detour = zoned ? Detour::kZones : Detour::kDistinctNodes;
  }
  return change;
}

Status NoSuchNode(const NodeId& id) {
  return Status::NotFound("node '" + id.value() + "' is not part of the cluster");
}

std::string Count(size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
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
  Result<MemberTable> table = MemberTable::Make(std::move(members));
  if (!table.ok()) return table.status();
  const uint32_t limit = table->limit();
  Worktable work(NodeGroups(*table), EmptyTable(slots, replicas), limit);
  const uint32_t per_zone = ReplicasPerZone(work.groups, replicas);
  work.most_in_one_zone = per_zone;
  Arrange(&work, replicas, limit, kNoNode);
  return PlannedChange{Ring(Epoch(1), std::move(table).value(), work.placement.rows()), {}, 0};
}

struct Planner::State {
  explicit State(Ring start)
      : ring(std::move(start)),
        work(NodeGroups(ring.members()), ring.table(), ring.index_limit()) {}

  // The members have changed, in work.groups already.
  PlannedChange Advance(MemberTable members, uint32_t about) {
    const uint32_t limit = std::max(ring.index_limit(), members.limit());
    const Outcome outcome = Plan(&work, ring.replicas(), limit, about);
    ring = Ring(Epoch(ring.epoch().value() + 1), std::move(members), work.placement.rows());
    return Answer(ring, outcome, work.groups.zoned());
  }

  Ring ring;
  Worktable work;
  uint32_t gaps_from = 0;  // no index below is free
};

Planner::Planner(Ring ring) : state_(std::make_unique<State>(std::move(ring))) {}
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;
Planner::~Planner() = default;

const Ring& Planner::ring() const { return state_->ring; }

size_t Planner::state_bytes() const {
  const Worktable& work = state_->work;
  return work.placement.bytes() + size_t{work.groups.limit()} * 3 * sizeof(uint32_t) +
         work.targets.bytes() + work.search.seen.capacity() * sizeof(PrimarySearch::Seen);
}

Result<PlannedChange> Planner::AddNode(const Member& member) {
  RINGKV_RETURN_IF_ERROR(CheckMember(member));
  const Ring& ring = state_->ring;
  if (ring.Find(member.id)) {
    return Status::Refused("node '" + member.id.value() + "' is part of the cluster already");
  }
  uint32_t& index = state_->gaps_from;
  while (index < ring.index_limit() && ring.Has(NodeIndex(index))) ++index;
  MemberTable members = ring.members();
  RINGKV_RETURN_IF_ERROR(members.Set(NodeIndex(index), member));
  state_->work.groups.Add(index, member);
  return state_->Advance(std::move(members), index);
}

Result<PlannedChange> Planner::RemoveNode(const NodeId& id) {
  const Ring& ring = state_->ring;
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
  MemberTable members = ring.members();
  members.Remove(*node);
  state_->work.groups.Remove(node->value());
  state_->gaps_from = std::min(state_->gaps_from, node->value());
  return state_->Advance(std::move(members), node->value());
}

Result<PlannedChange> Planner::SetVnodes(const NodeId& id, uint32_t vnodes) {
  RINGKV_RETURN_IF_ERROR(CheckVnodes(id, vnodes));
  const std::optional<NodeIndex> node = state_->ring.Find(id);
  if (!node) return NoSuchNode(id);
  Member member = state_->ring.member(*node);
  member.vnodes = vnodes;
  MemberTable members = state_->ring.members();
  RINGKV_RETURN_IF_ERROR(members.Set(*node, member));
  state_->work.groups.Remove(node->value());
  state_->work.groups.Add(node->value(), member);
  return state_->Advance(std::move(members), node->value());
}

Result<PlannedChange> Planner::SetReplicas(uint32_t replicas) {
  RINGKV_RETURN_IF_ERROR(CheckReplicaCount(replicas));
  const Ring& ring = state_->ring;
  if (ring.nodes().size() < replicas) {
    return Status::Refused(
        Count(replicas, "replica") + " of each slot need as many nodes, and there " +
        (ring.nodes().size() == 1 ? "is 1" : "are " + std::to_string(ring.nodes().size())) +
        "; add " + Count(replicas - ring.nodes().size(), "node") +
        " first: "
        "kvctl admin add-node ID HOST:PORT");
  }
  Worktable work(state_->work.groups, WithWidth(ring.table(), std::max(ring.replicas(), replicas)),
                 ring.index_limit());
  const Outcome outcome = Plan(&work, replicas, ring.index_limit(), kNoNode);
  Ring next(Epoch(ring.epoch().value() + 1), ring.members(),
            WithWidth(work.placement.rows(), replicas));
  state_ = std::make_unique<State>(std::move(next));
  return Answer(state_->ring, outcome, work.groups.zoned());
}

Result<PlannedChange> AddNode(const Ring& ring, const Member& member) {
  return Planner(ring).AddNode(member);
}
Result<PlannedChange> RemoveNode(const Ring& ring, const NodeId& id) {
  return Planner(ring).RemoveNode(id);
}
Result<PlannedChange> SetVnodes(const Ring& ring, const NodeId& id, uint32_t vnodes) {
  return Planner(ring).SetVnodes(id, vnodes);
}
Result<PlannedChange> SetReplicas(const Ring& ring, uint32_t replicas) {
  return Planner(ring).SetReplicas(replicas);
}

}  // namespace ringkv
