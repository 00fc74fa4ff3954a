// What the benchmarks on real processes share: a cluster in a directory of its own that goes with
// it, filled by kvctl, and the figures that its processes show. Blocking; thread-compatible.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/cluster/metrics_page.h"
#include "tests/processes/cluster_processes.h"

namespace ringkv::bench {

struct BenchClusterOptions {
  int slots = 4096;
  std::string durability = "periodic";
  std::string log_directory;  // of the processes' logs; empty: they go with the data
  ProcessGroup group = ProcessGroup::kOurs;
};

class BenchCluster {
 public:
  explicit BenchCluster(const BenchClusterOptions& options = {});
  ~BenchCluster();

  // What stands in the way, or ok.
  Status Start();
  // Every replica complete, nothing behind.
  Status WaitWhole(int seconds);

  // Stores the keys from `first` to `last` - 1, each with a value of so many bytes that tells the
  // `round` in which it was written.
  Status Store(uint64_t first, uint64_t last, uint64_t step, size_t value_bytes, int round);
  // The keys that `Load` uses.
  Status LoadKeys(uint64_t keys, size_t value_bytes);
  // kvctl bench on them; what it prints goes to stdout.
  Status Load(const std::string& workload, uint64_t keys, size_t value_bytes, int clients,
              double seconds);

  // Summed over the members' nodes that run.
  Result<double> OfNodes(const std::string& metric, const std::string& label = "");
  Result<double> OfNode(int node, const std::string& metric, const std::string& label = "");
  Result<double> OfRouter(const std::string& metric, const std::string& label = "");

  ClusterProcesses& processes() { return *processes_; }
  // The processes that run: "router", "nodes".
  std::map<std::string, std::vector<pid_t>> ProcessGroups();

 private:
  Status RunKvctl(const std::vector<std::string>& arguments);

  std::string directory_;
  std::unique_ptr<ClusterProcesses> processes_;
};

std::string KeyName(uint64_t number);

// Writes what a benchmark measured; no file: nothing.
Status WriteFigures(const std::string& file, const std::string& json);

}  // namespace ringkv::bench
