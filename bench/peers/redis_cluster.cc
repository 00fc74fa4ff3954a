#include "bench/peers/redis_cluster.h"

#include <filesystem>
#include <utility>

#include "bench/peers/redis_admin.h"
#include "bench/peers/redis_load.h"
#include "bench/peers/redis_slots.h"
#include "bench/peers/waiting.h"
#include "tests/processes/free_ports.h"

namespace ringkv::bench {
namespace {

constexpr size_t kMasters = 3;
constexpr size_t kServers = 2 * kMasters;
constexpr Duration kPatience = std::chrono::seconds(60);

}  // namespace

RedisCluster::RedisCluster(PeerSurroundings surroundings, int wait_for_replicas)
    : surroundings_(std::move(surroundings)), wait_for_replicas_(wait_for_replicas) {}

Status RedisCluster::Start() {
  for (size_t i = 0; i < kServers; ++i) RINGKV_RETURN_IF_ERROR(AddServer());
  for (const Server& server : servers_) {
    RINGKV_RETURN_IF_ERROR(WaitUntil(
        "the start of redis-server", kPatience, [&] { return Call(server, {"PING"}).status(); },
        surroundings_.interrupted));
  }
  return Form();
}

Status RedisCluster::AddServer() {
  const int port = FreePortPair();
  const std::string name = "redis" + std::to_string(servers_.size() + 1);
  const std::string data = surroundings_.data + "/" + name;
  std::error_code failed;
  std::filesystem::create_directories(data, failed);
  if (failed) return Status::IoError("cannot make " + data + ": " + failed.message());
  Server server;
  server.port = std::to_string(port);
  server.bus_port = std::to_string(port + 1);
  server.address = "127.0.0.1:" + server.port;
  const std::vector<std::string> arguments{"--port", server.port, "--cluster-port", server.bus_port,
                                           "--bind", "127.0.0.1", "--dir", data,
                                           "--cluster-enabled", "yes", "--appendonly", "yes",
                                           "--appendfsync", "everysec", "--save", "",
                                           // Replicas are there sooner; nothing else changes.
                                           "--repl-diskless-sync-delay", "0"};
  server.process =
      std::make_unique<ServerProcess>(surroundings_.programs + "/redis-server", arguments,
                                      surroundings_.logs + "/" + name + ".log", ProcessGroup::kOwn);
  server.process->Start();
  servers_.push_back(std::move(server));
  return Status::Ok();
}

// As redis-cli --cluster create does.
Status RedisCluster::Form() {
  for (size_t i = 0; i < kServers; ++i) {
    RINGKV_RETURN_IF_ERROR(
        Call(servers_[i], {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}).status());
  }
  for (size_t i = 0; i < kMasters; ++i) {
    const std::string first = std::to_string(FirstRedisSlotOf(i, kMasters));
    const std::string last = std::to_string(FirstRedisSlotOf(i + 1, kMasters) - 1);
    RINGKV_RETURN_IF_ERROR(Call(servers_[i], {"CLUSTER", "ADDSLOTSRANGE", first, last}).status());
  }
  for (size_t i = 1; i < kServers; ++i) {
    const Server& other = servers_[i];
    RINGKV_RETURN_IF_ERROR(
        Call(servers_[0], {"CLUSTER", "MEET", "127.0.0.1", other.port, other.bus_port}).status());
  }
  for (const Server& server : servers_) {
    RINGKV_RETURN_IF_ERROR(
        WaitField(server, {"CLUSTER", "INFO"}, "cluster_known_nodes", std::to_string(kServers)));
  }
  for (size_t i = 0; i < kMasters; ++i) {
    const auto master = Call(servers_[i], {"CLUSTER", "MYID"});
    if (!master.ok()) return master.status();
    RINGKV_RETURN_IF_ERROR(
        Call(servers_[kMasters + i], {"CLUSTER", "REPLICATE", *master}).status());
  }
  for (size_t i = 0; i < kServers; ++i) {
    const Server& server = servers_[i];
    RINGKV_RETURN_IF_ERROR(WaitField(server, {"CLUSTER", "INFO"}, "cluster_state", "ok"));
    const bool master = i < kMasters;
    RINGKV_RETURN_IF_ERROR(WaitField(server, {"INFO", "replication"},
                                     master ? "connected_slaves" : "master_link_status",
                                     master ? "1" : "up"));
  }
  return Status::Ok();
}

Result<std::string> RedisCluster::Call(const Server& server,
                                       std::initializer_list<std::string_view> words) {
  if (server.process->pid() == 0) {
    return Status::IoError("redis-server on " + server.address + " has ended");
  }
  auto admin = RedisAdmin::Connect(server.address);
  if (!admin.ok()) return admin.status();
  auto reply = admin->Call(words);
  if (!reply.ok()) return reply.status().Annotate(server.address);
  return reply;
}

Status RedisCluster::ExpectField(const Server& server,
                                 std::initializer_list<std::string_view> command,
                                 const std::string& field, const std::string& value) {
  const auto info = Call(server, command);
  if (!info.ok()) return info.status();
  const std::string is = RedisInfoField(*info, field);
  if (is == value) return Status::Ok();
  return Status::Unavailable(server.address + " has " + field + ":" + is);
}

Status RedisCluster::WaitField(const Server& server,
                               std::initializer_list<std::string_view> command,
                               const std::string& field, const std::string& value) {
  return WaitUntil(
      field + ":" + value, kPatience, [&] { return ExpectField(server, command, field, value); },
      surroundings_.interrupted);
}

std::unique_ptr<Load> RedisCluster::NewLoad(LoadShape shape, OpMix mix, KeySpace space) {
  RedisTarget target;
  for (size_t i = 0; i < kMasters; ++i) target.masters.push_back(servers_[i].address);
  target.wait_for_replicas = wait_for_replicas_;
  return std::make_unique<RedisLoad>(std::move(target), shape, std::move(mix), space,
                                     surroundings_.interrupted);
}

ProcessGroups RedisCluster::Processes() {
  ProcessGroups groups;
  for (size_t i = 0; i < kServers; ++i) {
    groups[i < kMasters ? "masters" : "replicas"].push_back(servers_[i].process->pid());
  }
  return groups;
}

}  // namespace ringkv::bench
