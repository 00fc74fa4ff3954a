// `admin check` in the simulator: the real comparison (router/replica_check.h) over the simulated
// cluster, and its owner's part by itself, at random keys. While clients work and faults happen it
// must never call replicas different; at rest it must find them all equal.
//
// Draws from a generator of its own, so that a run without it takes the same course.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "router/replica_check.h"
#include "tests/sim/sim_cluster.h"

namespace ringkv {

class SimCheck {
 public:
  SimCheck(Scheduler& scheduler, SimCluster& cluster, uint64_t seed);
  ~SimCheck();

  // One check after the other from now on, and looks at these keys.
  void RunUnderLoad(std::vector<std::string> keys);
  void StopUnderLoad();

  // One check, at rest: empty, or why it did not find everything equal.
  std::string RunAtRest();

  uint64_t checks() const { return checks_; }  // that came to an end
  uint64_t looks() const { return looks_; }

 private:
  class World;

  void JudgeLook(const std::string& key, const KeyLook& look);
  void Begin();
  void OnDone();
  void Poll();
  void LookSomewhere();

  Scheduler& scheduler_;
  SimCluster& cluster_;
  Random random_;
  std::vector<std::string> keys_;
  bool under_load_ = false;
  uint64_t router_ = 0;  // generation that the check began with
  std::unique_ptr<World> world_;
  std::unique_ptr<ReplicaCheck> check_;
  uint64_t checks_ = 0;
  uint64_t looks_ = 0;
  v1::CheckReplicasEvent last_;
};

}  // namespace ringkv
