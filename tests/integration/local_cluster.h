// A cluster of real processes in a directory of its own that goes with it. A failed test keeps the
// logs' last lines.
#pragma once

#include <string>

#include "tests/kvnode/temp_dir.h"
#include "tests/processes/cluster_processes.h"

namespace ringkv {

using LocalClusterOptions = ClusterProcessesOptions;

// A base, so that it is there before the processes and after them.
struct LocalClusterDirectory {
  TempDir dir;
};

class LocalCluster : private LocalClusterDirectory, public ClusterProcesses {
 public:
  explicit LocalCluster(const LocalClusterOptions& options = {});
  ~LocalCluster();
};

}  // namespace ringkv
