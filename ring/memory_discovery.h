// Service discovery by hand: the program says who serves. The twin without a network.
//
// Thread-safe. Updates run on the thread that makes the change, under the discovery's mutex: a
// watcher must not call the discovery.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "ring/service_discovery.h"

namespace ringkv {

class MemoryDiscovery final : public ServiceDiscovery {
 public:
  std::unique_ptr<Watch> StartWatch(OnUpdate on_update) override;

  void Put(DiscoveredServer server);  // comes, or changes
  void Remove(const std::string& id);
  // All of them anew, as after a gap.
  void Replace(std::vector<DiscoveredServer> servers);

 private:
  class MemoryWatch;

  DiscoveryUpdate Everything() const;  // mutex_ held
  void Tell(const DiscoveryUpdate& update);

  std::mutex mutex_;
  std::map<std::string, DiscoveredServer> servers_;  // guarded by mutex_; by id
  std::set<MemoryWatch*> watches_;                   // guarded by mutex_
};

}  // namespace ringkv
