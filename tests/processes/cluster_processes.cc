#include "tests/processes/cluster_processes.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/check.h"
#include "tests/processes/free_ports.h"

namespace ringkv {

ClusterProcesses::ClusterProcesses(const ClusterProcessesOptions& options, std::string directory)
    : options_(options), directory_(std::move(directory)), router_port_(FreePortPair()) {
  std::filesystem::create_directories(directory_);
  if (!options_.log_directory.empty()) std::filesystem::create_directories(options_.log_directory);
  std::string nodes;
  for (int node = 1; node <= options_.nodes; ++node) {
    nodes += (node > 1 ? ",n" : "n") + std::to_string(node) + "=" + node_address(node);
  }
  std::vector<std::string> arguments{"--id",          "r1",
                                     "--listen",      router_address(),
                                     "--http-listen", router_http(),
                                     "--data-dir",    RouterDir(),
                                     "--nodes",       nodes,
                                     "--replicas",    std::to_string(options_.replicas),
                                     "--slots",       std::to_string(options_.slots)};
  arguments.insert(arguments.end(), options_.router_arguments.begin(),
                   options_.router_arguments.end());
  router_ = std::make_unique<ServerProcess>(RINGKV_KVROUTER, std::move(arguments), LogPath("r1"),
                                            options_.group);
}

ClusterProcesses::~ClusterProcesses() { KillAll(); }

ClusterProcesses::Node& ClusterProcesses::NodeOf(int node) {
  std::lock_guard lock(mutex_);
  Node& entry = nodes_[node];
  if (entry.process != nullptr) return entry;
  entry.port = FreePortPair();
  const std::string host = "127.0.0.1:";
  const std::string id = "n" + std::to_string(node);
  std::vector<std::string> arguments{"--id",          id,
                                     "--listen",      host + std::to_string(entry.port),
                                     "--http-listen", host + std::to_string(entry.port + 1),
                                     "--data-dir",    NodeDir(node),
                                     "--routers",     router_address(),
                                     "--durability",  options_.durability};
  arguments.insert(arguments.end(), options_.node_arguments.begin(), options_.node_arguments.end());
  entry.process = std::make_unique<ServerProcess>(RINGKV_KVNODE, std::move(arguments), LogPath(id),
                                                  options_.group);
  return entry;
}

ServerProcess& ClusterProcesses::node(int node) { return *NodeOf(node).process; }

std::vector<int> ClusterProcesses::KnownNodes() {
  std::lock_guard lock(mutex_);
  std::vector<int> numbers;
  for (const auto& [number, entry] : nodes_) numbers.push_back(number);
  return numbers;
}

std::string ClusterProcesses::node_address(int node) {
  return "127.0.0.1:" + std::to_string(NodeOf(node).port);
}

std::string ClusterProcesses::node_http(int node) {
  return "127.0.0.1:" + std::to_string(NodeOf(node).port + 1);
}

bool ClusterProcesses::Start() {
  router_->Start();
  for (int number = 1; number <= options_.nodes; ++number) node(number).Start();
  return WaitAllUp();
}

void ClusterProcesses::KillAll() {
  router_->Kill();
  std::lock_guard lock(mutex_);
  for (auto& [number, entry] : nodes_) entry.process->Kill();
}

void ClusterProcesses::WipeNode(int number) {
  RINGKV_CHECK(node(number).pid() == 0, "only a dead node's disk is wiped");
  std::filesystem::remove_all(NodeDir(number));
}

bool ClusterProcesses::WaitFor(const std::function<bool(const v1::GetClusterResponse&)>& condition,
                               int seconds) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  auto admin = AdminClient::Create({router_address()}, std::chrono::seconds(2));
  RINGKV_CHECK(admin.ok(), admin.status().message());
  while (std::chrono::steady_clock::now() < deadline) {
    auto cluster = (*admin)->GetCluster();
    if (cluster.ok() && condition(*cluster)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // between two looks
  }
  return false;
}

bool ClusterProcesses::WaitAllUp() {
  return WaitFor([this](const v1::GetClusterResponse& cluster) {
    int up = 0;
    for (const v1::NodeStatus& node : cluster.nodes()) up += node.reach() == v1::REACH_UP ? 1 : 0;
    return up >= options_.nodes && cluster.slot_health().blocked() == 0;
  });
}

namespace {

std::function<bool(const v1::GetClusterResponse&)> Reaches(int node, v1::Reach reach) {
  return [id = "n" + std::to_string(node), reach](const v1::GetClusterResponse& cluster) {
    for (const v1::NodeStatus& status : cluster.nodes()) {
      if (status.node().id() == id) return status.reach() == reach;
    }
    return false;
  };
}

}  // namespace

bool ClusterProcesses::WaitReach(int node, v1::Reach reach) {
  return WaitFor(Reaches(node, reach));
}

bool ClusterProcesses::HasReach(int node, v1::Reach reach) {
  return WaitFor(Reaches(node, reach), /*seconds=*/1);
}

std::unique_ptr<Client> ClusterProcesses::NewClient() const {
  ClientOptions options;
  options.routers = {router_address()};
  options.timeout = std::chrono::seconds(20);
  options.when_full = WhenFull::kWait;
  auto client = Client::Create(options);
  RINGKV_CHECK(client.ok(), client.status().message());
  return std::move(*client);
}

std::string ClusterProcesses::LogPath(const std::string& id) const {
  return (options_.log_directory.empty() ? directory_ : options_.log_directory) + "/" + id + ".log";
}

std::string ClusterProcesses::Log(const std::string& id) const {
  std::ifstream in(LogPath(id), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace ringkv
