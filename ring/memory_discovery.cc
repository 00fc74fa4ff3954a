#include "ring/memory_discovery.h"

#include <utility>

namespace ringkv {

class MemoryDiscovery::MemoryWatch final : public Watch {
 public:
  MemoryWatch(MemoryDiscovery& discovery, OnUpdate on_update)
      : discovery_(discovery), on_update_(std::move(on_update)) {}
  ~MemoryWatch() override {
    std::lock_guard lock(discovery_.mutex_);
    discovery_.watches_.erase(this);
  }
  void Tell(const DiscoveryUpdate& update) { on_update_(update); }

 private:
  MemoryDiscovery& discovery_;
  const OnUpdate on_update_;
};

std::unique_ptr<ServiceDiscovery::Watch> MemoryDiscovery::StartWatch(OnUpdate on_update) {
  auto watch = std::make_unique<MemoryWatch>(*this, std::move(on_update));
  std::lock_guard lock(mutex_);
  watches_.insert(watch.get());
  watch->Tell(Everything());
  return watch;
}

void MemoryDiscovery::Put(DiscoveredServer server) {
  std::lock_guard lock(mutex_);
  servers_[server.id] = server;
  DiscoveryUpdate update;
  update.present.push_back(std::move(server));
  Tell(update);
}

void MemoryDiscovery::Remove(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (servers_.erase(id) == 0) return;
  DiscoveryUpdate update;
  update.gone.push_back(id);
  Tell(update);
}

void MemoryDiscovery::Replace(std::vector<DiscoveredServer> servers) {
  std::lock_guard lock(mutex_);
  servers_.clear();
  for (DiscoveredServer& server : servers) {
    std::string id = server.id;
    servers_[std::move(id)] = std::move(server);
  }
  Tell(Everything());
}

DiscoveryUpdate MemoryDiscovery::Everything() const {
  DiscoveryUpdate update;
  update.complete = true;
  for (const auto& [id, server] : servers_) update.present.push_back(server);
  return update;
}

void MemoryDiscovery::Tell(const DiscoveryUpdate& update) {
  for (MemoryWatch* watch : watches_) watch->Tell(update);
}

}  // namespace ringkv
