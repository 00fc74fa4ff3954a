// A kind of fault: what it does to a running cluster, and takes back.
//
// A further kind is one more class and one more line in `AllFaults`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/chaos_cluster.h"
#include "tests/chaos/fault_schedule.h"

namespace ringkv {

// What the product has to be able to do before a fault can be tried.
enum class Need { kNothing, kRefill, kTopology };

// What the run gives to a fault that happens.
struct FaultContext {
  ChaosCluster& cluster;
  // Returns when the time has passed, or early when the run ends.
  std::function<void(Millis)> hold;
  // Into the fault's record: what exactly happened.
  std::function<void(std::string)> note;
  // The product did something that it must not: the run fails.
  std::function<void(std::string)> finding;
};

class Fault {
 public:
  Fault(FaultKind kind, Need need) : kind_(std::move(kind)), need_(need) {}
  virtual ~Fault() = default;

  const FaultKind& kind() const { return kind_; }
  Need need() const { return need_; }
  // Takes data from a node, so that every copy has to be whole before.
  bool TakesData() const { return need_ != Need::kNothing; }

  // Blocks until the harm is taken back. Whether the cluster has recovered is not its business.
  virtual void Happen(const PlannedFault& fault, FaultContext& context) const = 0;

 private:
  const FaultKind kind_;
  const Need need_;
};

const std::vector<std::unique_ptr<Fault>>& AllFaults();
// Null: there is none of that name.
const Fault* FindFault(const std::string& name);

// node_faults.cc
std::vector<std::unique_ptr<Fault>> NodeFaults();
// disk_faults.cc
std::vector<std::unique_ptr<Fault>> DiskFaults();
// topology_fault.cc
std::unique_ptr<Fault> TopologyFault();

}  // namespace ringkv
