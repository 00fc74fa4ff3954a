#include "bench/ring/quantities.h"
#include "bench/ring/report.h"
#include "bench/ring/targets.h"

namespace ringkv::bench {
namespace {

Json SamplesJson(const Samples& samples) {
  if (samples.empty()) return nullptr;
  return {{"median", samples.Median()},
          {"min", samples.Min()},
          {"max", samples.Max()},
          {"runs", samples.size()}};
}

Json EvennessJson(const std::optional<Evenness>& evenness) {
  if (!evenness) return nullptr;
  return {{"max_over_mean", evenness->max_over_mean},
          {"deviation_over_mean", evenness->deviation},
          {"exact", evenness->tokens == 0},
          {"tokens", evenness->tokens},
          {"max_over_mean_by_chance", evenness->max_over_mean_by_chance},
          {"deviation_over_mean_by_chance", evenness->deviation_by_chance}};
}

Json OptionalJson(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

Json StructureJson(const Structure& structure) {
  return {{"allocated_bytes", structure.bytes},
          {"build_s", SamplesJson(structure.build_s)},
          {"add_s", SamplesJson(structure.add_s)},
          {"remove_s", SamplesJson(structure.remove_s)},
          {"primaries", EvennessJson(structure.primaries)},
          {"replicas", EvennessJson(structure.replicas)},
          {"primaries_moved_over_least", OptionalJson(structure.primaries_moved)},
          {"replicas_moved_over_least", OptionalJson(structure.replicas_moved)}};
}

const char* NameOf(Loop loop) {
  switch (loop) {
    case Loop::kPrimary:
      return "primary_throughput";
    case Loop::kPrimaryDependent:
      return "primary_latency";
    case Loop::kRow:
      return "row_of_three_throughput";
    case Loop::kRowDependent:
      return "row_of_three_latency";
  }
  return "";
}

Json ReadersJson(const std::map<unsigned, ReaderTimes>& readers) {
  Json json = Json::object();
  for (const auto& [threads, times] : readers) {
    json[std::to_string(threads)] = {{"lookups_per_s", SamplesJson(times.per_second)},
                                     {"lookups_per_cpu_s", SamplesJson(times.per_cpu_second)},
                                     {"waits", SamplesJson(times.waits)}};
  }
  return json;
}

Json RowJson(const Row& row) {
  Json json = {{"key", row.key}, {"title", row.title}};
  json["lookup_ns"] = Json::object();
  for (const auto& [loop, samples] : row.lookup_ns) {
    json["lookup_ns"][NameOf(loop)] = SamplesJson(samples);
  }
  json["readers"] = ReadersJson(row.readers);
  json["structure"] = row.structure ? StructureJson(*row.structure) : Json();
  return json;
}

Json PublishedJson(const std::optional<PublishedChanges>& published) {
  if (!published) return nullptr;
  Json writer = Json::object();
  for (const auto& [readers, times] : published->writer) {
    writer[std::to_string(readers)] = {{"changes_per_s", SamplesJson(times.changes_per_second)},
                                       {"cpu_s_per_change", SamplesJson(times.cpu_s_per_change)},
                                       {"planning_cpu_s", SamplesJson(times.planning_cpu_s)}};
  }
  return {{"wanted_changes_per_s", published->wanted_per_second},
          {"readers_quiet", ReadersJson(published->quiet)},
          {"readers_while_changing", ReadersJson(published->busy)},
          {"writer", std::move(writer)}};
}

Json RingJson(const RingRow& ring) {
  Json json = RowJson(ring.row);
  const RingDetails& details = ring.details;
  json["ring"] = {
      {"slots", details.slots},
      {"replicas", details.replicas},
      {"zones", details.zones},
      {"table_bytes", details.table_bytes},
      {"table_bytes_per_slot", static_cast<double>(details.table_bytes) / details.slots},
      {"directory_bytes", details.directory_bytes},
      {"planner_state_bytes", details.planner_bytes},
      {"planner_allocated_bytes", details.planner_allocated_bytes},
      {"planner_build_s", SamplesJson(details.planner_build_s)},
      {"published", PublishedJson(ring.published)}};
  return json;
}

Json ScaleJson(const Scale& scale) {
  Json rows = Json::array();
  rows.push_back(RowJson(scale.limit));
  for (const RingRow& ring : scale.rings) rows.push_back(RingJson(ring));
  for (const Row& row : scale.others) rows.push_back(RowJson(row));
  return {{"nodes", scale.nodes}, {"slots", SlotsFor(scale.nodes)}, {"rows", std::move(rows)}};
}

Json TargetsJson(const Results& results) {
  Json json = Json::array();
  for (const Target& target : CompareWithTargets(results)) {
    json.push_back(
        {{"nodes", target.nodes},
         {"wanted", target.wanted},
         {"measured", target.measured},
         {"met", target.verdict == Verdict::kNotMeasured ? Json()
                                                         : Json(target.verdict == Verdict::kMet)}});
  }
  return json;
}

}  // namespace

Json ResultsJson(const Results& results) {
  Json json = {{"benchmark", "ring"},    {"processor", results.processor},
               {"cores", results.cores}, {"runs", results.runs},
               {"quick", results.quick}, {"seconds", results.seconds}};
  json["costs"] = Json::array();
  for (const Row& row : results.costs) json["costs"].push_back(RowJson(row));
  json["scales"] = Json::array();
  for (const Scale& scale : results.scales) json["scales"].push_back(ScaleJson(scale));
  json["targets"] = TargetsJson(results);
  return json;
}

}  // namespace ringkv::bench
