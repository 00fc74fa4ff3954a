#include "tests/integration/local_cluster.h"

#include <iostream>

namespace ringkv {

LocalCluster::LocalCluster(const LocalClusterOptions& options)
    : ClusterProcesses(options, dir.Sub("cluster")) {}

LocalCluster::~LocalCluster() {
  KillAll();
  if (!testing::Test::HasFailure()) return;
  for (int node = 0; node <= options().nodes; ++node) {
    std::string id = node == 0 ? "r1" : "n" + std::to_string(node);
    std::string log = Log(id);
    if (log.size() > 4000) log = "..." + log.substr(log.size() - 4000);
    std::cerr << "---- log of " << id << "\n" << log;
  }
}

}  // namespace ringkv
