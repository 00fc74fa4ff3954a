#include "tests/chaos/chaos_cluster.h"

#include <chrono>

namespace ringkv {
namespace {

ClusterProcessesOptions OptionsWith(const std::string& logs, ProcessGroup group) {
  ClusterProcessesOptions options;
  options.log_directory = logs;
  options.group = group;
  return options;
}

// 128 and more: a signal ended it.
bool SaidSoItself(ExitCode code) { return code > 0 && code < 128; }

std::string WhyNotServing(const v1::GetClusterResponse& cluster, int least_members) {
  int members = 0;
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.node().state() != v1::NODE_STATE_MEMBER) continue;
    ++members;
    if (node.reach() != v1::REACH_UP) return node.node().id() + " is not up: " + node.why();
  }
  if (members < least_members) return "only " + std::to_string(members) + " members are known";
  if (cluster.slot_health().total() == 0) return "the router is starting";
  if (cluster.slot_health().blocked() == 0) return "";
  return std::to_string(cluster.slot_health().blocked()) + " slots are blocked";
}

std::string WhyNotClean(const v1::GetClusterResponse& cluster) {
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.clean_slots() < node.slots() || node.voting_slots() < node.slots()) {
      return node.node().id() + ": of " + std::to_string(node.slots()) + " slots " +
             std::to_string(node.clean_slots()) + " are clean and " +
             std::to_string(node.voting_slots()) + " vote";
    }
  }
  return "";
}

std::string WhyNotHealthy(const v1::GetClusterResponse& cluster) {
  if (cluster.health() == v1::HEALTH_OK) return "";
  std::string text = "health is not ok:";
  for (const std::string& reason : cluster.reasons()) text += " " + reason + ";";
  return text;
}

std::string WhyBehind(const v1::GetClusterResponse& cluster) {
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.behind_keys() > 0) {
      return node.node().id() + " lacks " + std::to_string(node.behind_keys()) + " writes";
    }
  }
  return "";
}

}  // namespace

ChaosCluster::ChaosCluster(const std::string& data, const std::string& logs, ProcessGroup group)
    : processes_(OptionsWith(logs, group), data) {}

ChaosCluster::~ChaosCluster() { KillAll(); }

bool ChaosCluster::Start() {
  if (!processes_.Start()) return false;
  watcher_ = std::thread([this] { Watch(); });
  return true;
}

void ChaosCluster::KillAll() {
  stop_ = true;
  if (watcher_.joinable()) watcher_.join();
  processes_.KillAll();
}

ServerProcess& ChaosCluster::Process(const std::string& id) {
  if (id == kRouterId) return processes_.router();
  return processes_.node(std::stoi(id.substr(1)));
}

std::unique_lock<std::mutex> ChaosCluster::Claim(const std::string& id) {
  std::mutex* claim = nullptr;
  {
    std::lock_guard lock(mutex_);
    claim = &claims_[id];
  }
  return std::unique_lock(*claim);
}

bool ChaosCluster::WaitForStatus(
    const std::function<std::string(const v1::GetClusterResponse&)>& why_not, int seconds,
    std::string* why) {
  *why = "the router does not answer";
  return processes_.WaitFor(
      [&](const v1::GetClusterResponse& cluster) {
        *why = why_not(cluster);
        return why->empty();
      },
      seconds);
}

bool ChaosCluster::WaitWhole(Copies copies, int seconds, std::string* why) {
  const int members = processes_.options().nodes;
  return WaitForStatus(
      [&](const v1::GetClusterResponse& cluster) {
        std::string reason = WhyNotServing(cluster, members);
        if (reason.empty() && copies == Copies::kClean) reason = WhyNotClean(cluster);
        return reason;
      },
      seconds, why);
}

bool ChaosCluster::WaitHealthy(Copies copies, int seconds, std::string* why) {
  if (copies == Copies::kClean) return WaitForStatus(WhyNotHealthy, seconds, why);
  const int members = processes_.options().nodes;
  return WaitForStatus(
      [&](const v1::GetClusterResponse& cluster) {
        std::string reason = WhyNotServing(cluster, members);
        return reason.empty() ? WhyBehind(cluster) : reason;
      },
      seconds, why);
}

void ChaosCluster::Distrust(int node) {
  std::lock_guard lock(mutex_);
  distrusted_.insert(node);
}

void ChaosCluster::ReplaceDisk(int node) {
  processes_.node(node).Kill();
  processes_.WipeNode(node);
  {
    std::lock_guard lock(mutex_);
    distrusted_.erase(node);
  }
  processes_.node(node).Start();
}

std::vector<std::string> ChaosCluster::ReplaceDisksThatDoNotServe() {
  std::set<int> nodes;
  {
    std::lock_guard lock(mutex_);
    nodes = distrusted_;
  }
  std::vector<std::string> replaced;
  for (int node : nodes) {
    if (processes_.HasReach(node, v1::REACH_UP)) continue;
    replaced.push_back("n" + std::to_string(node));
    auto claim = Claim(replaced.back());
    ReplaceDisk(node);
  }
  return replaced;
}

KvctlResult ChaosCluster::Kvctl(const std::vector<std::string>& arguments) {
  return RunKvctl(processes_.router_address(), arguments);
}

std::vector<ChaosCluster::OwnEnd> ChaosCluster::own_ends() {
  std::lock_guard lock(mutex_);
  return own_ends_;
}

std::vector<std::string> ChaosCluster::LogIds() {
  std::vector<std::string> ids = {kRouterId};
  for (int node : processes_.KnownNodes()) ids.push_back("n" + std::to_string(node));
  return ids;
}

void ChaosCluster::Watch() {
  while (!stop_) {
    for (const std::string& id : LogIds()) {
      std::mutex* claim = nullptr;
      {
        std::lock_guard lock(mutex_);
        claim = &claims_[id];
      }
      std::unique_lock held(*claim, std::try_to_lock);
      if (!held.owns_lock()) continue;  // someone is at work on it
      if (auto code = Process(id).TakeOwnEnd()) OnOwnEnd(id, *code);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // between two looks
  }
}

// With the process' claim held.
void ChaosCluster::OnOwnEnd(const std::string& id, ExitCode code) {
  const int node = id == kRouterId ? 0 : std::stoi(id.substr(1));
  bool distrusted = false;
  {
    std::lock_guard lock(mutex_);
    distrusted = distrusted_.contains(node);
    own_ends_.push_back({id, code, distrusted && SaidSoItself(code)});
  }
  if (distrusted) {
    ReplaceDisk(node);
  } else {
    Process(id).Start();
  }
}

}  // namespace ringkv
