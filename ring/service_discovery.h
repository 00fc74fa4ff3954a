// Who serves, as somebody else knows it: a watch of servers that come, change and go. A load
// balancer follows one (LoadBalancer::Follow). Twins: MemoryDiscovery (memory_discovery.h), for
// tests and for programs that know their servers themselves.
//
// Guarantees of every twin, towards each watch
//  1. The first update is complete. Later ones come in the order of the changes, each once; after
//     a gap (a lost connection) there is a complete one again.
//  2. Updates come one at a time, on any thread. None comes after the watch has ended, and none is
//     running then.
// What comes is outside input: ids, addresses and weights are for the watcher to judge.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ring/balanced_server.h"

namespace ringkv {

struct DiscoveredServer {
  std::string id;
  std::string address;  // host:port
  uint32_t weight = 128;
  ServerState state = ServerState::kOnline;
};

struct DiscoveryUpdate {
  bool complete = false;                  // who is not in `present` has gone
  std::vector<DiscoveredServer> present;  // came, or changed
  std::vector<std::string> gone;          // ids
};

class ServiceDiscovery {
 public:
  using OnUpdate = std::function<void(const DiscoveryUpdate&)>;

  // Ends when it is destroyed: waits for an update that is running. Not to be ended by its own
  // update; outlived by its discovery.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  virtual ~ServiceDiscovery() = default;
  [[nodiscard]] virtual std::unique_ptr<Watch> StartWatch(OnUpdate on_update) = 0;
};

}  // namespace ringkv
