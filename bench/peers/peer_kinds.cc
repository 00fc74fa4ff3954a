#include "bench/peers/etcd_cluster.h"
#include "bench/peers/peer_system.h"
#include "bench/peers/redis_cluster.h"
#include "bench/peers/ringkv_cluster.h"

namespace ringkv::bench {
namespace {

std::unique_ptr<PeerSystem> Ringkv(const PeerSurroundings& surroundings, const char* durability) {
  return std::make_unique<RingkvCluster>(surroundings, durability);
}

std::unique_ptr<PeerSystem> Redis(const PeerSurroundings& surroundings, int wait_for_replicas) {
  return std::make_unique<RedisCluster>(surroundings, wait_for_replicas);
}

}  // namespace

const std::vector<PeerKind>& PeerKinds() {
  static const std::vector<PeerKind> kinds{
      {"ringkv-os", "in the page cache of 2 of 3 replicas; linearizable", nullptr,
       [](const PeerSurroundings& in) { return Ringkv(in, "os"); }},
      {"ringkv-periodic",
       "in the page cache of 2 of 3 replicas, on their disks within 100 ms; linearizable (the "
       "default)",
       nullptr, [](const PeerSurroundings& in) { return Ringkv(in, "periodic"); }},
      {"redis",
       "in the memory of one master, on its disk within about a second; lost where it fails over "
       "before its replica has it; reads are of the master",
       "redis-server", [](const PeerSurroundings& in) { return Redis(in, 0); }},
      {"redis-wait",
       "WAIT 1: in the memory of the master and of its replica, on disk within about a second; no "
       "promise for a failover",
       "redis-server", [](const PeerSurroundings& in) { return Redis(in, 1); }},
      {"ringkv-sync", "on the disks of 2 of 3 replicas; linearizable", nullptr,
       [](const PeerSurroundings& in) { return Ringkv(in, "sync"); }},
      {"etcd", "on the disks of 2 of 3 members; linearizable", "etcd",
       [](const PeerSurroundings& in) -> std::unique_ptr<PeerSystem> {
         return std::make_unique<EtcdCluster>(in);
       }},
  };
  return kinds;
}

const PeerKind* FindPeerKind(const std::string& name) {
  for (const PeerKind& kind : PeerKinds()) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

}  // namespace ringkv::bench
