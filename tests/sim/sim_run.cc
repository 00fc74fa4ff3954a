#include "tests/sim/sim_run.h"

#include "tests/history/linearizability.h"
#include "tests/sim/sim_check.h"
#include "tests/sim/sim_clients.h"

namespace ringkv {
namespace {

std::string CheckHistories(const std::map<std::string, std::vector<HistoryOp>>& histories,
                           uint64_t* steps) {
  for (const auto& [key, history] : histories) {
    LinearizabilityVerdict verdict = CheckLinearizable(history);
    *steps += verdict.steps;
    if (verdict.code == LinearizabilityVerdict::Code::kOk) continue;
    std::string text = verdict.code == LinearizabilityVerdict::Code::kGaveUp
                           ? "the checker gave up on "
                           : "not linearizable: ";
    text += "key " + key + ", " + std::to_string(history.size()) +
            " operations: " + verdict.explanation;
    return text;
  }
  return "";
}

}  // namespace

RunReport RunSeed(const RunOptions& options) {
  Random random(options.seed * 0x9e3779b97f4a7c15ULL + 1);
  FaultMix mix = options.mix ? *options.mix : FaultMix::Draw(random);
  RunReport report;
  report.mix = mix.ToString();

  Scheduler scheduler;
  SimCluster cluster(scheduler, random, mix);
  if (options.trace) cluster.SetTrace(options.trace);
  SimClients clients(scheduler, random, cluster, options.clients, options.registers,
                     options.counters);
  SimCheck check(scheduler, cluster, options.seed);
  if (options.check_under_load.value_or(options.seed % 4 == 1)) check.RunUnderLoad(clients.keys());
  auto failed = [&] { return !cluster.violation().empty(); };

  scheduler.RunUntil(scheduler.now() + std::chrono::seconds(1), failed);
  cluster.StartFaults();
  scheduler.RunUntil(scheduler.now() + options.faulty, failed);
  cluster.Heal();
  // A while with load and without faults, then rest.
  scheduler.RunUntil(scheduler.now() + std::chrono::seconds(1), failed);
  clients.Stop();
  check.StopUnderLoad();
  std::string unrest;
  for (int tries = 0; tries < 20; ++tries) {
    scheduler.RunUntil(scheduler.now() + std::chrono::seconds(1), failed);
    if (failed()) break;
    unrest = cluster.CheckQuiet();
    if (unrest.empty()) break;
  }
  if (!failed() && unrest.empty()) {
    clients.ReadAll();
    scheduler.RunUntil(scheduler.now() + std::chrono::seconds(2), failed);
    const std::string differences = check.RunAtRest();
    if (!differences.empty()) cluster.Violate("I12: the check does not find all equal: " + differences);
  }

  report.violation = cluster.violation();
  if (report.violation.empty() && !unrest.empty()) report.violation = "I12: " + unrest;
  if (report.violation.empty() && !clients.AllRead())
    report.violation = "a key cannot be read at rest";
  const auto& histories = clients.Finish();
  if (report.violation.empty()) report.violation = CheckHistories(histories, &report.checker_steps);
  report.operations = clients.operations();
  report.done = clients.done();
  report.not_applied = clients.not_applied();
  report.unknown = clients.unknown();
  report.simulated_seconds = static_cast<double>(scheduler.now().ns) / 1e9;
  report.checks = check.checks();
  report.looks = check.looks();
  report.faults = cluster.faults();
  report.shard = cluster.shard_stats();
  report.replica = cluster.replica_stats();
  return report;
}

}  // namespace ringkv
