#include "tests/sim/sim_run.h"

#include <algorithm>

#include "tests/history/linearizability.h"
#include "tests/sim/sim_check.h"
#include "tests/sim/sim_clients.h"
#include "tests/sim/sim_options.h"

namespace ringkv {
namespace {

// The stretches of a key's history between the moments at which its replicas had all lost
// something: what was told before may be gone, and the value after it is one that was written
// before.
std::vector<std::vector<HistoryOp>> Stretches(const std::vector<HistoryOp>& history,
                                              const std::vector<SimCluster::Cut>& cuts,
                                              int64_t skew_ns) {
  std::vector<std::vector<HistoryOp>> stretches(cuts.size() + 1);
  for (size_t i = 0; i < cuts.size(); ++i) {
    const SimCluster::Cut& cut = cuts[i];
    if (!cut.value.has_value() && cut.request == 0) continue;
    HistoryOp found;
    found.kind = HistoryOp::Kind::kPut;
    found.argument = cut.value.value_or("deleted");
    found.request = cut.request;
    found.invoked = cut.at.ns - 4;
    found.answered = cut.at.ns - 3;
    found.client = -1;
    if (cut.expires) found.expiry = HistoryOp::Expiry{cut.expires->ns, cut.expires->ns, skew_ns};
    stretches[i + 1].push_back(found);
    if (cut.value.has_value()) continue;
    // What it was that is deleted makes no difference; who has deleted it does.
    found.kind = HistoryOp::Kind::kDelete;
    found.argument.clear();
    found.expiry.reset();
    found.invoked = cut.at.ns - 2;
    found.answered = cut.at.ns - 1;
    stretches[i + 1].push_back(std::move(found));
  }
  for (const HistoryOp& op : history) {
    size_t at = 0;
    while (at < cuts.size() && op.invoked >= cuts[at].at.ns) ++at;
    stretches[at].push_back(op);
  }
  return stretches;
}

// Values are unique: whatever a register has after a loss was handed in before it.
bool WasWritten(const std::vector<HistoryOp>& history, const SimCluster::Cut& cut) {
  if (!cut.value.has_value()) return true;
  return std::any_of(history.begin(), history.end(), [&](const HistoryOp& op) {
    return op.kind == HistoryOp::Kind::kIncrement ||
           (op.argument == *cut.value && op.invoked < cut.at.ns);
  });
}

std::string CheckStretch(const std::string& key, const std::vector<HistoryOp>& history,
                         uint64_t* steps) {
  LinearizabilityVerdict verdict = CheckLinearizable(history);
  *steps += verdict.steps;
  if (verdict.code == LinearizabilityVerdict::Code::kOk) return "";
  std::string text = verdict.code == LinearizabilityVerdict::Code::kGaveUp
                         ? "the checker gave up on "
                         : "not linearizable: ";
  text +=
      "key " + key + ", " + std::to_string(history.size()) + " operations: " + verdict.explanation;
  return text;
}

std::string CheckHistories(const std::map<std::string, std::vector<HistoryOp>>& histories,
                           const std::map<std::string, std::vector<SimCluster::Cut>>& cuts,
                           int64_t skew_ns, uint64_t* steps) {
  for (const auto& [key, history] : histories) {
    auto cut = cuts.find(key);
    const std::vector<SimCluster::Cut> none;
    const std::vector<SimCluster::Cut>& of_key = cut == cuts.end() ? none : cut->second;
    for (const SimCluster::Cut& at : of_key) {
      if (!WasWritten(history, at)) {
        return "key " + key + " has " + *at.value + " after a loss, which nobody wrote before";
      }
    }
    for (const std::vector<HistoryOp>& stretch : Stretches(history, of_key, skew_ns)) {
      std::string text = CheckStretch(key, stretch, steps);
      if (!text.empty()) return text;
    }
  }
  return "";
}

// What was written last to expire does so; the nodes collect it, and what was deleted.
void AwaitCollection(Scheduler& scheduler, SimCluster& cluster) {
  std::string left;
  for (int tries = 0; tries < 20; ++tries) {
    scheduler.RunUntil(scheduler.now() + std::chrono::seconds(1),
                       [&] { return !cluster.violation().empty(); });
    left = cluster.CheckCollected();
    if (left.empty() || !cluster.violation().empty()) return;
  }
  cluster.Violate("I12: " + left);
}

}  // namespace

RunReport RunSeed(const RunOptions& options) {
  Random random(options.seed * 0x9e3779b97f4a7c15ULL + 1);
  FaultMix mix = options.mix ? *options.mix : FaultMix::Draw(random);
  if (options.leave_out_newer) mix.LeaveOutNewer();
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
    if (!differences.empty())
      cluster.Violate("I12: the check does not find all equal: " + differences);
  }

  if (mix.ttl && !failed() && unrest.empty()) AwaitCollection(scheduler, cluster);

  report.violation = cluster.violation();
  if (report.violation.empty() && !unrest.empty()) report.violation = "I12: " + unrest;
  if (report.violation.empty() && !clients.AllRead())
    report.violation = "a key cannot be read at rest";
  const auto& histories = clients.Finish();
  if (report.violation.empty())
    report.violation = CheckHistories(histories, cluster.cuts(),
                                      std::chrono::nanoseconds(cluster.widest_clock_skew()).count(),
                                      &report.checker_steps);
  report.operations = clients.operations();
  report.done = clients.done();
  report.not_applied = clients.not_applied();
  report.unknown = clients.unknown();
  report.retries = clients.retries();
  report.expiring = clients.expiring();
  report.simulated_seconds = static_cast<double>(scheduler.now().ns) / 1e9;
  report.checks = check.checks();
  report.looks = check.looks();
  report.faults = cluster.faults();
  report.shard = cluster.shard_stats();
  report.replica = cluster.replica_stats();
  return report;
}

void Add(const RunReport& from, RunReport* to) {
  to->operations += from.operations;
  to->done += from.done;
  to->not_applied += from.not_applied;
  to->unknown += from.unknown;
  to->retries += from.retries;
  to->expiring += from.expiring;
  to->simulated_seconds += from.simulated_seconds;
  to->checker_steps += from.checker_steps;
  to->checks += from.checks;
  to->looks += from.looks;
  Add(from.faults, &to->faults);
  Add(from.shard, &to->shard);
  Add(from.replica, &to->replica);
}

}  // namespace ringkv
