// Faults that take a process away and lose nothing: kill, pause, restart, router.
#include "tests/chaos/fault.h"

namespace ringkv {
namespace {

using Target = FaultKind::Target;

std::string IdOf(const PlannedFault& fault) {
  return fault.node > 0 ? "n" + std::to_string(fault.node) : kRouterId;
}

class Kill final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    process.Kill();
    context.hold(fault.hold);
    process.Start();
  }
};

class Pause final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    process.Pause();
    context.hold(fault.hold);
    process.Resume();
  }
};

class Restart final : public Fault {
 public:
  using Fault::Fault;
  void Happen(const PlannedFault& fault, FaultContext& context) const override {
    auto claim = context.cluster.Claim(IdOf(fault));
    ServerProcess& process = context.cluster.Process(IdOf(fault));
    const ExitCode code = process.Stop();
    if (code != 0) {
      context.finding(IdOf(fault) + " was asked to stop and ended with " + std::to_string(code));
    }
    context.hold(fault.hold);
    process.Start();
  }
};

}  // namespace

std::vector<std::unique_ptr<Fault>> NodeFaults() {
  std::vector<std::unique_ptr<Fault>> faults;
  faults.push_back(std::make_unique<Kill>(FaultKind{"kill", "kill -9 a node and start it again",
                                                    Target::kNode, Millis(200), Millis(5'000)},
                                          Need::kNothing));
  faults.push_back(std::make_unique<Pause>(FaultKind{"pause", "SIGSTOP a node, then SIGCONT",
                                                     Target::kNode, Millis(100), Millis(30'000)},
                                           Need::kNothing));
  faults.push_back(
      std::make_unique<Restart>(FaultKind{"restart", "SIGTERM a node and start it again",
                                          Target::kNode, Millis(0), Millis(2'000)},
                                Need::kNothing));
  faults.push_back(
      std::make_unique<Kill>(FaultKind{"router", "kill -9 the router and start it again",
                                       Target::kRouter, Millis(0), Millis(2'000)},
                             Need::kNothing));
  return faults;
}

}  // namespace ringkv
