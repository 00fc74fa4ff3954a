#include "tests/chaos/chaos_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <utility>

#include "tests/chaos/admin_check.h"
#include "tests/chaos/log_judge.h"
#include "tests/chaos/report.h"
#include "tests/chaos/stall_limit.h"

namespace ringkv {
namespace {

constexpr int kExitPassed = 0, kExitFailed = 1, kExitNotYet = 3;
constexpr int kConvergeSeconds = 60;
// A node with a damaged disk that is not whole after so long is given an empty one.
constexpr int kDamagedSeconds = 20;
constexpr Millis kAfter{4'000};

int64_t Ns(Millis time) { return std::chrono::nanoseconds(time).count(); }

// Load without faults: a tenth of the run, 3 to 15 s.
Millis Before(Millis length) { return std::clamp(length / 10, Millis(3'000), Millis(15'000)); }

std::string Seconds(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ns) / 1e9);
  return text;
}

}  // namespace

int ChaosRun::Run() {
  record_.seed = options_.seed;
  Say("seed " + std::to_string(options_.seed));
  std::string error;
  Say("finding out what can be tried");
  record_.capabilities = Probe(AskedFor(), Path("probe"), &error);
  if (!error.empty()) {
    Say(error);
    return kExitFailed;
  }
  if (!ChooseFaults()) {
    Say("none of the faults asked for can be tried yet");
    return kExitNotYet;
  }
  Say("the same faults again: " + record_.replay);
  std::filesystem::remove_all(Path("probe"));
  cluster_ = std::make_unique<ChaosCluster>(Path("data"), Path("logs"), ProcessGroup::kOwn);
  if (!cluster_->Start()) {
    Say("the cluster did not come up within a minute; see " + Path("logs"));
    return kExitFailed;
  }
  auto history = HistoryWriter::Create(Path("history.jsonl"), clock_);
  if (!history.ok()) {
    Say(history.status().message());
    return kExitFailed;
  }
  history_ = std::move(*history);
  RunLoad();
  Converge();
  AskAdminCheck();
  NoteStuck(load_->ReadAll());
  load_.reset();
  JudgeProcesses();
  cluster_->KillAll();
  Judge();
  return Finish();
}

std::vector<const Fault*> ChaosRun::AskedFor() const {
  std::vector<const Fault*> faults;
  const auto& asked = options_.faults;
  for (const auto& fault : AllFaults()) {
    const auto at = std::find(asked.begin(), asked.end(), fault->kind().name);
    if (asked.empty() || at != asked.end()) faults.push_back(fault.get());
  }
  return faults;
}

bool ChaosRun::ChooseFaults() {
  for (const Fault* fault : AskedFor()) {
    const std::string& name = fault->kind().name;
    const std::string missing = Missing(*fault, record_.capabilities);
    if (missing.empty()) {
      kinds_.push_back(fault->kind());
      Say("fault " + name + ": " + fault->kind().about);
    } else {
      LeaveOut("fault " + name, missing);
    }
    if (name == "router" && !record_.capabilities.clean_after_router) {
      LeaveOut("that every copy is complete again after the router was killed",
               "the product does not compare copies after that yet");
    }
  }
  // With the kinds by name: what can be tried may be more another time.
  ChaosOptions same = options_;
  same.faults.clear();
  for (const FaultKind& kind : kinds_) same.faults.push_back(kind.name);
  record_.replay = same.Replay();
  return !kinds_.empty();
}

void ChaosRun::LeaveOut(std::string what, std::string why) {
  Say("left out: " + what + ": " + why);
  record_.left_out.push_back({std::move(what), std::move(why)});
}

void ChaosRun::RunLoad() {
  LoadOptions load;
  load.seed = options_.seed;
  load.operations_per_second = options_.rate;
  load_ = std::make_unique<Load>(
      load, std::vector<std::string>{cluster_->processes().router_address()}, *history_);
  record_.load_from_ns = clock_.Now().ns;
  load_->Start();
  Say("load without faults");
  Hold(Before(options_.Length()));
  RunFaults(clock_.Now().ns + Ns(options_.Length()));
  Say("load without faults again");
  const MonoTime calm_until = clock_.Now() + kAfter;
  CheckUnderLoad();
  Hold(std::chrono::duration_cast<Millis>(
      std::max<Duration>(Duration::zero(), calm_until - clock_.Now())));
  record_.load_to_ns = clock_.Now().ns;
  NoteStuck(load_->Stop());
  record_.not_begun = load_->not_begun();
}

void ChaosRun::NoteStuck(size_t operations) {
  if (operations == 0) return;
  processes_.Fail(std::to_string(operations) +
                  " operations never ended, long after their deadline");
}

