// The router process: metadata, control loop, shards, links, services and HTTP, wired together,
// started and stopped in order.
//
// Start: metadata → loops → cluster loaded or formed and taken over → doors. A cluster that cannot
// be formed of the configuration, or metadata that cannot be read, fails the start. Stop: calls are
// refused, those in flight get `stop-timeout`, streams end, then everything from the doors inwards.
//
// Start and Stop on one thread (net/daemon.h).
#pragma once

#include <future>
#include <memory>
#include <mutex>

#include "base/prometheus_metrics.h"
#include "net/daemon.h"
#include "net/grpc_door.h"
#include "net/http_server.h"
#include "router/admin_service_grpc.h"
#include "router/disk_replacement.h"
#include "router/disk_replacement_service_grpc.h"
#include "router/embedded_metadata.h"
#include "router/kv_service_grpc.h"
#include "router/membership.h"
#include "router/membership_service_grpc.h"
#include "router/node_inspection_grpc.h"
#include "router/router_metrics.h"
#include "router/router_options.h"

namespace ringkv {

class RouterServer final : public Daemon {
 public:
  explicit RouterServer(const RouterOptions& options) : options_(options) {}
  ~RouterServer() override;

  Status Start(DaemonControl& control) override;
  void Stop() override;

  // With the real ports. After Start.
  const std::string& grpc_address() const { return grpc_.address(); }
  const std::string& http_address() const { return http_->address(); }

 private:
  void BuildDataPath();
  Status StartMembership();
  Status OpenDoors();
  MonoTime EndControlTurn();
  void Sample();
  void OnFatal(Status why);

  const RouterOptions& options_;  // filled after construction, by the configuration
  const RealClock clock_;
  PrometheusMetrics metrics_;
  ServingGate gate_;
  std::unique_ptr<EmbeddedMetadata> metadata_;
  std::unique_ptr<ShardLoops> loops_;
  std::unique_ptr<ClusterStatus> status_;
  std::unique_ptr<Membership> membership_;
  std::unique_ptr<EventLoop> control_;
  GrpcNodeInspection inspection_;
  std::unique_ptr<ChangePlanner> planner_;
  std::unique_ptr<ChangeOrders> orders_;
  std::unique_ptr<LossAcceptance> losses_;
  std::unique_ptr<ReplicaChecker> checker_;
  std::unique_ptr<RequestMetrics> request_metrics_;
  std::unique_ptr<KvService> kv_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<MembershipService> membership_service_;
  std::unique_ptr<DiskReplacement> replacement_;
  std::unique_ptr<DiskReplacementService> replacement_service_;
  Metrics::Registration collector_;
  std::unique_ptr<HttpServer> http_;
  GrpcServer grpc_;
  bool stopped_ = false;

  // On the control loop.
  MonoTime next_sample_;
  bool sampling_ = false;
  bool doors_open_ = false;

  std::mutex fatal_mutex_;
  DaemonControl* daemon_ = nullptr;  // guarded by fatal_mutex_; null while starting
  Status fatal_;                     // guarded by fatal_mutex_
};

}  // namespace ringkv
