#include <cstdio>

#include "base/random.h"
#include "client/kvctl/bench_run.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/session.h"

namespace ringkv {
namespace {

struct Percentile {
  const char* name;
  double fraction;
};
constexpr Percentile kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

std::string Millis(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", double(duration.count()) / 1e6);
  return text;
}

std::string Fixed0(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f", number);
  return text;
}

Json ResultJson(const BenchArgs& args, const BenchResult& result) {
  Json document;
  document["workload"] = args.workload;
  document["keys"] = std::to_string(args.keys);
  document["value_size"] = std::to_string(args.value_size);
  document["clients"] = std::to_string(args.clients);
  document["rate"] = args.rate > 0 ? Json(args.rate) : Json();
  document["seconds"] = result.seconds;
  document["operations"] = std::to_string(result.succeeded);
  document["throughput"] = double(result.succeeded) / result.seconds;
  document["failed"] = std::to_string(result.failed);
  document["never_started"] = std::to_string(result.never_started);
  document["latency_ms"] = Json::object();
  for (size_t kind = 0; kind < kOpKinds; ++kind) {
    const LatencyHistogram& latency = result.latency[kind];
    if (latency.count() == 0) continue;
    Json entry;
    entry["count"] = std::to_string(latency.count());
    for (const Percentile& p : kPercentiles) {
      entry[p.name] = double(latency.At(p.fraction).count()) / 1e6;
    }
    entry["max"] = double(latency.max().count()) / 1e6;
    document["latency_ms"][std::string(OpKindName(static_cast<OpKind>(kind)))] = std::move(entry);
  }
  document["errors"] = Json::object();
  for (const auto& [kind, count] : result.errors) document["errors"][kind] = std::to_string(count);
  return document;
}

void PrintResult(const BenchArgs& args, const BenchResult& result, Output& output) {
  output.Line("workload " + args.workload + ", " + std::to_string(args.keys) + " keys, values of " +
              std::to_string(args.value_size) + " bytes, " + std::to_string(args.clients) +
              " clients" +
              (args.rate > 0 ? ", " + Fixed0(args.rate) + " operations/s wanted" : ""));
  output.Line(std::to_string(result.succeeded) + " operations in " + Fixed0(result.seconds) +
              " s: " + Fixed0(double(result.succeeded) / result.seconds) + " operations/s, " +
              std::to_string(result.failed) + " failed");
  if (result.never_started > 0) {
    output.Line(std::to_string(result.never_started) +
                " operations were due and never started: all clients were busy");
  }
  char line[160];
  std::snprintf(line, sizeof(line), "%-18s %10s %9s %9s %9s %9s %9s", "latency (ms)", "count",
                "p50", "p90", "p99", "p99.9", "max");
  output.Line(line);
  for (size_t kind = 0; kind < kOpKinds; ++kind) {
    const LatencyHistogram& latency = result.latency[kind];
    if (latency.count() == 0) continue;
    std::snprintf(line, sizeof(line), "%-18s %10llu %9s %9s %9s %9s %9s",
                  std::string(OpKindName(static_cast<OpKind>(kind))).c_str(),
                  static_cast<unsigned long long>(latency.count()), Millis(latency.At(0.5)).c_str(),
                  Millis(latency.At(0.9)).c_str(), Millis(latency.At(0.99)).c_str(),
                  Millis(latency.At(0.999)).c_str(), Millis(latency.max()).c_str());
    output.Line(line);
  }
  for (const auto& [kind, count] : result.errors) {
    output.Line("errors: " + kind + " " + std::to_string(count));
  }
}

}  // namespace

int RunBench(const BenchArgs& args, Session& session) {
  Output& output = session.output;
  Result<std::unique_ptr<Client>> client =
      Client::Create({.routers = session.globals.routers,
                      .timeout = session.globals.timeout,
                      .max_in_flight = args.clients + 64,
                      .max_in_flight_bytes = (args.clients + 64) * (args.value_size + 8192)});
  if (!client.ok()) return output.Fail(client.status());

  BenchRun run(**client, args, RandomSeed());
  if (args.load && args.workload != "put") {
    const Status status = run.Load();
    if (!status.ok()) return output.Fail(status.Annotate("storing the keys"));
  }
  const BenchResult result = run.Run();
  client->reset();
  if (result.succeeded == 0) {
    return output.Fail(Status::Unavailable("no operation succeeded; " +
                                           std::to_string(result.failed) + " failed"));
  }
  if (output.json()) {
    output.Document(ResultJson(args, result));
  } else {
    PrintResult(args, result, output);
  }
  return kExitDone;
}

}  // namespace ringkv
