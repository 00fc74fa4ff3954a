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
  const Samples& limit = scale.limit.lookup_ns.at(limit_loop);
  double worst = 0;
  std::string measured;
  for (const RingRow& ring : scale.rings) {
    const auto times = ring.row.lookup_ns.find(loop);
    if (times == ring.row.lookup_ns.end()) continue;
    const double ratio = times->second.RatiosTo(limit).Median();
    worst = std::max(worst, ratio);
    measured += fmt::format("{:.2f} x (RF {}: {} ns), ", ratio, ring.details.replicas,
                            NumberText(times->second.Median()));
  }
  measured += fmt::format("limit {} ns", NumberText(limit.Median()));
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

// What two readers reach, as a multiple of something.
struct Multiple {
  double by_clock = 0;
  double by_cpu = 0;
  double waits = 0;

  // The clock's word is enough. Where it says less, processor time counts only if the readers
  // never waited: then they lacked nothing but processors that others had.
  bool Reaches(double wanted) const {
    return by_clock >= wanted || (waits == 0 && by_cpu >= wanted);
  }
  std::string Text() const {
    return fmt::format("{:.2f} x by the clock, {:.2f} x by their processor time, {} waits",
                       by_clock, by_cpu, NumberText(waits));
  }
};

Multiple TwoOverOne(const ReaderTimes& two, const ReaderTimes& one) {
  return {.by_clock = two.per_second.RatiosTo(one.per_second).Median(),
          .by_cpu = 2 * two.per_cpu_second.RatiosTo(one.per_cpu_second).Median(),
          .waits = two.waits.Median()};
}

Multiple BusyOverQuiet(const ReaderTimes& busy, const ReaderTimes& quiet) {
  return {.by_clock = busy.per_second.RatiosTo(quiet.per_second).Median(),
          .by_cpu = busy.per_cpu_second.RatiosTo(quiet.per_cpu_second).Median(),
          .waits = busy.waits.Median()};
}

Target TwoReaders(const Scale& scale, const PublishedChanges& published) {
  const Multiple multiple = TwoOverOne(published.quiet.at(2), published.quiet.at(1));
  return Judged(scale.nodes, fmt::format("two readers >= {} x one", kTwoReadersOverOne),
                multiple.Text(), multiple.Reaches(kTwoReadersOverOne));
}

// `multiple`: of the readers beside whom changes are published.
Target WhileChanging(const Scale& scale, const PublishedChanges& published, std::string_view wanted,
                     const Multiple& multiple, double bound) {
  const WriterTimes& writer = published.writer.at(2);
  const double reached = writer.changes_per_second.Median();
  const Multiple undisturbed = BusyOverQuiet(published.busy.at(2), published.quiet.at(2));
  return Judged(scale.nodes,
                fmt::format("{} at {} changes/s", wanted, NumberText(published.wanted_per_second)),
                fmt::format("{}; {:.2f} x two undisturbed; {} changes/s, {} each, planned in {}",
                            multiple.Text(), undisturbed.by_clock, NumberText(reached),
                            SecondsText(writer.cpu_s_per_change.Median()),
                            SecondsText(writer.planning_cpu_s.Median())),
                multiple.Reaches(bound) && reached >= kUnharmed * published.wanted_per_second);
}

// Like with like: one reader beside whom as much is published. Fresh pages cost every reader some
// cache misses; whether readers disturb each other is the question here.
Target TwoReadersWhileChanging(const Scale& scale, const PublishedChanges& published) {
  return WhileChanging(scale, published, fmt::format("two readers >= {} x one", kTwoReadersOverOne),
                       TwoOverOne(published.busy.at(2), published.busy.at(1)), kTwoReadersOverOne);
}

Target Unharmed(const Scale& scale, const PublishedChanges& published) {
  return WhileChanging(scale, published, fmt::format("two readers >= {} x undisturbed", kUnharmed),
                       BusyOverQuiet(published.busy.at(2), published.quiet.at(2)), kUnharmed);
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

std::vector<Target> AtTargetNodes(const Scale& scale) {
  std::vector<Target> targets;
  AddLookups(scale, targets);
  targets.push_back(TableBytes(scale, "row of three in one word, so one read"));
  for (const RingRow& ring : scale.rings) {
    if (!ring.published) continue;
    targets.push_back(TwoReaders(scale, *ring.published));
    targets.push_back(TwoReadersWhileChanging(scale, *ring.published));
  }
  return targets;
}

std::vector<Target> AtLargeTargetNodes(const Scale& scale) {
  std::vector<Target> targets;
  AddLookups(scale, targets);
  targets.push_back(TableBytes(scale, fmt::format("table <= {} bytes a slot", kBytesPerSlot)));
  for (const RingRow& ring : scale.rings) targets.push_back(ChangesInMilliseconds(scale, ring));
  for (const RingRow& ring : scale.rings) {
    if (ring.published) targets.push_back(Unharmed(scale, *ring.published));
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
    for (Target& target : compare(*scale)) targets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace ringkv::bench
