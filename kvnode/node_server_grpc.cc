#include "kvnode/node_server_grpc.h"

#include <fstream>

#include "base/address.h"
#include "base/config.h"
#include "base/logging.h"
#include "kvnode/inspect_service_grpc.h"
#include "kvnode/replica_service_grpc.h"
#include "kvnode/sync_client_grpc.h"
#include "net/bind_failure.h"

namespace ringkv {
namespace {

constexpr Duration kAskDeadline = std::chrono::seconds(2);
constexpr Duration kUpkeepInterval = std::chrono::seconds(1);
constexpr Duration kReplaceInterval = std::chrono::seconds(5);
// How long leave to replace the disk holds, from the asking: half of the time for which the router
// lets no other node do so. A process that was paused meanwhile asks again.
constexpr Duration kLeaveHolds = std::chrono::seconds(30);
// For peers to take the last answers; everything is answered when it begins.
constexpr Duration kStopGrace = std::chrono::seconds(2);

// Empty where the kernel does not say.
std::string ReadKernelBootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

// Where others reach the HTTP server; empty if that cannot be known.
std::string HttpAddress(const std::string& http_listen, const std::string& grpc_address) {
  Result<HostPort> http = ParseAddress(http_listen, PortZero::kRefused);
  Result<HostPort> grpc = ParseAddress(grpc_address, PortZero::kRefused);
  if (!http.ok() || !grpc.ok()) return {};
  bool anywhere = http->host == "0.0.0.0" || http->host == "::";
  return FormatAddress(anywhere ? grpc->host : http->host, http->port);
}

}  // namespace

NodeServer::NodeServer(const NodeOptions& options) : options_(options) {}

NodeServer::~NodeServer() { Stop(); }

Status NodeServer::Start(DaemonControl& control) {
  daemon_ = &control;
  Status started = StartAll();
  if (!started.ok()) Stop();
  return started;
}

Status NodeServer::StartAll() {
  const ConfigConflict conflict = CheckNodeOptions(options_);
  RINGKV_RETURN_IF_ERROR(conflict.status.Annotate(conflict.key));
  // Before anything is made or opened: the usual mistake leaves nothing behind.
  RINGKV_RETURN_IF_ERROR(CheckCanListen(options_.listen));
  RINGKV_RETURN_IF_ERROR(CheckCanListen(options_.http_listen));
  Result<NodeId> id = NodeId::Parse(options_.id);
  if (!id.ok()) return id.status();
  id_ = *id;
  auto disk = DiskDirectory::Open(options_.data_dir, RocksOptionsOf(options_), clock_);
  if (!disk.ok()) return disk.status();
  disk_ = std::move(disk).value();

  NodeCoreOptions core;
  core.node = id_;
  core.workers = WorkersOf(options_);
  core.disk_reserve_bytes = options_.disk_reserve_bytes;
  core.sync_writes = RocksOptionsOf(options_).durability == Durability::kSync;
  sync_ = std::make_unique<SyncClientGrpc>(clock_, id_);
  core.sync = sync_.get();
  core_ = std::make_unique<NodeCore>(clock_, metrics_, core,
                                     [this](const Status&) { OnDiskFailure(); });
  RINGKV_RETURN_IF_ERROR(OpenServers());

  registration_ = std::make_unique<RegistrationGrpc>(options_.routers, kAskDeadline);
  replacement_ = std::make_unique<DiskReplacementGrpc>(options_.routers, kAskDeadline);
  NodeStart::Actions actions;
  actions.ask = [this](const v1::RegisterRequest& request) { return registration_->Ask(request); };
  actions.cancel_ask = [this] { registration_->Cancel(); };
  actions.serve = [this](const Registered& registered) { Serve(registered); };
  actions.fail = [this](const Status& why) { core_->Fail(why); };
  start_ = std::make_unique<NodeStart>(*disk_, clock_, RandomSeed(), MakeBootOptions(),
                                       std::move(actions), NodeStart::Pauses{});
  RINGKV_RETURN_IF_ERROR(start_->Prepare());
  prepared_ = true;

  exported_ = metrics_.AddCollector([this](MetricSink& sink) { ExportUpkeep(sink); });
  http_.HandleHealth([this] { return WhyNotReady(); });
  http_.HandleMetrics(metrics_);
  RINGKV_RETURN_IF_ERROR(http_.Start(options_.http_listen));
  upkeep_ = std::make_unique<EventLoop>("upkeep", clock_, [this] {
    Upkeep();
    return clock_.Now() + kUpkeepInterval;
  });
  upkeep_->Start();
  (void)upkeep_->Post([] {});
  start_->Start();
  RINGKV_LOG(kInfo, "node", "{} listens on {}, HTTP on {}, data in {}", id_.value(), address(),
             http_address(), options_.data_dir);
  return Status::Ok();
}

Status NodeServer::OpenServers() {
  service_ = std::make_unique<ReplicaServiceGrpc>(*core_);
  inspect_ = std::make_unique<InspectServiceGrpc>(clock_, id_);
  return grpc_.Start(options_.listen, {service_.get(), inspect_.get()});
}

BootOptions NodeServer::MakeBootOptions() const {
  BootOptions boot;
  boot.node = id_;
  boot.address = options_.advertise.empty() ? grpc_.address() : options_.advertise;
  boot.http_address = HttpAddress(options_.http_listen, boot.address);
  boot.zone = options_.zone;
  boot.vnodes = options_.vnodes;
  boot.version = std::string(VersionText());
  boot.kernel_boot_id = ReadKernelBootId();
  const Durability durability = RocksOptionsOf(options_).durability;
  boot.synced_writes = durability == Durability::kSync;
  if (durability == Durability::kPeriodic) boot.sync_window = options_.sync_interval;
  return boot;
}

// On the start's thread.
void NodeServer::Serve(const Registered& registered) {
  if (registered.lost_writes) {
    RINGKV_LOG(kWarning, "node",
               "{} of {} instances do not vote: the operating system died, or the log was damaged, "
               "with writes that were not synced; the routers make them whole again",
               registered.non_voting, registered.instances);
  }
  sync_->SetCluster(registered.cluster_uuid);
  Status serving = core_->Serve(disk_->store(), registered);
  if (!serving.ok()) return core_->Fail(serving);
  inspect_->Serve(disk_->store(), registered.cluster_uuid);
  StartScrub();
  (void)upkeep_->Post([] {});  // statistics are asked for as soon as it serves
  grpc_.SetServing(true);
  // A failure in between has said NOT_SERVING too early.
  if (!core_->failure().ok()) OnDiskFailure();
  RINGKV_LOG(kInfo, "node", "registered: boot {}, {} instances of {} slots, {} of them do not vote",
             registered.boot.value(), registered.instances, registered.slots,
             registered.non_voting);
}

void NodeServer::OnDiskFailure() { grpc_.SetServing(false); }

void NodeServer::Upkeep() {
  DiskDirectory::Report report = disk_->MakeReport();
  core_->SetStoreStats(report.stats);
  // What fails in the background shows in no operation.
  if (!report.health.ok()) core_->Fail(report.health);
  {
    std::lock_guard lock(upkeep_mutex_);
    tickers_ = std::move(report.tickers);
  }
  if (!report.damage.ok()) ConsiderReplacement(report.damage);
}

// A damaged file cannot be mended where it lies: what it hides would read as absent, or as an older
// version, without it. So the whole disk goes, if the others can do without (docs/protocol.md,
// "Damaged disks").
void NodeServer::ConsiderReplacement(const Status& damage) {
  damaged_ = true;
  const MonoTime now = clock_.Now();
  if (stopping_ || replacing_ || now < next_ask_) return;
  next_ask_ = now + kReplaceInterval;
  if (options_.damaged_disk != "replace") {
    RINGKV_LOG_EVERY(std::chrono::minutes(1), kError, "node",
                     "the disk is damaged, and kept as `damaged-disk` says: {}", damage.message());
    return;
  }
  v1::MayReplaceDiskRequest request;
  request.set_node(id_.value());
  request.set_store_uuid(start_->disk().store_uuid);
  request.set_damage(damage.message());
  const Status may = replacement_->Ask(request);
  if (!may.ok()) {
    RINGKV_LOG_EVERY(std::chrono::minutes(1), kError, "node",
                     "the disk is damaged ({}) and is replaced by an empty one later: {}",
                     damage.message(), may.message());
    return;
  }
  RINGKV_LOG(kError, "node",
             "the disk is damaged ({}): this node starts over with an empty one, and is filled "
             "again by the other replicas",
             damage.message());
  replace_until_ = now + kLeaveHolds;
  replacing_ = true;
  daemon_->RequestRestart();
}

// On the start's thread, once.
void NodeServer::StartScrub() {
  if (options_.scrub == Duration::zero()) return;
  Scrub::Options scrub;
  scrub.period = options_.scrub;
  scrub_ = std::make_unique<Scrub>(disk_->store(), clock_, Random(RandomSeed()), scrub);
  scrub_loop_ = std::make_unique<EventLoop>("scrub", clock_, [this] { return ScrubOn(); });
  scrub_loop_->Start();
  (void)scrub_loop_->Post([] {});
}

MonoTime NodeServer::ScrubOn() {
  if (stopping_ || !core_->failure().ok()) return kNever;
  const Result<MonoTime> next = scrub_->Step();
  if (!next.ok()) {
    core_->Fail(next.status());
    return kNever;
  }
  core_->SetDamaged(scrub_->damaged());
  std::lock_guard lock(upkeep_mutex_);
  scrub_stats_ = scrub_->stats();
  return *next;
}

std::vector<std::string> NodeServer::WhyNotReady() const {
  if (stopping_) return {"the node is stopping"};
  if (Status failure = core_->failure(); !failure.ok()) {
    return {"disk failed: " + failure.message()};
  }
  std::string reason = start_->reason();
  if (reason.empty()) return {};
  return {std::move(reason)};
}

void NodeServer::ExportUpkeep(MetricSink& sink) const {
  sink.Gauge("build_info", "Always 1; the labels say what runs.", 1,
             {{"version", std::string(VersionText())}, {"program", "kvnode"}});
  sink.Counter("node_sync_sent_bytes_total", "Questions to nodes that this one copies from.",
               static_cast<double>(sync_->bytes_sent()));
  sink.Counter("node_sync_received_bytes_total", "Answers of nodes that this one copies from.",
               static_cast<double>(sync_->bytes_received()));
  sink.Gauge("node_ready", "1 while the node serves.", WhyNotReady().empty() ? 1 : 0);
  std::lock_guard lock(upkeep_mutex_);
  const auto number = [](uint64_t value) { return static_cast<double>(value); };
  sink.Counter("scrub_cycles_total", "Times that everything was read in search of damage.",
               number(scrub_stats_.cycles));
  sink.Counter("scrub_records_total", "Records read in search of damage.",
               number(scrub_stats_.records));
  sink.Counter("scrub_bytes_total", "Keys and values read in search of damage.",
               number(scrub_stats_.bytes));
  sink.Counter("scrub_unreadable_found_total", "Records found to be unreadable.",
               number(scrub_stats_.unreadable_found));
  sink.Counter("scrub_mended_total", "Of them, those that can be read again.",
               number(scrub_stats_.mended));
  sink.Gauge("scrub_unreadable_records", "Records known to be unreadable now.",
             number(scrub_stats_.unreadable));
  sink.Gauge("scrub_unreadable_stretches", "Damaged blocks met in this cycle and the last.",
             number(scrub_stats_.stretches));
  sink.Gauge("disk_damaged", "1 once a damaged file was met.", damaged_ ? 1 : 0);
  for (const auto& [name, value] : tickers_) {
    if (name.ends_with("_total")) {
      sink.Counter("rocksdb_" + name, "RocksDB, since it was opened.", value);
    } else {
      sink.Gauge("rocksdb_" + name, "RocksDB, now.", value);
    }
  }
}

void NodeServer::Stop() {
  if (stopping_.exchange(true)) return;
  if (start_ != nullptr) start_->Stop();
  if (replacement_ != nullptr) replacement_->Cancel();
  if (core_ != nullptr) core_->Drain();
  if (sync_ != nullptr) sync_->Stop();
  if (service_ != nullptr) service_->CloseStreams();
  if (inspect_ != nullptr) inspect_->Stop();
  if (scrub_loop_ != nullptr) scrub_loop_->Stop();
  if (upkeep_ != nullptr) upkeep_->Stop();
  grpc_.Stop(kStopGrace);
  http_.Stop();
  exported_.Reset();
  CloseDisk();
}

// Leaves an empty disk behind, for the process that begins now.
void NodeServer::ReplaceDisk() {
  std::string where;
  Status moved = disk_->MoveAside(start_->disk().boot, &where);
  if (moved.ok()) {
    RINGKV_LOG(kError, "node", "the damaged disk was moved to {} and nothing in it was deleted",
               where);
    moved = disk_->Close();
  }
  if (!moved.ok()) {
    RINGKV_LOG(kError, "node", "the damaged disk could not be moved aside: {}", moved.message());
  }
}

void NodeServer::CloseDisk() {
  if (disk_ == nullptr) return;
  if (replacing_ && clock_.Now() < replace_until_) return ReplaceDisk();
  // Without a failure the store is there; after one, nobody vouches for what it holds.
  if (prepared_ && core_->failure().ok()) {
    Status marked = disk_->store().Sync();
    if (marked.ok()) marked = MarkStoppedClean(disk_->store());
    if (!marked.ok()) RINGKV_LOG(kError, "node", "could not stop clean: {}", marked.message());
  }
  Status closed = disk_->Close();
  if (!closed.ok()) RINGKV_LOG(kError, "node", "closing the store: {}", closed.message());
}

}  // namespace ringkv
