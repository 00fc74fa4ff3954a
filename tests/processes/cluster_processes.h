// A whole cluster of real processes on free ports of 127.0.0.1, in a directory of its own: one
// router and some nodes. Processes are started, killed and stopped by pid; whatever is left dies
// with the object. Everything waits for a condition with a deadline. A failed test keeps the logs'
// last lines.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/admin_client.h"
#include "client/client.h"
#include "tests/kvnode/temp_dir.h"

namespace ringkv {

struct LocalClusterOptions {
  int nodes = 3;
  int replicas = 3;
  int slots = 256;
  std::string durability = "periodic";
};

class LocalCluster {
 public:
  explicit LocalCluster(const LocalClusterOptions& options = {});
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // Starts everything and waits until every node is up. False, with the logs in the test's output,
  // if that takes longer than a minute.
  bool Start();

  void StartRouter();
  void StartNode(int node);  // 1 to nodes, or a further one
  void Kill(pid_t pid);      // -9, and waits for its end
  int Stop(pid_t pid);       // SIGTERM; the exit code, 128 + signal if one ended it
  pid_t router_pid() const { return router_pid_; }
  pid_t node_pid(int node) const { return node_pids_[node]; }
  void KillAll();
  void WipeNode(int node);  // its disk; the node must be dead

  // Waits until the router's view of the cluster satisfies `condition`.
  bool WaitFor(const std::function<bool(const v1::GetClusterResponse&)>& condition,
               int seconds = 60);
  bool WaitAllUp();
  bool WaitReach(int node, v1::Reach reach);

  std::unique_ptr<Client> NewClient() const;
  std::string router_address() const { return "127.0.0.1:" + std::to_string(router_port_); }
  std::string router_http() const { return "127.0.0.1:" + std::to_string(router_port_ + 1); }
  std::string NodeDir(int node) const { return dir_.Sub("n" + std::to_string(node)); }
  std::string Log(const std::string& id) const;  // everything that the process has said

 private:
  pid_t Spawn(const std::string& binary, const std::vector<std::string>& arguments,
              const std::string& id);
  void ReservePorts(int node);

  const LocalClusterOptions options_;
  TempDir dir_;
  int router_port_ = 0;  // HTTP is one above
  pid_t router_pid_ = 0;
  std::vector<int> node_ports_;  // by node, from 1
  std::vector<pid_t> node_pids_;
};

}  // namespace ringkv
