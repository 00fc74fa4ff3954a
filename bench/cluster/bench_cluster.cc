#include "bench/cluster/bench_cluster.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "tests/client/kvctl_process.h"

namespace ringkv::bench {
namespace {

ClusterProcessesOptions ProcessesOf(const BenchClusterOptions& cluster) {
  ClusterProcessesOptions options;
  options.slots = cluster.slots;
  options.durability = cluster.durability;
  options.log_directory = cluster.log_directory;
  options.group = cluster.group;
  return options;
}

bool Whole(const v1::GetClusterResponse& cluster) {
  if (cluster.slot_health().total() == 0) return false;
  if (cluster.slot_health().fully_replicated() != cluster.slot_health().total()) return false;
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (node.behind_keys() > 0 || node.reach() != v1::REACH_UP) return false;
  }
  return true;
}

}  // namespace

std::string KeyName(uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "key-%012llu", static_cast<unsigned long long>(number));
  return name;
}

BenchCluster::BenchCluster(const BenchClusterOptions& options) {
  char name[] = "/tmp/ringkv-bench-XXXXXX";  // mkdtemp fills in the last six
  if (::mkdtemp(name) == nullptr) return;
  directory_ = name;
  processes_ = std::make_unique<ClusterProcesses>(ProcessesOf(options), directory_);
}

BenchCluster::~BenchCluster() {
  processes_.reset();
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status BenchCluster::Start() {
  if (directory_.empty()) return Status::IoError("cannot make a directory in /tmp");
  if (!processes_->Start()) return Status::Unavailable("the cluster did not come up in a minute");
  return WaitWhole(60);
}

Status BenchCluster::WaitWhole(int seconds) {
  if (processes_->WaitFor(Whole, seconds)) return Status::Ok();
  return Status::Unavailable("not whole within " + std::to_string(seconds) + " s");
}

std::map<std::string, std::vector<pid_t>> BenchCluster::ProcessGroups() {
  std::map<std::string, std::vector<pid_t>> groups;
  groups["router"] = {processes_->router().pid()};
  for (int node = 1; node <= processes_->options().nodes; ++node) {
    groups["nodes"].push_back(processes_->node(node).pid());
  }
  return groups;
}

Status BenchCluster::Store(uint64_t first, uint64_t last, uint64_t step, size_t value_bytes,
                           int round) {
  const std::string file = directory_ + "/import.jsonl";
  {
    std::ofstream out(file);
    Random random(static_cast<uint64_t>(round) + 1);
    std::string value;
    for (uint64_t number = first; number < last; number += step) {
      value = std::to_string(round) + "/" + std::to_string(number) + "/";
      // What does not compress well, and needs no escape.
      while (value.size() < value_bytes) {
        value.push_back(static_cast<char>('a' + random.Below(26)));
      }
      out << "{\"key\":\"" << KeyName(number) << "\",\"value\":\"" << value << "\"}\n";
    }
    if (!out.flush()) return Status::IoError("cannot write " + file);
  }
  const Status stored = RunKvctl({"import", file});
  std::filesystem::remove(file);
  return stored;
}

Status BenchCluster::LoadKeys(uint64_t keys, size_t value_bytes) {
  return RunKvctl({"bench", "--workload", "get", "--keys", std::to_string(keys), "--value-size",
                   std::to_string(value_bytes), "--clients", "64", "--seconds", "0.5"});
}

Status BenchCluster::Load(const std::string& workload, uint64_t keys, size_t value_bytes,
                          int clients, double seconds) {
  return RunKvctl({"bench", "--workload", workload, "--keys", std::to_string(keys), "--value-size",
                   std::to_string(value_bytes), "--clients", std::to_string(clients), "--seconds",
                   std::to_string(seconds), "--no-load"});
}

Status BenchCluster::RunKvctl(const std::vector<std::string>& arguments) {
  const KvctlResult result = ringkv::RunKvctl(processes_->router_address(), arguments);
  std::fputs(result.out.c_str(), stdout);
  if (result.code == 0) return Status::Ok();
  return Status::Internal("kvctl " + arguments[0] + " ended with " + std::to_string(result.code) +
                          ": " + result.err);
}

Result<double> BenchCluster::OfNodes(const std::string& metric, const std::string& label) {
  double sum = 0;
  for (int node = 1; node <= processes_->options().nodes; ++node) {
    if (processes_->node(node).pid() == 0) continue;
    const Result<double> one = OfNode(node, metric, label);
    if (!one.ok()) return one;
    sum += *one;
  }
  return sum;
}

Result<double> BenchCluster::OfNode(int node, const std::string& metric, const std::string& label) {
  const auto page = MetricsPage::Fetch(processes_->node_http(node));
  if (!page.ok()) return page.status();
  return page->Sum("ringkv_" + metric, label);
}

Result<double> BenchCluster::OfRouter(const std::string& metric, const std::string& label) {
  const auto page = MetricsPage::Fetch(processes_->router_http());
  if (!page.ok()) return page.status();
  return page->Sum("ringkv_" + metric, label);
}

Status WriteFigures(const std::string& file, const std::string& json) {
  if (file.empty() || (std::ofstream(file) << json << '\n').flush()) return Status::Ok();
  return Status::IoError("cannot write " + file);
}

}  // namespace ringkv::bench
