// Answers for operators: asks the loops, joins what they say with the metadata, and remembers a
// sample from time to time, from which rates, readiness and metrics are made without asking again.
//
// Thread-safe. `done` runs on a loop's thread, and not at all once a loop has stopped.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "router/cluster_report.h"

namespace ringkv {

class ClusterStatus {
 public:
  struct Sample {
    MonoTime at;
    std::shared_ptr<const ClusterView> view;
    std::vector<LoopReport> loops;
    std::vector<NodeReport> nodes;                 // by Peer
    std::map<std::string, double> ops_per_second;  // by node id
    std::optional<MonoTime> blocked_since;         // in every sample since, some slot was blocked
  };

  // Borrows all but the membership until it is set; `Watch` before anything else.
  ClusterStatus(DataPlane& data, const ServingGate& gate, const Clock& clock)
      : data_(data), gate_(gate), clock_(clock) {}
  void Watch(const Membership* membership) { membership_ = membership; }

  void GetCluster(std::function<void(v1::GetClusterResponse)> done);
  v1::GetRingResponse GetRing(bool table) const;
  // `id` 0: all of them.
  void ListMigrations(uint64_t id, std::function<void(v1::ListMigrationsResponse)> done);
  void Locate(const std::string& key, std::function<void(v1::LocateResponse)> done);

  void TakeSample(std::function<void()> done);
  std::shared_ptr<const Sample> last() const;  // null before the first

  // By the last sample and the gate; empty: ready.
  std::vector<std::string> WhyNotReady() const;

 private:
  void ShowWaiting(const ClusterView& view, v1::GetClusterResponse* cluster) const;
  void Alarm(Sample* sample, const Sample* before) const;
  std::string WhyClosed() const { return gate_.open() ? "" : gate_.why_closed(); }

  DataPlane& data_;
  const ServingGate& gate_;
  const Clock& clock_;
  const Membership* membership_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<const Sample> last_;  // guarded by mutex_
};

}  // namespace ringkv
