// A node joins and another leaves, and back again, by the commands that an operator has.
#include "tests/chaos/fault.h"

namespace ringkv {
namespace {

constexpr int kFurther = 4;
constexpr int kFirst = 1;

class Topology final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto further = context.cluster.Claim("n" + std::to_string(kFurther));
    auto first = context.cluster.Claim("n" + std::to_string(kFirst));
    if (!Replace(kFirst, kFurther, fault, context)) return;
    context.hold(fault.hold);
    Replace(kFurther, kFirst, fault, context);
  }

 private:
  // The new one starts with an empty disk, joins, and the old one leaves.
  static bool Replace(int old_node, int new_node, const PlannedFault& fault,
                      FaultContext& context) {
    ChaosCluster& cluster = context.cluster;
    cluster.processes().node(new_node).Start();
    if (!cluster.processes().WaitReach(new_node, v1::REACH_UP)) {
      context.finding("n" + std::to_string(new_node) + " did not register");
      return false;
    }
    if (!Command({"admin", "add-node", "n" + std::to_string(new_node),
                  cluster.processes().node_address(new_node), "--wait"},
                 context)) {
      return false;
    }
    context.hold(fault.hold);
    if (!Command({"admin", "remove-node", "n" + std::to_string(old_node), "--wait"}, context)) {
      return false;
    }
    const ExitCode code = cluster.processes().node(old_node).Stop();
    if (code != 0) {
      context.finding("n" + std::to_string(old_node) + " left and ended with " +
                      std::to_string(code));
    }
    cluster.processes().WipeNode(old_node);
    return true;
  }

  static bool Command(const std::vector<std::string>& arguments, FaultContext& context) {
    std::string text = "kvctl";
    for (const std::string& argument : arguments) text += " " + argument;
    std::vector<std::string> words = {"--timeout", "120s"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const KvctlResult result = context.cluster.Kvctl(words);
    context.note(text + ": exit code " + std::to_string(result.code));
    if (result.code == 0) return true;
    context.finding(text + " ended with " + std::to_string(result.code) + ": " + result.err);
    return false;
  }
};

}  // namespace

std::unique_ptr<Fault> TopologyFault() {
  return std::make_unique<Topology>(
      FaultKind{"topology", "add a fourth node, remove the first, and back",
                FaultKind::Target::kCluster, Millis(500), Millis(4'000), /*alone=*/true},
      Need::kTopology);
}

}  // namespace ringkv
