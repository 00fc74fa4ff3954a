#include "tests/chaos/report.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/chaos/figures.h"

namespace ringkv {
namespace {

using Json = nlohmann::ordered_json;

const char* NameOf(Check::Verdict verdict) {
  switch (verdict) {
    case Check::Verdict::kPassed:
      return "passed";
    case Check::Verdict::kFailed:
      return "failed";
    case Check::Verdict::kLeftOut:
      return "left out";
  }
  return "?";
}

double Rounded(double value) { return std::round(value * 1000) / 1000; }

Json Seconds(const RunRecord& record, int64_t at_ns) {
  if (at_ns == 0) return nullptr;
  return Rounded(static_cast<double>(at_ns - record.load_from_ns) / 1e9);
}

Json OutcomesJson(const OutcomeCounts& counts) {
  return {{"done", counts.done},
          {"condition_failed", counts.condition_failed},
          {"not_applied", counts.not_applied},
          {"unknown", counts.unknown}};
}

Json LatencyJson(const LatencyFigures& figures) {
  return {{"count", figures.count},
          {"p50", Rounded(figures.p50_ms)},
          {"p90", Rounded(figures.p90_ms)},
          {"p99", Rounded(figures.p99_ms)},
          {"p99.9", Rounded(figures.p999_ms)},
          {"max", Rounded(figures.max_ms)}};
}

Json LatenciesJson(const RunRecord& record) {
  const Stretches stretches = StretchesOf(record);
  Json all;
  for (const auto& [name, stretch] : {std::pair("before", stretches.before),
                                      {"during", stretches.during},
                                      {"after", stretches.after}}) {
    all[name] = {{"reads", LatencyJson(LatencyIn(record.operations, Access::kRead, stretch))},
                 {"writes", LatencyJson(LatencyIn(record.operations, Access::kWrite, stretch))}};
  }
  return all;
}

Json AvailabilityJson(const RunRecord& record) {
  Json all = Json::object();
  for (const auto& [kind, figures] : AvailabilityByKind(record)) {
    all[kind] = {{"faults", figures.faults},
                 {"longest_without_reads_ms", Rounded(figures.no_reads_ms)},
                 {"longest_without_reads_key", figures.no_reads_key},
                 {"longest_without_writes_ms", Rounded(figures.no_writes_ms)},
                 {"longest_without_writes_key", figures.no_writes_key},
                 {"operations", OutcomesJson(figures.outcomes)}};
  }
  return all;
}

Json FaultsJson(const RunRecord& record) {
  Json all = Json::array();
  for (const FaultRecord& fault : record.faults) {
    all.push_back({{"kind", fault.kind},
                   {"target", fault.target},
                   {"overlapped", fault.overlapped},
                   {"from_s", Seconds(record, fault.from_ns)},
                   {"healed_s", Seconds(record, fault.healed_ns)},
                   {"whole_s", Seconds(record, fault.whole_ns)},
                   {"notes", fault.notes}});
  }
  return all;
}

__attribute__((format(printf, 1, 2))) std::string Text(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

std::string FaultLines(const RunRecord& record) {
  std::map<std::string, std::pair<int, int>> by_kind;  // all, and those that overlapped
  for (const FaultRecord& fault : record.faults) {
    ++by_kind[fault.kind].first;
    by_kind[fault.kind].second += fault.overlapped ? 1 : 0;
  }
  std::string text = "faults:";
  for (const auto& [kind, count] : by_kind) {
    text += Text(" %s %d", kind.c_str(), count.first);
    if (count.second > 0) text += Text(" (%d overlapping)", count.second);
    text += ",";
  }
  if (by_kind.empty()) return text + " none\n";
  text.back() = '\n';
  return text;
}

std::string AvailabilityLines(const RunRecord& record) {
  std::string text = Text("%-14s %7s %16s %16s %8s %8s\n", "one fault alone", "times",
                          "no reads for", "no writes for", "failed", "unknown");
  for (const auto& [kind, figures] : AvailabilityByKind(record)) {
    text +=
        Text("  %-13s %7llu %13.0f ms %13.0f ms %8llu %8llu\n", kind.c_str(),
             static_cast<unsigned long long>(figures.faults), figures.no_reads_ms,
             figures.no_writes_ms, static_cast<unsigned long long>(figures.outcomes.not_applied),
             static_cast<unsigned long long>(figures.outcomes.unknown));
  }
  return text;
}

std::string LatencyLines(const RunRecord& record) {
  const Stretches stretches = StretchesOf(record);
  std::string text =
      Text("%-14s %27s %27s\n", "latency, ms", "reads p50 / p99 / max", "writes p50 / p99 / max");
  for (const auto& [name, stretch] : {std::pair("before", stretches.before),
                                      {"during", stretches.during},
                                      {"after", stretches.after}}) {
    const LatencyFigures reads = LatencyIn(record.operations, Access::kRead, stretch);
    const LatencyFigures writes = LatencyIn(record.operations, Access::kWrite, stretch);
    text += Text("  %-12s %9.2f %8.2f %8.1f %9.2f %8.2f %8.1f\n", name, reads.p50_ms, reads.p99_ms,
                 reads.max_ms, writes.p50_ms, writes.p99_ms, writes.max_ms);
  }
  return text;
}

}  // namespace

std::string ReportJson(const RunRecord& record) {
  Json report;
  report["seed"] = record.seed;
  report["replay"] = record.replay;
  report["passed"] = record.passed();
  report["seconds"] = Rounded(record.whole_run_seconds);
  report["checks"] = Json::array();
  for (const Check& check : record.checks) {
    report["checks"].push_back({{"name", check.name},
                                {"verdict", NameOf(check.verdict)},
                                {"summary", check.summary},
                                {"details", check.details}});
  }
  report["left_out"] = Json::array();
  for (const LeftOut& left : record.left_out) {
    report["left_out"].push_back({{"what", left.what}, {"why", left.why}});
  }
  report["faults"] = FaultsJson(record);
  report["load_s"] = Seconds(record, record.load_to_ns);
  report["operations"] = Json::object();
  for (const auto& [function, counts] : CountOutcomes(record.operations)) {
    report["operations"][function] = OutcomesJson(counts);
  }
  report["not_begun"] = record.not_begun;
  report["availability"] = AvailabilityJson(record);
  report["latency_ms"] = LatenciesJson(record);
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Summary(const RunRecord& record, const std::string& directory) {
  std::string text = Text("\nseed %llu: %zu operations in %.0f s of load\n",
                          static_cast<unsigned long long>(record.seed), record.operations.size(),
                          static_cast<double>(record.load_to_ns - record.load_from_ns) / 1e9);
  text +=
      FaultLines(record) + "\n" + AvailabilityLines(record) + "\n" + LatencyLines(record) + "\n";
  for (const Check& check : record.checks) {
    text +=
        Text("  %-14s %-9s %s\n", check.name.c_str(), NameOf(check.verdict), check.summary.c_str());
    const size_t shown = std::min<size_t>(check.details.size(), 5);
    for (size_t i = 0; i < shown; ++i) text += "      " + check.details[i] + "\n";
    if (shown < check.details.size()) {
      text += Text("      (%zu more in report.json)\n", check.details.size() - shown);
    }
  }
  for (const LeftOut& left : record.left_out) {
    text += "  left out, not passed: " + left.what + " (" + left.why + ")\n";
  }
  text += "\n" + directory + "/report.json, history.jsonl, logs/\n";
  if (record.passed()) return text + "chaos: passed all that was checked\n";
  return text + "chaos: FAILED, seed " + std::to_string(record.seed) +
         "; the same faults again:\n  " + record.replay + "\n";
}

}  // namespace ringkv
