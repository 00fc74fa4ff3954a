// A whole cluster of real processes on free ports of 127.0.0.1: one router and some nodes, with
// their disks and logs under one directory. Everything waits for a condition with a deadline;
// whatever still runs dies with the object. Thread-safe, as long as two threads do not do something
// to one process at a time.
//
//   DIRECTORY/ID       a process' data: r1, n1, n2, ...
//   DIRECTORY/ID.log   what it has said since it was first started
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/admin_client.h"
#include "client/client.h"
#include "tests/processes/server_process.h"

namespace ringkv {

struct ClusterProcessesOptions {
  int nodes = 3;
  int replicas = 3;
  int slots = 256;
  std::string durability = "periodic";
  std::vector<std::string> router_arguments;  // further ones
  std::vector<std::string> node_arguments;    // further ones, of every node
  std::string log_directory;                  // empty: beside the data
  ProcessGroup group = ProcessGroup::kOurs;
};

class ClusterProcesses {
 public:
  // `directory` is made if it is not there, and stays.
  ClusterProcesses(const ClusterProcessesOptions& options, std::string directory);
  ~ClusterProcesses();
  ClusterProcesses(const ClusterProcesses&) = delete;
  ClusterProcesses& operator=(const ClusterProcesses&) = delete;

  // Starts everything and waits until every node is up. False if that takes longer than a minute.
  bool Start();

  ServerProcess& router() { return *router_; }
  ServerProcess& node(int node);  // 1 to nodes, or a further one
  std::vector<int> KnownNodes();  // that `node` was ever asked for
  void KillAll();
  void WipeNode(int node);  // its disk; the node must not run

  // Waits until the router's view of the cluster satisfies `condition`.
  bool WaitFor(const std::function<bool(const v1::GetClusterResponse&)>& condition,
               int seconds = 60);
  bool WaitAllUp();
  bool WaitReach(int node, v1::Reach reach);
  // The same within a second.
  bool HasReach(int node, v1::Reach reach);

  std::unique_ptr<Client> NewClient() const;
  std::string router_address() const { return "127.0.0.1:" + std::to_string(router_port_); }
  std::string router_http() const { return "127.0.0.1:" + std::to_string(router_port_ + 1); }
  std::string node_address(int node);
  std::string node_http(int node);
  std::string RouterDir() const { return directory_ + "/r1"; }
  std::string NodeDir(int node) const { return directory_ + "/n" + std::to_string(node); }
  std::string LogPath(const std::string& id) const;
  std::string Log(const std::string& id) const;  // everything that the process has said
  const ClusterProcessesOptions& options() const { return options_; }

 private:
  struct Node {
    int port = 0;  // HTTP is one above
    std::unique_ptr<ServerProcess> process;
  };
  Node& NodeOf(int node);

  const ClusterProcessesOptions options_;
  const std::string directory_;
  const int router_port_;  // HTTP is one above
  std::mutex mutex_;
  std::map<int, Node> nodes_;  // guarded by mutex_; entries stay where they are
  std::unique_ptr<ServerProcess> router_;
};

}  // namespace ringkv
