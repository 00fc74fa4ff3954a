#include "tests/chaos/probe.h"

#include <algorithm>

#include "client/kvctl/exit_code.h"

namespace ringkv {
namespace {

using Copies = ChaosCluster::Copies;

constexpr int kKeys = 100;
// A hundred keys are copied in far less.
constexpr int kPatienceSeconds = 10;

bool WriteSome(ChaosCluster& cluster) {
  auto client = cluster.processes().NewClient();
  for (int i = 0; i < kKeys; ++i) {
    if (!client->Put("probe-" + std::to_string(i), "x").status.ok()) return false;
  }
  return true;
}

// kvctl has the command, and the router can answer it.
bool Knows(ChaosCluster& cluster, const std::vector<std::string>& command) {
  const KvctlResult result = cluster.Kvctl(command);
  return result.code == kExitDone || result.code == kExitNo;
}

bool IsCleanAfterRouter(ChaosCluster& cluster) {
  {
    auto claim = cluster.Claim(kRouterId);
    cluster.processes().router().Kill();
    cluster.processes().router().Start();
  }
  std::string why;
  return cluster.WaitWhole(Copies::kClean, kPatienceSeconds, &why);
}

bool IsRefilled(ChaosCluster& cluster) {
  {
    auto claim = cluster.Claim("n3");
    cluster.ReplaceDisk(3);
  }
  std::string why;
  return cluster.WaitWhole(Copies::kClean, kPatienceSeconds, &why);
}

}  // namespace

std::string Missing(const Fault& fault, const Capabilities& capabilities) {
  switch (fault.need()) {
    case Need::kNothing:
      return "";
    case Need::kRefill:
      return capabilities.refill ? ""
                                 : "the product does not fill a node again whose disk was emptied";
    case Need::kTopology:
      return capabilities.topology
                 ? ""
                 : "kvctl has no `admin add-node` and `admin remove-node` that work";
  }
  return "unknown need";
}

Capabilities Probe(const std::vector<const Fault*>& faults, const std::string& directory,
                   std::string* error) {
  auto any = [&](const std::function<bool(const Fault&)>& fits) {
    return std::any_of(faults.begin(), faults.end(), [&](const Fault* f) { return fits(*f); });
  };
  const bool refill = any([](const Fault& f) { return f.TakesData(); });
  const bool router =
      any([](const Fault& f) { return f.kind().target == FaultKind::Target::kRouter; });
  Capabilities capabilities;
  ChaosCluster cluster(directory, directory, ProcessGroup::kOwn);
  if (!cluster.Start()) {
    *error = "the cluster did not come up within a minute; see " + directory;
    return capabilities;
  }
  if (!WriteSome(cluster)) {
    *error = "the cluster takes no writes; see " + directory;
    return capabilities;
  }
  // Of a node that does not exist: the answer is "no", from a product that understands the
  // question.
  capabilities.topology = refill && Knows(cluster, {"admin", "remove-node", "no-such-node"});
  capabilities.clean_after_router = (router || refill) && IsCleanAfterRouter(cluster);
  // A wiped node is filled from copies that are known to be complete.
  capabilities.refill = refill && capabilities.clean_after_router && IsRefilled(cluster);
  return capabilities;
}

}  // namespace ringkv
