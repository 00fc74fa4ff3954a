#include "router/router_server_grpc.h"

#include <thread>
#include <utility>

#include "base/logging.h"
#include "net/bind_failure.h"
#include "router/http_api.h"
#include "router/node_link_grpc.h"

namespace ringkv {
namespace {

constexpr Duration kSampleInterval = std::chrono::milliseconds(500);
constexpr Duration kSampleIntervalUnready = std::chrono::milliseconds(100);
constexpr Duration kStreamGrace = std::chrono::seconds(1);
// What a client sends while its stream ends is lost, and it cannot know whether it was applied. So
// clients with a stream are told to go elsewhere for this long before it ends.
constexpr Duration kFarewell = std::chrono::milliseconds(200);

}  // namespace

RouterServer::~RouterServer() { Stop(); }

Status RouterServer::Start(DaemonControl& control) {
  const ConfigConflict conflict = CheckRouterOptions(options_);
  RINGKV_RETURN_IF_ERROR(conflict.status.Annotate(conflict.key));
  // Before anything is made or opened: the usual mistake leaves nothing behind.
  RINGKV_RETURN_IF_ERROR(CheckCanListen(options_.listen));
  RINGKV_RETURN_IF_ERROR(CheckCanListen(options_.http_listen));
  Result<std::unique_ptr<EmbeddedMetadata>> metadata = EmbeddedMetadata::Open(options_.data_dir);
  if (!metadata.ok()) return metadata.status();
  metadata_ = std::move(*metadata);
  BuildDataPath();
  Status started = StartMembership();
  if (started.ok()) started = OpenDoors();
  if (!started.ok()) {
    Stop();
    return started;
  }
  std::lock_guard lock(fatal_mutex_);
  daemon_ = &control;
  if (!fatal_.ok()) control.RequestStop(fatal_);
  RINGKV_LOG(kInfo, "router", "{} serves gRPC at {} and HTTP at {}", options_.id, grpc_.address(),
             http_->address());
  return Status::Ok();
}

void RouterServer::BuildDataPath() {
  ShardOptions shard;
  shard.suspect = options_.suspect_after;
  shard.ping = std::min(shard.ping, options_.suspect_after / 3);
  shard.max_bytes = options_.max_in_flight_bytes;
  auto make_links = [this](size_t index, EventLoop& loop, LinkEvents& events) {
    NodeLinkOptions links;
    links.router = options_.id;
    links.log = index == 0;
    return std::make_unique<GrpcNodeLinks>(std::move(links), clock_, loop, events);
  };
  loops_ = std::make_unique<ShardLoops>(LoopsOf(options_), shard, clock_, make_links);
  status_ = std::make_unique<ClusterStatus>(*loops_, gate_, clock_);

  MembershipOptions membership;
  membership.router = options_.id;
  membership.nodes = options_.nodes;
  membership.replicas = options_.replicas;
  membership.slots = options_.slots;
  membership_ = std::make_unique<Membership>(std::move(membership), clock_, *metadata_, *loops_,
                                             gate_, Random(RandomSeed()),
                                             [this](Status why) { OnFatal(std::move(why)); });
  status_->Watch(membership_.get());
  control_ = std::make_unique<EventLoop>("control", clock_, [this] { return EndControlTurn(); });

  loops_->OnNeedTerm([this](TermRequest request) {
    control_->Post([this, request = std::move(request)] { membership_->NeedTerm(request); });
  });

  request_metrics_ = std::make_unique<RequestMetrics>(metrics_);
  KvContext context{*loops_, gate_, clock_, *request_metrics_, options_.default_timeout};
  context.max_untaken_bytes_of_all = options_.max_in_flight_bytes;
  context.max_untaken_bytes = std::min(context.max_untaken_bytes, options_.max_in_flight_bytes);
  kv_ = std::make_unique<KvService>(context);
  planner_ =
      std::make_unique<ChangePlanner>(clock_, inspection_, [this] { return membership_->view(); });
  orders_ = std::make_unique<ChangeOrders>(*status_, *control_, *membership_, clock_);
  losses_ = std::make_unique<LossAcceptance>(
      *loops_, [this] { return membership_->view(); },
      [this](std::vector<AcceptedLoss> losses, Membership::Done done) {
        control_->Post([this, losses = std::move(losses), done = std::move(done)] {
          membership_->AcceptLoss(losses, done);
        });
      });
  checker_ = std::make_unique<ReplicaChecker>(clock_, *loops_, inspection_,
                                              [this] { return membership_->view(); });
  admin_ = std::make_unique<AdminService>(*status_, *planner_, *orders_, *losses_, *checker_);
  membership_service_ = std::make_unique<MembershipService>(*control_, *membership_, *loops_);
  replacement_ =
      std::make_unique<DiskReplacement>(clock_, *loops_, [this] { return membership_->view(); });
  replacement_service_ = std::make_unique<DiskReplacementService>(*replacement_);
  collector_ = AddRouterCollector(*status_, gate_, *metadata_, loops_->nodes(), metrics_);
  http_ = std::make_unique<HttpServer>();
  AddHttpRoutes(*status_, metrics_, http_.get());
}

// Waits for the first look at the metadata, so that what cannot work is an error of the start.
Status RouterServer::StartMembership() {
  loops_->Start([this](std::vector<RowRequest> requests) {
    (void)control_->Post(
        [this, requests = std::move(requests)] { membership_->OnRowRequests(requests); });
  });
  next_sample_ = clock_.Now();
  control_->Start();
  std::promise<void> looked;
  control_->Post([this, &looked] {
    membership_->Start();
    looked.set_value();
  });
  looked.get_future().wait();
  std::lock_guard lock(fatal_mutex_);
  return fatal_;
}

Status RouterServer::OpenDoors() {
  RINGKV_RETURN_IF_ERROR(grpc_.Start(
      options_.listen,
      {kv_.get(), admin_.get(), membership_service_.get(), replacement_service_.get()}));
  control_->Post([this] { doors_open_ = true; });
  return http_->Start(options_.http_listen);
}

void RouterServer::OnFatal(Status why) {
  std::lock_guard lock(fatal_mutex_);
  // Of the start, and the first of a run, the daemon tells.
  if (!fatal_.ok()) {
    RINGKV_LOG(kError, "router", "cannot go on: {}", why.message());
    return;
  }
  fatal_ = why;
  if (daemon_ != nullptr) daemon_->RequestStop(std::move(why));
}

MonoTime RouterServer::EndControlTurn() {
  const MonoTime now = clock_.Now();
  if (membership_->NextDue() <= now) membership_->RunDue();
  if (next_sample_ <= now && !sampling_) Sample();
  return std::min(membership_->NextDue(), sampling_ ? kNever : next_sample_);
}

void RouterServer::Sample() {
  sampling_ = true;
  status_->TakeSample([this] {
    control_->Post([this] {
      sampling_ = false;
      const bool ready = status_->WhyNotReady().empty();
      if (doors_open_) grpc_.SetServing(ready);
      next_sample_ = clock_.Now() + (ready ? kSampleInterval : kSampleIntervalUnready);
    });
  });
}

void RouterServer::Stop() {
  if (std::exchange(stopped_, true) || control_ == nullptr) return;
  gate_.Stop("this router is stopping");
  // Health is the control loop's to set until it has taken note.
  std::promise<void> noted;
  const bool posted = control_->Post([this, &noted] {
    doors_open_ = false;
    noted.set_value();
  });
  if (posted) noted.get_future().wait();
  if (!gate_.WaitForNoneInFlight(options_.stop_timeout)) {
    RINGKV_LOG(kWarning, "router", "stops with {} operations in flight", gate_.in_flight());
  }
  if (kv_->open_streams() > 0) std::this_thread::sleep_for(kFarewell);
  kv_->EndStreams();
  inspection_.Stop();
  checker_->Stop();
  grpc_.Stop(kStreamGrace);
  planner_->Stop();
  http_->Stop();
  collector_.Reset();
  loops_->Stop();
  control_->Stop();
  metadata_.reset();
  RINGKV_LOG(kInfo, "router", "{} has stopped", options_.id);
}

}  // namespace ringkv
