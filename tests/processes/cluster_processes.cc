#include "tests/integration/local_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/check.h"

namespace ringkv {
namespace {

bool Bind(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

// Two neighbouring ports that nobody listens on, below the range that the kernel hands out itself.
// Tests that run at the same time look in different places.
int FreePortPair() {
  static int next = 10'000 + static_cast<int>(::getpid()) % 1'000 * 20;
  for (int tries = 0; tries < 10'000; ++tries) {
    int port = next;
    next = next + 2 < 32'000 ? next + 2 : 10'000;
    if (Bind(port) && Bind(port + 1)) return port;
  }
  RINGKV_CHECK(false, "there are free ports");
  std::abort();
}

}  // namespace

LocalCluster::LocalCluster(const LocalClusterOptions& options) : options_(options) {
  router_port_ = FreePortPair();
  for (int node = 0; node <= options.nodes; ++node) ReservePorts(node);
}

LocalCluster::~LocalCluster() {
  KillAll();
  if (!testing::Test::HasFailure()) return;
  for (size_t node = 0; node < node_ports_.size(); ++node) {
    std::string id = node == 0 ? "r1" : "n" + std::to_string(node);
    std::string log = Log(id);
    if (log.size() > 4000) log = "..." + log.substr(log.size() - 4000);
    std::cerr << "---- log of " << id << "\n" << log;
  }
}

void LocalCluster::ReservePorts(int node) {
  if (static_cast<int>(node_ports_.size()) > node) return;
  node_ports_.resize(node + 1);
  node_pids_.resize(node + 1);
  if (node > 0) node_ports_[node] = FreePortPair();
}

pid_t LocalCluster::Spawn(const std::string& binary, const std::vector<std::string>& arguments,
                          const std::string& id) {
  std::string log = dir_.Sub(id + ".log");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), binary);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  pid_t pid = 0;
  int error = ::posix_spawn(&pid, binary.c_str(), &files, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&files);
  RINGKV_CHECK(error == 0, "the binaries are built and can be started");
  return pid;
}

void LocalCluster::StartRouter() {
  std::string nodes;
  for (int node = 1; node <= options_.nodes; ++node) {
    nodes += (node > 1 ? ",n" : "n") + std::to_string(node) +
             "=127.0.0.1:" + std::to_string(node_ports_[node]);
  }
  router_pid_ =
      Spawn(RINGKV_KVROUTER,
            {"--id", "r1", "--listen", router_address(), "--http-listen", router_http(),
             "--data-dir", dir_.Sub("r1"), "--nodes", nodes, "--replicas",
             std::to_string(options_.replicas), "--slots", std::to_string(options_.slots)},
            "r1");
}

void LocalCluster::StartNode(int node) {
  ReservePorts(node);
  std::string host = "127.0.0.1:";
  node_pids_[node] = Spawn(
      RINGKV_KVNODE,
      {"--id", "n" + std::to_string(node), "--listen", host + std::to_string(node_ports_[node]),
       "--http-listen", host + std::to_string(node_ports_[node] + 1), "--data-dir", NodeDir(node),
       "--routers", router_address(), "--durability", options_.durability},
      "n" + std::to_string(node));
}

bool LocalCluster::Start() {
  StartRouter();
  for (int node = 1; node <= options_.nodes; ++node) StartNode(node);
  return WaitAllUp();
}

void LocalCluster::Kill(pid_t pid) {
  if (pid == 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  for (pid_t& known : node_pids_) {
    if (known == pid) known = 0;
  }
  if (router_pid_ == pid) router_pid_ = 0;
}

int LocalCluster::Stop(pid_t pid) {
  ::kill(pid, SIGTERM);
  int status = 0;
  ::waitpid(pid, &status, 0);
  for (pid_t& known : node_pids_) {
    if (known == pid) known = 0;
  }
  if (router_pid_ == pid) router_pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void LocalCluster::KillAll() {
  Kill(router_pid_);
  for (size_t node = 1; node < node_pids_.size(); ++node) Kill(node_pids_[node]);
}

void LocalCluster::WipeNode(int node) {
  RINGKV_CHECK(node_pids_[node] == 0, "only a dead node's disk is wiped");
  std::filesystem::remove_all(NodeDir(node));
}

bool LocalCluster::WaitFor(const std::function<bool(const v1::GetClusterResponse&)>& condition,
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

bool LocalCluster::WaitAllUp() {
  return WaitFor([this](const v1::GetClusterResponse& cluster) {
    int up = 0;
    for (const v1::NodeStatus& node : cluster.nodes()) up += node.reach() == v1::REACH_UP ? 1 : 0;
    return up >= options_.nodes && cluster.slot_health().blocked() == 0;
  });
}

bool LocalCluster::WaitReach(int node, v1::Reach reach) {
  std::string id = "n" + std::to_string(node);
  return WaitFor([&](const v1::GetClusterResponse& cluster) {
    for (const v1::NodeStatus& status : cluster.nodes()) {
      if (status.node().id() == id) return status.reach() == reach;
    }
    return false;
  });
}

std::unique_ptr<Client> LocalCluster::NewClient() const {
  ClientOptions options;
  options.routers = {router_address()};
  options.timeout = std::chrono::seconds(20);
  options.when_full = WhenFull::kWait;
  auto client = Client::Create(options);
  RINGKV_CHECK(client.ok(), client.status().message());
  return std::move(*client);
}

std::string LocalCluster::Log(const std::string& id) const {
  return ReadWholeFile(dir_.Sub(id + ".log"));
}

}  // namespace ringkv
