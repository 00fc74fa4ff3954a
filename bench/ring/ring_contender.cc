#include "bench/ring/ring_contender.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "base/check.h"
#include "bench/ring/measuring.h"
#include "bench/ring/schemes/arithmetic.h"
#include "ring/balance.h"

namespace ringkv::bench {
namespace {

constexpr uint32_t kDefaultSlots = 4096;
constexpr uint32_t kSlotsPerNode = 64;
constexpr uint32_t kZonesOfSmall = 10;
constexpr uint32_t kZonesOfLarge = 100;
constexpr uint32_t kLargestSmall = 1000;

// What LoopsOver looks up in.
struct RingPrimaries {
  const Ring& ring;
  NodeIndex Primary(Token token) const { return ring.Primary(SlotOf(token, ring.slots())); }
};
struct RingRows : RingPrimaries {
  ReplicaRow Replicas(Token token) const { return ring.Replicas(SlotOf(token, ring.slots())); }
};

template <class View>
struct LookedUpRing {
  Ring ring;
  View view;
  LoopsOver<View> loops;

  explicit LookedUpRing(const Ring& looked_up) : ring(looked_up), view{ring}, loops(view) {}
};

template <class T>
T Must(Result<T> result) {
  RINGKV_CHECK(result.ok(), result.status().message());
  return std::move(result).value();
}

Evenness PrimariesOf(const RingBalance& balance) {
  std::vector<double> loads;
  for (const NodeLoad& load : balance.nodes) loads.push_back(load.primaries);
  return EvennessOf(loads);
}

Evenness ReplicasOf(const RingBalance& balance) {
  std::vector<double> loads;
  for (const NodeLoad& load : balance.nodes) loads.push_back(load.replicas);
  return EvennessOf(loads);
}

// Times FormRing, with memory; what it plans to move is not part of the ring.
Ring FormTimed(uint32_t nodes, uint32_t zones, uint32_t replicas, const StructureBudget& budget,
               Structure& structure) {
  std::vector<Member> members;
  for (uint32_t number = 0; number < nodes; ++number) {
    members.push_back(MemberNumber(number, zones));
  }
  const size_t bytes_before = AllocatedBytes();
  std::optional<Ring> ring;
  structure.build_s = Repeat({budget.runs, budget.build_s}, [&] {
    ring.reset();
    std::vector<Member> copy = members;
    const CpuStopwatch build;
    PlannedChange formed = Must(FormRing(std::move(copy), replicas, SlotsFor(nodes)));
    const double seconds = build.Seconds();
    ring = std::move(formed.next);
    return seconds;
  });
  structure.bytes = AllocatedBytes() - bytes_before;
  return *std::move(ring);
}

// One node joins and another leaves, over and over.
void TimeChanges(ChangingRing& changing, const StructureBudget& budget, Structure& structure) {
  const Stopwatch total;
  do {
    const CpuStopwatch add;
    const PlannedChange added = changing.Add();
    structure.add_s.Add(add.Seconds());
    const CpuStopwatch remove;
    const PlannedChange removed = changing.RemoveAny();
    structure.remove_s.Add(remove.Seconds());
  } while (structure.add_s.size() < kMaxChangesTimed && total.Seconds() < budget.change_s);
}

template <class View>
void LookUpIn(const Ring& ring, Contender& contender) {
  auto looked_up = std::make_shared<LookedUpRing<View>>(ring);
  contender.loops = std::make_unique<LoopsOver<View>>(looked_up->loops);
  contender.owner = std::move(looked_up);
}

}  // namespace

uint32_t SlotsFor(uint32_t nodes) {
  return std::min(std::max(kDefaultSlots, std::bit_ceil(nodes * kSlotsPerNode)), kMaxSlots);
}

uint32_t ZonesFor(uint32_t nodes) { return nodes <= kLargestSmall ? kZonesOfSmall : kZonesOfLarge; }

Member MemberNumber(uint32_t number, uint32_t zones) {
  return {.id = Must(NodeId::Parse(fmt::format("n{:07}", number))),
          .address = fmt::format("10.{}.{}.{}:7500", number >> 16 & 0xff, number >> 8 & 0xff,
                                 number & 0xff),
          .zone = fmt::format("zone-{}", number % zones)};
}

ChangingRing::ChangingRing(Ring ring, uint32_t zones)
    : planner_(std::move(ring)),
      zones_(zones),
      next_number_(static_cast<uint32_t>(planner_.ring().nodes().size())) {}

PlannedChange ChangingRing::Add() {
  return Must(planner_.AddNode(MemberNumber(next_number_++, zones_)));
}

PlannedChange ChangingRing::RemoveAny() {
  const Ring& ring = planner_.ring();
  const size_t place = BinOf(Mix(next_number_, ring.epoch().value()), ring.nodes().size());
  return Must(planner_.RemoveNode(NodeId(ring.member(ring.nodes()[place]).id)));
}

MovesPerGain CountMoves(const Ring& before, const Ring& after, NodeIndex joined) {
  double primaries = 0, primaries_gained = 0, replicas = 0, replicas_gained = 0;
  SlotTable::ForEachDifference(before.table(), after.table(), [&](SlotId slot) {
    const ReplicaRow old_row = before.Replicas(slot);
    const ReplicaRow new_row = after.Replicas(slot);
    primaries += old_row[0] != new_row[0];
    primaries_gained += new_row[0] == joined;
    for (NodeIndex node : new_row) replicas += !old_row.Contains(node);
    replicas_gained += new_row.Contains(joined);
  });
  return {primaries / primaries_gained, replicas / replicas_gained};
}

RingContender BuildRing(uint32_t nodes, uint32_t replicas, const StructureBudget& budget) {
  RingContender built;
  built.details = {
      .slots = SlotsFor(nodes), .replicas = replicas, .zones = replicas > 1 ? ZonesFor(nodes) : 1};
  RingDetails& details = built.details;
  built.contender.key = "ring";
  built.contender.title = replicas == 1
                              ? "this ring, RF 1"
                              : fmt::format("this ring, RF {}, {} zones", replicas, details.zones);
  Structure& structure = built.contender.structure.emplace();
  const Ring ring = FormTimed(nodes, details.zones, replicas, budget, structure);
  details.table_bytes = ring.table().bytes();
  details.directory_bytes = ring.table().directory_bytes();
  details.member_bytes = structure.bytes - details.table_bytes - details.directory_bytes;

  const size_t bytes_before = AllocatedBytes();
  details.planner_build_s = Repeat({budget.runs, budget.build_s}, [&] {
    built.changing.reset();
    const CpuStopwatch build;
    built.changing = std::make_unique<ChangingRing>(ring, details.zones);
    return build.Seconds();
  });

  const RingBalance balance = MeasureBalance(ring);
  structure.primaries = PrimariesOf(balance);
  structure.replicas = ReplicasOf(balance);
  const PlannedChange added = built.changing->Add();
  const MemberTable& members = added.next.members();
  const MovesPerGain moves = CountMoves(ring, added.next, members.by_id().back());
  structure.primaries_moved = moves.primaries;
  structure.replicas_moved = moves.replicas;
  built.changing->RemoveAny();
  TimeChanges(*built.changing, budget, structure);
  // Only now: part of the state is made with the first change.
  details.planner_bytes = built.changing->planner_bytes();
  details.planner_allocated_bytes = AllocatedBytes() - bytes_before;

  if (replicas == 1) {
    LookUpIn<RingPrimaries>(ring, built.contender);
  } else {
    LookUpIn<RingRows>(ring, built.contender);
  }
  return built;
}

}  // namespace ringkv::bench
