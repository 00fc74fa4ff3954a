#include "bench/ring/targets.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/ring/quantities.h"

namespace ringkv::bench {
namespace {

// One that was measured.
Target Judged(uint32_t nodes, std::string wanted, std::string measured, bool met) {
  return {nodes, std::move(wanted), std::move(measured), met ? Verdict::kMet : Verdict::kMissed};
}

const Scale* ScaleOf(const Results& results, uint32_t nodes) {
  const auto found = std::find_if(results.scales.begin(), results.scales.end(),
                                  [nodes](const Scale& scale) { return scale.nodes == nodes; });
  return found == results.scales.end() || found->rings.empty() ? nullptr : &*found;
}

// Of the rings' loops against the limit's, the worst.
Target AgainstTheLimit(const Scale& scale, Loop loop, Loop limit_loop, std::string_view what) {
  const double limit = scale.limit.lookup_ns.at(limit_loop).Median();
  double worst = 0;
  std::string measured;
  for (const RingRow& ring : scale.rings) {
    const auto times = ring.row.lookup_ns.find(loop);
    if (times == ring.row.lookup_ns.end()) continue;
    const double ns = times->second.Median();
    worst = std::max(worst, ns / limit);
    measured +=
        fmt::format("{:.2f} x (RF {}: {} ns), ", ns / limit, ring.details.replicas, NumberText(ns));
  }
  measured += fmt::format("limit {} ns", NumberText(limit));
  return Judged(scale.nodes, fmt::format("{} <= {} x the limit", what, kTimesTheLimit),
                std::move(measured), worst <= kTimesTheLimit);
}

Target TableBytes(const Scale& scale, std::string_view wanted) {
  double most = 0;
  std::string measured;
  for (const RingRow& ring : scale.rings) {
    const double bytes = static_cast<double>(ring.details.table_bytes) / ring.details.slots;
    most = std::max(most, bytes);
    measured += fmt::format("{}RF {}: {:.2f} bytes a slot, planner's state {}",
                            measured.empty() ? "" : "; ", ring.details.replicas, bytes,
                            BytesText(static_cast<double>(ring.details.planner_bytes)));
  }
  return Judged(scale.nodes, std::string(wanted), std::move(measured), most <= kBytesPerSlot);
}

// Whether the clock tells how readers scale: only where each has a core for itself.
bool EnoughCores(const Results& results, unsigned threads) { return results.cores >= threads; }

Target TwoReaders(const Results& results, const Scale& scale, const PublishedChanges& published) {
  const double by_clock =
      published.quiet.at(2).per_second.Median() / published.quiet.at(1).per_second.Median();
  const double by_cpu = 2 * published.quiet.at(2).per_cpu_second.Median() /
                        published.quiet.at(1).per_cpu_second.Median();
  return Judged(
      scale.nodes, fmt::format("two readers >= {} x one", kTwoReadersOverOne),
      fmt::format("{:.2f} x by the clock, {:.2f} x by their processor time", by_clock, by_cpu),
      (EnoughCores(results, 2) ? by_clock : by_cpu) >= kTwoReadersOverOne);
}

// Against one reader whom nothing disturbs.
Target TwoReadersWhileChanging(const Results& results, const Scale& scale,
                               const PublishedChanges& published) {
  const ReaderTimes& one = published.quiet.at(1);
  const ReaderTimes& two = published.busy.at(2);
  const double by_clock = two.per_second.Median() / one.per_second.Median();
  const double by_cpu = 2 * two.per_cpu_second.Median() / one.per_cpu_second.Median();
  const bool keeps_up =
      published.writer.at(2).changes_per_second.Median() >= kUnharmed * published.wanted_per_second;
  return Judged(
      scale.nodes,
      fmt::format("two readers >= {} x one at {} changes/s", kTwoReadersOverOne,
                  NumberText(published.wanted_per_second)),
      fmt::format("{:.2f} x by the clock, {:.2f} x by their processor time, at {} changes/s",
                  by_clock, by_cpu, NumberText(published.writer.at(2).changes_per_second.Median())),
      keeps_up && (EnoughCores(results, 3) ? by_clock : by_cpu) >= kTwoReadersOverOne);
}

Target Unharmed(const Results& results, const Scale& scale, const PublishedChanges& published) {
  const ReaderTimes& quiet = published.quiet.at(2);
  const ReaderTimes& busy = published.busy.at(2);
  const double by_clock = busy.per_second.Median() / quiet.per_second.Median();
  const double by_cpu = busy.per_cpu_second.Median() / quiet.per_cpu_second.Median();
  const bool keeps_up =
      published.writer.at(2).changes_per_second.Median() >= kUnharmed * published.wanted_per_second;
  return Judged(
      scale.nodes,
      fmt::format("readers unharmed at {} changes/s", NumberText(published.wanted_per_second)),
      fmt::format("{:.0f}% of quiet by the clock, {:.0f}% by their processor time, at {} "
                  "changes/s of {} each",
                  by_clock * 100, by_cpu * 100,
                  NumberText(published.writer.at(2).changes_per_second.Median()),
                  SecondsText(published.writer.at(2).cpu_s_per_change.Median())),
      keeps_up && (EnoughCores(results, 3) ? by_clock : by_cpu) >= kUnharmed);
}

Target ChangesInMilliseconds(const Scale& scale, const RingRow& ring) {
  const Structure& structure = *ring.row.structure;
  const double add = structure.add_s.Median(), remove = structure.remove_s.Median();
  return Judged(scale.nodes,
                fmt::format("{}: add, remove <= {}", ring.row.title, SecondsText(kFewMilliseconds)),
                fmt::format("{}, {}; a full rebuild {}", SecondsText(add), SecondsText(remove),
                            SecondsText(structure.build_s.Median())),
                std::max(add, remove) <= kFewMilliseconds);
}

void AddLookups(const Scale& scale, std::vector<Target>& targets) {
  targets.push_back(AgainstTheLimit(scale, Loop::kPrimary, Loop::kPrimary, "primary, throughput,"));
  targets.push_back(AgainstTheLimit(scale, Loop::kPrimaryDependent, Loop::kPrimaryDependent,
                                    "primary, latency,"));
}

std::vector<Target> AtTargetNodes(const Results& results, const Scale& scale) {
  std::vector<Target> targets;
  AddLookups(scale, targets);
  targets.push_back(TableBytes(scale, "row of three in one word, so one read"));
  for (const RingRow& ring : scale.rings) {
    if (!ring.published) continue;
    targets.push_back(TwoReaders(results, scale, *ring.published));
    targets.push_back(TwoReadersWhileChanging(results, scale, *ring.published));
  }
  return targets;
}

std::vector<Target> AtLargeTargetNodes(const Results& results, const Scale& scale) {
  std::vector<Target> targets;
  AddLookups(scale, targets);
  targets.push_back(TableBytes(scale, fmt::format("table <= {} bytes a slot", kBytesPerSlot)));
  for (const RingRow& ring : scale.rings) targets.push_back(ChangesInMilliseconds(scale, ring));
  for (const RingRow& ring : scale.rings) {
    if (ring.published) targets.push_back(Unharmed(results, scale, *ring.published));
  }
  return targets;
}

}  // namespace

std::vector<Target> CompareWithTargets(const Results& results) {
  std::vector<Target> targets;
  for (const auto& [nodes, compare] : {std::pair{kTargetNodes, &AtTargetNodes},
                                       std::pair{kLargeTargetNodes, &AtLargeTargetNodes}}) {
    const Scale* scale = ScaleOf(results, nodes);
    if (scale == nullptr) {
      targets.push_back({nodes, "all targets", "not part of this run", Verdict::kNotMeasured});
      continue;
    }
    for (Target& target : compare(results, *scale)) targets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace ringkv::bench
