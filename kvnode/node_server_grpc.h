// A whole node process but for its main: data directory, core, gRPC and HTTP servers, registration.
//
// Life: Start opens the disk and both servers and returns; the node registers in the background and
// serves from then on, and /readyz says why it does not yet. A disk that fails later stops the
// serving, not the process, so that somebody can look. Stop takes no more requests, answers those
// it has, syncs, and notes on the disk that nothing was lost. Thread-safety: Start and Stop from
// one thread, the rest from any between them.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/prometheus_metrics.h"
#include "kvnode/disk_directory.h"
#include "kvnode/disk_replacement_grpc.h"
#include "kvnode/node_core.h"
#include "kvnode/node_options.h"
#include "kvnode/node_start.h"
#include "kvnode/registration_grpc.h"
#include "kvnode/scrub.h"
#include "net/daemon.h"
#include "net/grpc_door.h"
#include "net/http_server.h"

namespace ringkv {

class InspectServiceGrpc;
class ReplicaServiceGrpc;
class SyncClientGrpc;

class NodeServer final : public Daemon {
 public:
  // `options` is read by Start, when the configuration has been loaded; borrowed until then.
  explicit NodeServer(const NodeOptions& options);
  ~NodeServer() override;  // stops

  Status Start(DaemonControl& control) override;
  void Stop() override;

  const std::string& address() const { return grpc_.address(); }
  const std::string& http_address() const { return http_.address(); }

  // Why the node does not serve; empty: it does.
  std::vector<std::string> WhyNotReady() const;

 private:
  Status StartAll();
  Status OpenServers();
  BootOptions MakeBootOptions() const;
  void Serve(const Registered& registered);
  void OnDiskFailure();
  void Upkeep();
  void ConsiderReplacement(const Status& damage);
  void StartScrub();
  MonoTime ScrubOn();
  void CloseDisk();
  void ReplaceDisk();
  void ExportUpkeep(MetricSink& sink) const;

  const NodeOptions& options_;
  DaemonControl* daemon_ = nullptr;
  RealClock clock_;
  PrometheusMetrics metrics_;
  NodeId id_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> prepared_{false};  // the disk was judged: a clean stop may be noted on it

  std::unique_ptr<DiskDirectory> disk_;
  std::unique_ptr<NodeCore> core_;
  std::unique_ptr<SyncClientGrpc> sync_;  // calls into the core until it is stopped
  std::unique_ptr<ReplicaServiceGrpc> service_;
  std::unique_ptr<InspectServiceGrpc> inspect_;
  std::unique_ptr<RegistrationGrpc> registration_;
  std::unique_ptr<DiskReplacementGrpc> replacement_;
  std::unique_ptr<NodeStart> start_;
  GrpcServer grpc_;
  HttpServer http_;

  mutable std::mutex upkeep_mutex_;
  std::map<std::string, double> tickers_;  // guarded by upkeep_mutex_
  ScrubStats scrub_stats_;                 // guarded by upkeep_mutex_
  std::atomic<bool> damaged_{false};
  std::atomic<bool> replacing_{false};  // the disk is moved aside when it is closed, until:
  MonoTime replace_until_;              // set before `replacing_`
  MonoTime next_ask_;                   // the upkeep loop's: whether the disk may be replaced
  std::unique_ptr<EventLoop> upkeep_;
  std::unique_ptr<Scrub> scrub_;  // the scrub loop's
  std::unique_ptr<EventLoop> scrub_loop_;
  Metrics::Registration exported_;
};

}  // namespace ringkv
