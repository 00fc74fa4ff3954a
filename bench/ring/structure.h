// What a scheme is besides its look-ups: memory, what it costs to build and change, how even it is,
// how much a change moves. MeasureStructure fills it in for any reference scheme, and leaves the
// scheme with as many nodes as it was made with.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "bench/ring/evenness.h"
#include "bench/ring/measuring.h"
#include "bench/ring/schemes/arcs.h"

namespace ringkv::bench {

struct Structure {
  size_t bytes = 0;
  Samples build_s;
  Samples add_s;     // one node
  Samples remove_s;  // one node
  // None: too few tokens could be looked up to tell.
  std::optional<Evenness> primaries;
  std::optional<Evenness> replicas;  // only where the scheme counts them
  // When one node joins: what has another primary (replica) than before, against what the new node
  // has got of it, which is the least that could move. None: too few tokens could be looked up.
  std::optional<double> primaries_moved;
  std::optional<double> replicas_moved;
};

struct StructureBudget {
  int runs = 1;         // of what is repeated as long as its time lasts
  double build_s = 0;   // for all builds
  double change_s = 0;  // for all changes
  double tokens_s = 0;  // for one pass of look-ups
};

inline constexpr int kMaxChangesTimed = 100;
inline constexpr uint64_t kMinTokensSampled = uint64_t{1} << 20;
inline constexpr uint64_t kMaxTokensSampled = uint64_t{1} << 25;
inline constexpr uint64_t kTokensSampledPerNode = 400;
// Below these, chance is all that would be seen.
inline constexpr uint64_t kMinTokensPerNode = 16;
inline constexpr uint64_t kMinTokensMoved = 16;

template <class Scheme>
concept HasArcs = requires(const Scheme& scheme) {
  scheme.OwnedArcs();
};

template <class Scheme>
void TimeChanges(Scheme& scheme, const StructureBudget& budget, Structure& structure) {
  const Stopwatch total;
  do {
    const CpuStopwatch add;
    const NodeIndex node = scheme.Add();
    structure.add_s.Add(add.Seconds());
    const CpuStopwatch remove;
    scheme.Remove(node);
    structure.remove_s.Add(remove.Seconds());
  } while (structure.add_s.size() < kMaxChangesTimed && total.Seconds() < budget.change_s);
}

template <HasArcs Scheme>
void MeasureOwnership(Scheme& scheme, uint32_t nodes, Structure& structure) {
  const Arcs before = scheme.OwnedArcs();
  structure.primaries = EvennessOf(SharesOf(before, nodes));
  const NodeIndex node = scheme.Add();
  const Arcs after = scheme.OwnedArcs();
  structure.primaries_moved =
      ChangedShare(before, after) / SharesOf(after, nodes + 1).at(node.value());
  scheme.Remove(node);
}

template <class Scheme>
void SampleOwnership(Scheme& scheme, uint32_t nodes, double budget_s, Structure& structure) {
  const PrimaryOf primary = [&scheme](Token token) { return scheme.Primary(token); };
  const uint64_t wanted =
      std::clamp(nodes * kTokensSampledPerNode, kMinTokensSampled, kMaxTokensSampled);
  const std::vector<NodeIndex> before = SampledPrimariesWithin(primary, nodes, wanted, budget_s);
  if (before.size() >= nodes * kMinTokensPerNode) {
    structure.primaries = SampledEvenness(before, nodes);
  }
  if (before.size() >= nodes * kMinTokensMoved) {
    const NodeIndex node = scheme.Add();
    const std::vector<NodeIndex> after = SampledPrimaries(primary, nodes, before.size());
    structure.primaries_moved = SampledMoves(before, after, node);
    scheme.Remove(node);
  }
}

// `make`: () → std::unique_ptr<Scheme>, with `nodes` nodes, numbered from 0.
template <class Make>
auto MeasureStructure(uint32_t nodes, const StructureBudget& budget, Structure& structure,
                      Make make) {
  const size_t bytes_before = AllocatedBytes();
  decltype(make()) scheme;
  structure.build_s = Repeat({budget.runs, budget.build_s}, [&] {
    scheme.reset();
    const CpuStopwatch build;
    scheme = make();
    return build.Seconds();
  });
  structure.bytes = AllocatedBytes() - bytes_before;
  if constexpr (HasArcs<std::remove_reference_t<decltype(*scheme)>>) {
    MeasureOwnership(*scheme, nodes, structure);
  } else {
    SampleOwnership(*scheme, nodes, budget.tokens_s, structure);
  }
  TimeChanges(*scheme, budget, structure);
  return scheme;
}

}  // namespace ringkv::bench
