// The cluster that a chaos run works on: real processes under watch.
//
// A thread looks at every process again and again. One that ended without being asked is remembered
// (`own_ends`) and started again, so that the run goes on and the rest can still be judged. A node
// whose disk was damaged may refuse it: then its disk is emptied, as its operator would, and that
// is no finding, unless it crashed instead of saying so.
//
// Thread-safe. Whoever does something to a process holds its claim.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/client/kvctl_process.h"
#include "tests/processes/cluster_processes.h"

namespace ringkv {

inline constexpr const char* kRouterId = "r1";

class ChaosCluster {
 public:
  struct OwnEnd {
    std::string process;
    ExitCode code = 0;
    bool excused = false;  // a disk that was damaged
  };
  // What "whole" asks of the copies.
  enum class Copies {
    kServing,  // every member is up and no slot is blocked
    kClean,    // and every copy is complete
  };

  // `kOwn` for a program that ends the processes itself when it is interrupted.
  ChaosCluster(const std::string& data, const std::string& logs,
               ProcessGroup group = ProcessGroup::kOurs);
  ~ChaosCluster();

  bool Start();  // false: it did not come up
  void KillAll();

  ClusterProcesses& processes() { return processes_; }
  ServerProcess& Process(const std::string& id);
  // For as long as it is held nobody else kills or starts the process.
  [[nodiscard]] std::unique_lock<std::mutex> Claim(const std::string& id);

  // False after `seconds`; then `*why` is what was wrong at last.
  bool WaitWhole(Copies copies, int seconds, std::string* why);
  // Every member up, nothing behind, health ok; or, where copies cannot be complete, all but that.
  bool WaitHealthy(Copies copies, int seconds, std::string* why);

  // Its disk was damaged.
  void Distrust(int node);
  // Kills it, empties its disk and starts it again.
  void ReplaceDisk(int node);
  // Of the damaged disks those whose nodes do not serve, as their operator would; the nodes.
  std::vector<std::string> ReplaceDisksThatDoNotServe();

  KvctlResult Kvctl(const std::vector<std::string>& arguments);

  std::vector<OwnEnd> own_ends();
  std::vector<std::string> LogIds();  // of all processes that were ever started

 private:
  bool WaitForStatus(const std::function<std::string(const v1::GetClusterResponse&)>& why_not,
                     int seconds, std::string* why);
  void Watch();
  void OnOwnEnd(const std::string& id, ExitCode code);

  ClusterProcesses processes_;
  std::mutex mutex_;
  std::map<std::string, std::mutex> claims_;  // the map is guarded by mutex_
  std::set<int> distrusted_;                  // guarded by mutex_
  std::vector<OwnEnd> own_ends_;              // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::thread watcher_;  // last: uses the above
};

}  // namespace ringkv
