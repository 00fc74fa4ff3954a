// One chaos run, from an empty directory to its verdict.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/chaos/chaos_cluster.h"
#include "tests/chaos/load.h"
#include "tests/chaos/options.h"
#include "tests/chaos/run_record.h"

namespace ringkv {

class ChaosRun {
 public:
  // `stop` is set from outside, by a signal: the run then heals and ends early, and has failed.
  ChaosRun(const ChaosOptions& options, const std::atomic<bool>& stop)
      : options_(options), stop_(stop) {}

  // The program's exit code.
  int Run();

 private:
  using Copies = ChaosCluster::Copies;

  std::vector<const Fault*> AskedFor() const;
  bool ChooseFaults();
  void LeaveOut(std::string what, std::string why);
  void RunLoad();
  void NoteStuck(size_t operations);
  void RunFaults(int64_t end_ns);
  bool RunEpisode(const Episode& episode);
  bool PrepareFor(const Episode& episode);
  void RunFault(const PlannedFault& planned, size_t record);
  bool WaitUntilWhole(std::string* why);
  void Hold(Millis time) const;

  void Converge();
  void CheckUnderLoad();
  void AskAdminCheck();
  void Judge();
  void JudgeProcesses();
  void JudgeLogs();
  int Finish();

  // What can be asked of the copies, by what has happened.
  Copies CopiesNow() const;
  void Say(const std::string& text) const;
  std::string Path(const std::string& name) const { return options_.out + "/" + name; }

  const ChaosOptions options_;
  const std::atomic<bool>& stop_;
  const RealClock clock_;
  const MonoTime began_ = clock_.Now();
  std::vector<FaultKind> kinds_;
  std::unique_ptr<ChaosCluster> cluster_;
  std::unique_ptr<HistoryWriter> history_;
  std::unique_ptr<Load> load_;

  std::mutex mutex_;  // guards record_.faults and the two checks while faults happen
  RunRecord record_;
  Check convergence_{.name = "convergence"};
  Check processes_{.name = "processes"};
  Check admin_check_{.name = "admin-check"};
};

}  // namespace ringkv
