#include "bench/ring/benchmark.h"

#include <fmt/format.h>

#include <fstream>
#include <thread>
#include <utility>

#include "bench/ring/quantities.h"
#include "bench/ring/reference_contenders.h"

namespace ringkv::bench {
namespace {

constexpr unsigned kMaxReaders = 2;
constexpr uint32_t kRingReplicas[] = {1, 3};
constexpr uint32_t kPublishedReplicas = 3;
constexpr uint32_t kMostNodesForManyChanges = 1'000;
constexpr double kManyChangesPerSecond = 1'000;
constexpr double kFewChangesPerSecond = 100;
// What a bound is set to is measured so many times as often as the rest.
constexpr int kMoreRunsWhereBounded = 3;

// Seconds of one sample, and for all of something else.
struct Durations {
  double lookups;
  double readers;
  double published;
  StructureBudget structure;
};

Durations DurationsOf(const Options& options) {
  if (options.quick) return {0.002, 0.01, 0.04, {options.runs, 0.1, 0.1, 0.1}};
  return {0.02, 0.05, 0.25, {options.runs, 2, 1, 3}};
}

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Row RowOf(Contender& contender) {
  return {
      .key = contender.key, .title = contender.title, .structure = std::move(contender.structure)};
}

std::vector<Row> TimeCosts(const Options& options) {
  std::vector<Contender> contenders;
  contenders.push_back(BuildGenerator());
  contenders.push_back(BuildHash());
  contenders.push_back(BuildTokenOf());
  std::vector<Row> rows;
  std::vector<const LookupLoops*> loops;
  for (Contender& contender : contenders) {
    rows.push_back(RowOf(contender));
    loops.push_back(contender.loops.get());
  }
  std::vector<LookupTimes> times =
      TimeInterleaved(loops, options.runs, DurationsOf(options).lookups);
  for (size_t i = 0; i < rows.size(); ++i) rows[i].lookup_ns = std::move(times[i]);
  return rows;
}

// One number of nodes: what is built, and where its figures go.
class ScaleRun {
 public:
  ScaleRun(const Options& options, uint32_t nodes, const Listener& listener)
      : options_(options), durations_(DurationsOf(options)), listener_(listener), nodes_(nodes) {}

  Scale Run() {
    Build();
    TimeLookups();
    TimeChangesUnderReaders();
    return std::move(scale_);
  }

 private:
  void Doing(const std::string& what) const {
    listener_.doing(fmt::format("{} nodes: {}", GroupedText(nodes_), what));
  }

  void Build() {
    scale_.nodes = nodes_;
    limit_ = BuildRandomRead(SlotsFor(nodes_));
    if (options_.Wants("ring")) {
      for (uint32_t replicas : kRingReplicas) {
        Doing(fmt::format("building this ring, RF {}", replicas));
        rings_.push_back(BuildRing(nodes_, replicas, durations_.structure));
        // A planner's state is large; only one is still needed.
        if (replicas != kPublishedReplicas) rings_.back().changing.reset();
      }
    }
    for (std::string_view key : ReferenceKeys()) {
      if (!options_.Wants(key)) continue;
      Doing(fmt::format("building {}", key));
      others_.push_back(BuildReference(key, nodes_, durations_.structure));
    }
    scale_.limit = RowOf(limit_);
    for (RingContender& ring : rings_) {
      scale_.rings.push_back(
          {.row = RowOf(ring.contender), .details = ring.details, .published = std::nullopt});
    }
    for (Contender& other : others_) scale_.others.push_back(RowOf(other));
  }

  void TimeLookups() {
    Timed bounded;
    bounded.Add(limit_, &scale_.limit);
    for (size_t i = 0; i < rings_.size(); ++i) {
      bounded.Add(rings_[i].contender, &scale_.rings[i].row);
    }
    Time(bounded, kMoreRunsWhereBounded * options_.runs, "this ring");
    Timed others;
    for (size_t i = 0; i < others_.size(); ++i) others.Add(others_[i], &scale_.others[i]);
    Time(others, options_.runs, "the others");
  }

  // Contenders that take turns, and where their figures go.
  struct Timed {
    std::vector<const LookupLoops*> loops;
    std::vector<Row*> rows;
    void Add(const Contender& contender, Row* row) {
      loops.push_back(contender.loops.get());
      rows.push_back(row);
    }
  };

  void Time(const Timed& timed, int runs, std::string_view who) {
    Doing(fmt::format("timing look-ups, {}", who));
    std::vector<LookupTimes> times = TimeInterleaved(timed.loops, runs, durations_.lookups);
    Doing(fmt::format("timing readers on several threads, {}", who));
    auto readers = TimeReaders(timed.loops, kMaxReaders, runs, durations_.readers);
    for (size_t i = 0; i < timed.rows.size(); ++i) {
      timed.rows[i]->lookup_ns = std::move(times[i]);
      timed.rows[i]->readers = std::move(readers[i]);
    }
  }

  void TimeChangesUnderReaders() {
    const double rate =
        nodes_ <= kMostNodesForManyChanges ? kManyChangesPerSecond : kFewChangesPerSecond;
    for (size_t i = 0; i < rings_.size(); ++i) {
      if (rings_[i].changing == nullptr) continue;
      Doing("timing readers while changes are published");
      scale_.rings[i].published =
          TimePublishedChanges(*rings_[i].changing, rate, kMaxReaders,
                               kMoreRunsWhereBounded * options_.runs, durations_.published);
    }
  }

  const Options& options_;
  const Durations durations_;
  const Listener& listener_;
  const uint32_t nodes_;
  Contender limit_;
  std::vector<RingContender> rings_;
  std::vector<Contender> others_;
  Scale scale_;
};

}  // namespace

Results RunBenchmark(const Options& options, const Listener& listener) {
  const Stopwatch stopwatch;
  Results results{.processor = ProcessorName(),
                  .cores = std::thread::hardware_concurrency(),
                  .runs = options.runs,
                  .quick = options.quick};
  results.costs = TimeCosts(options);
  listener.started(results);
  for (uint32_t nodes : options.nodes) {
    results.scales.push_back(ScaleRun(options, nodes, listener).Run());
    listener.scale_done(results.scales.back());
  }
  results.seconds = stopwatch.Seconds();
  return results;
}

}  // namespace ringkv::bench
