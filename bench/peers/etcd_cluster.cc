#include "bench/peers/etcd_cluster.h"

#include <utility>

#include "bench/peers/etcd_load_grpc.h"
#include "bench/peers/waiting.h"
#include "tests/processes/free_ports.h"

namespace ringkv::bench {
namespace {

constexpr size_t kMembers = 3;

}  // namespace

EtcdCluster::EtcdCluster(PeerSurroundings surroundings) : surroundings_(std::move(surroundings)) {}

Status EtcdCluster::Start() {
  std::vector<int> ports;
  std::string cluster;
  for (size_t i = 0; i < kMembers; ++i) {
    ports.push_back(FreePortPair());
    cluster += (i > 0 ? ",etcd" : "etcd") + std::to_string(i + 1) +
               "=http://127.0.0.1:" + std::to_string(ports[i] + 1);
  }
  for (size_t i = 0; i < kMembers; ++i) {
    const std::string name = "etcd" + std::to_string(i + 1);
    const std::string clients = "127.0.0.1:" + std::to_string(ports[i]);
    const std::string members = "http://127.0.0.1:" + std::to_string(ports[i] + 1);
    const std::vector<std::string> arguments{"--name",
                                             name,
                                             "--data-dir",
                                             surroundings_.data + "/" + name,
                                             "--listen-client-urls",
                                             "http://" + clients,
                                             "--advertise-client-urls",
                                             "http://" + clients,
                                             "--listen-peer-urls",
                                             members,
                                             "--initial-advertise-peer-urls",
                                             members,
                                             "--initial-cluster",
                                             cluster,
                                             "--initial-cluster-state",
                                             "new"};
    members_.push_back(
        {clients, std::make_unique<ServerProcess>(surroundings_.programs + "/etcd", arguments,
                                                  surroundings_.logs + "/" + name + ".log",
                                                  ProcessGroup::kOwn)});
    members_.back().process->Start();
  }
  for (const Member& member : members_) {
    RINGKV_RETURN_IF_ERROR(WaitUntil(
        "an answer of etcd", std::chrono::seconds(60), [&] { return Ask(member); },
        surroundings_.interrupted));
  }
  return Status::Ok();
}

Status EtcdCluster::Ask(const Member& member) {
  if (member.process->pid() == 0) {
    return Status::IoError("etcd on " + member.address + " has ended");
  }
  return AskEtcd(member.address);
}

std::unique_ptr<Load> EtcdCluster::NewLoad(LoadShape shape, OpMix mix, KeySpace space) {
  std::vector<std::string> addresses;
  for (const Member& member : members_) addresses.push_back(member.address);
  return std::make_unique<EtcdLoad>(std::move(addresses), shape, std::move(mix), space,
                                    surroundings_.interrupted);
}

ProcessGroups EtcdCluster::Processes() {
  ProcessGroups groups;
  for (const Member& member : members_) groups["members"].push_back(member.process->pid());
  return groups;
}

}  // namespace ringkv::bench