void ChaosRun::RunFaults(int64_t end_ns) {
  const int nodes = cluster_->processes().options().nodes;
  for (const Episode& episode : PlanFaults(options_.seed, kinds_, nodes, options_.Length())) {
    Hold(episode.calm);
    if (stop_ || clock_.Now().ns >= end_ns) return;
    if (!RunEpisode(episode)) return;
  }
}

bool ChaosRun::RunEpisode(const Episode& episode) {
  if (!PrepareFor(episode)) return false;
  std::vector<std::thread> threads;
  std::vector<size_t> records;
  for (const PlannedFault& planned : episode.faults) {
    FaultRecord record;
    record.kind = planned.kind;
    record.target = planned.Target(kinds_);
    record.overlapped = episode.faults.size() > 1;
    std::lock_guard lock(mutex_);
    records.push_back(record_.faults.size());
    record_.faults.push_back(record);
    threads.emplace_back([this, &planned, at = records.back()] { RunFault(planned, at); });
  }
  for (std::thread& thread : threads) thread.join();
  std::string why;
  const bool whole = WaitUntilWhole(&why);
  std::lock_guard lock(mutex_);
  for (size_t at : records) {
    FaultRecord& record = record_.faults[at];
    if (whole) record.whole_ns = clock_.Now().ns;
    if (!whole) {
      convergence_.Fail("not whole " + std::to_string(kConvergeSeconds) + " s after " +
                        record.kind + " of " + record.target + ": " + why);
    }
  }
  if (!whole) Say("not whole again: " + why);
  return whole;
}

// A fault that takes data away may come only when everyone has everything.
bool ChaosRun::PrepareFor(const Episode& episode) {
  const bool takes = std::any_of(episode.faults.begin(), episode.faults.end(),
                                 [](const auto& f) { return FindFault(f.kind)->TakesData(); });
  std::string why;
  if (!takes || cluster_->WaitWhole(Copies::kClean, kConvergeSeconds, &why)) return true;
  convergence_.Fail("copies are not complete though nothing happens: " + why);
  return false;
}

void ChaosRun::RunFault(const PlannedFault& planned, size_t at) {
  Hold(planned.delay);
  const std::string name = planned.kind + " " + planned.Target(kinds_);
  FaultContext context{*cluster_, [this](Millis time) { Hold(time); },
                       [&](std::string note) {
                         Say("  " + name + ": " + note);
                         std::lock_guard lock(mutex_);
                         record_.faults[at].notes.push_back(std::move(note));
                       },
                       [&](std::string finding) {
                         Say("  " + name + ": FINDING: " + finding);
                         std::lock_guard lock(mutex_);
                         processes_.Fail(name + ": " + finding);
                       }};
  const int64_t from = clock_.Now().ns;
  {
    std::lock_guard lock(mutex_);
    record_.faults[at].from_ns = from;
  }
  Say(name + ", for " + Seconds(Ns(planned.hold)));
  FindFault(planned.kind)->Happen(planned, context);
  std::lock_guard lock(mutex_);
  record_.faults[at].healed_ns = clock_.Now().ns;
}

bool ChaosRun::WaitUntilWhole(std::string* why) {
  const Copies copies = CopiesNow();
  if (cluster_->WaitWhole(copies, kDamagedSeconds, why)) return true;
  for (const std::string& node : cluster_->ReplaceDisksThatDoNotServe()) {
    Say(node + " does not recover with its damaged disk: it is emptied");
  }
  return cluster_->WaitWhole(copies, kConvergeSeconds, why);
}

void ChaosRun::Hold(Millis time) const {
  const MonoTime until = clock_.Now() + time;
  while (!stop_) {
    const Duration left = until - clock_.Now();
    if (left <= Duration::zero()) return;
    std::this_thread::sleep_for(std::min<Duration>(left, Millis(50)));  // the fault's time
  }
}

ChaosRun::Copies ChaosRun::CopiesNow() const {
  if (record_.capabilities.clean_after_router) return Copies::kClean;
  const bool router_was_gone =
      std::any_of(record_.faults.begin(), record_.faults.end(),
                  [](const FaultRecord& fault) { return fault.target == kRouterId; });
  return router_was_gone ? Copies::kServing : Copies::kClean;
}

void ChaosRun::Converge() {
  Say("waiting until the cluster is healthy");
  std::string why;
  const MonoTime from = clock_.Now();
  if (cluster_->WaitHealthy(CopiesNow(), kConvergeSeconds, &why)) {
    convergence_.summary =
        "healthy " + Seconds((clock_.Now() - from).count()) + " after the load had ended";
  } else {
    convergence_.Fail("not healthy " + std::to_string(kConvergeSeconds) +
                      " s after the load had ended: " + why);
  }
  if (stop_) convergence_.Fail("the run was interrupted");
}

