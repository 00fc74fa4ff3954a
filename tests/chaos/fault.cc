#include "tests/chaos/fault.h"

namespace ringkv {

const std::vector<std::unique_ptr<Fault>>& AllFaults() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Fault>> faults = NodeFaults();
    for (auto& fault : DiskFaults()) faults.push_back(std::move(fault));
    faults.push_back(TopologyFault());
    return faults;
  }();
  return all;
}

const Fault* FindFault(const std::string& name) {
  for (const auto& fault : AllFaults()) {
    if (fault->kind().name == name) return fault.get();
  }
  return nullptr;
}

}  // namespace ringkv