// While clients work: replicas may be behind, but never different.
void ChaosRun::CheckUnderLoad() {
  const ReplicaVerdict verdict =
      JudgeAdminCheck(cluster_->Kvctl({"-o", "json", "--timeout", "30s", "admin", "check"}));
  Say("admin check under load: " + verdict.text);
  if (!verdict.answered) admin_check_.Fail("under load it did not come to an end: " + verdict.text);
  if (verdict.different) admin_check_.Fail("under load: " + verdict.text);
}

void ChaosRun::AskAdminCheck() {
  const MonoTime from = clock_.Now();
  const MonoTime deadline = from + std::chrono::seconds(kConvergeSeconds);
  while (true) {
    const ReplicaVerdict verdict =
        JudgeAdminCheck(cluster_->Kvctl({"-o", "json", "--timeout", "30s", "admin", "check"}));
    admin_check_.summary = verdict.text;
    if (verdict.all_equal) break;
    Say("admin check: " + verdict.text);
    // Waiting mends whatever else it finds; this is a defect at any time.
    if (verdict.different || clock_.Now() >= deadline || stop_) {
      admin_check_.Fail("kvctl admin check after " + Seconds((clock_.Now() - from).count()) + ": " +
                        verdict.text);
      break;
    }
    Hold(Millis(500));
  }
  record_.checks.push_back(std::move(admin_check_));
}

void ChaosRun::JudgeProcesses() {
  for (const ChaosCluster::OwnEnd& end : cluster_->own_ends()) {
    const std::string text = end.process + " ended by itself with " + std::to_string(end.code);
    if (end.excused) {
      Say(text + ", because of its damaged disk; that was emptied");
    } else {
      processes_.Fail(text + "; see " + Path("logs/" + end.process + ".log"));
    }
  }
  processes_.summary = std::to_string(cluster_->own_ends().size()) + " ended by themselves";
  JudgeLogs();
}

void ChaosRun::JudgeLogs() {
  std::set<std::string> kinds;
  for (const FaultRecord& fault : record_.faults) kinds.insert(fault.kind);
  LogFindings findings;
  for (const std::string& id : cluster_->LogIds()) {
    JudgeLog(id, cluster_->processes().Log(id), kinds, &findings);
  }
  Check check{.name = "logs"};
  for (std::string& line : findings.unexplained) check.Fail(std::move(line));
  check.summary = std::to_string(findings.explained) + " errors that are explained, " +
                  std::to_string(findings.unexplained.size()) + " that are not";
  record_.checks.push_back(std::move(check));
}

void ChaosRun::Judge() {
  record_.checks.push_back(std::move(convergence_));
  record_.checks.push_back(std::move(processes_));
  Check readable{.name = "history"};
  Status closed = history_->Close();
  Result<std::vector<HistoryEvent>> events = ReadHistory(Path("history.jsonl"));
  Result<std::vector<ClientOperation>> operations =
      events.ok() ? PairOperations(*events) : Result<std::vector<ClientOperation>>(events.status());
  if (!closed.ok()) readable.Fail(closed.message());
  if (!operations.ok()) {
    readable.Fail(operations.status().message());
    record_.checks.push_back(std::move(readable));
    return;
  }
  readable.summary = std::to_string(events->size()) + " events read back";
  record_.checks.push_back(std::move(readable));
  record_.operations = std::move(*operations);
  Say("judging " + std::to_string(record_.operations.size()) + " operations");
  record_.checks.push_back(CheckLinearizability(record_.operations));
  record_.checks.push_back(CheckNothingLost(record_.operations));
  record_.checks.push_back(CheckPromisesKept(record_.operations, StretchesOf(record_).excused));
  record_.checks.push_back(CheckStalls(AvailabilityByKind(record_)));
}

int ChaosRun::Finish() {
  record_.whole_run_seconds = static_cast<double>((clock_.Now() - began_).count()) / 1e9;
  std::ofstream(Path("report.json")) << ReportJson(record_);
  std::fputs(Summary(record_, options_.out).c_str(), stdout);
  cluster_.reset();
  if (!record_.passed()) return kExitFailed;
  std::filesystem::remove_all(Path("data"));
  return kExitPassed;
}

void ChaosRun::Say(const std::string& text) const {
  const int64_t from = record_.load_from_ns == 0 ? began_.ns : record_.load_from_ns;
  std::printf("%8s  %s\n", Seconds(clock_.Now().ns - from).c_str(), text.c_str());
  std::fflush(stdout);
}

}  // namespace ringkv
