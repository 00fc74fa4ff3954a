#include "router/cluster_status.h"

#include <utility>

#include "base/limits.h"
#include "base/logging.h"
#include "router/migration_report.h"
#include "router/op_status.h"

namespace ringkv {
namespace {

// Rates are taken over at least this long, so that they do not jump with every sample.
constexpr Duration kRateWindow = std::chrono::seconds(1);

// A node that waits asks at least once a second.
constexpr Duration kHeardLately = std::chrono::seconds(5);

// A cluster that starts, or a router that takes over, is without a quorum for a moment.
constexpr Duration kAlarmAfter = std::chrono::seconds(5);

uint64_t OpsOf(const NodeReport& node) { return node.stats.applies() + node.stats.reads(); }

}  // namespace

// No link goes to a node that is no member; it is heard of when it asks.
void ClusterStatus::ShowWaiting(const ClusterView& view, v1::GetClusterResponse* cluster) const {
  for (v1::NodeStatus& node : *cluster->mutable_nodes()) {
    if (node.node().state() != v1::NODE_STATE_WAITING) continue;
    const auto heard = view.heard.find(node.node().id());
    const bool lately = heard != view.heard.end() && clock_.Now() - heard->second < kHeardLately;
    node.set_reach(lately ? v1::REACH_UP : v1::REACH_DOWN);
    node.set_why(lately ? "waits for: kvctl admin add-node " + node.node().id() + " " +
                              node.node().address()
                        : "not part of the cluster, and not heard of lately");
  }
}

void ClusterStatus::GetCluster(std::function<void(v1::GetClusterResponse)> done) {
  data_.Gather([this, done = std::move(done)](std::vector<LoopReport> loops) {
    auto sample = last();
    auto view = membership_->view();
    v1::GetClusterResponse cluster = ReportCluster(
        *view, loops, sample == nullptr ? std::map<std::string, double>() : sample->ops_per_second,
        WhyClosed());
    ShowWaiting(*view, &cluster);
    if (view->state != nullptr) {
      const v1::ListMigrationsResponse all =
          ReportMigrations(*view->state, cluster, 0, clock_.WallMillis());
      for (const v1::MigrationStatus& migration : all.migrations()) {
        if (!IsOver(migration.record())) *cluster.add_migrations() = migration;
      }
    }
    done(std::move(cluster));
  });
}

void ClusterStatus::ListMigrations(uint64_t id,
                                   std::function<void(v1::ListMigrationsResponse)> done) {
  GetCluster([this, id, done = std::move(done)](const v1::GetClusterResponse& cluster) {
    const auto view = membership_->view();
    if (view->state != nullptr) {
      return done(ReportMigrations(*view->state, cluster, id, clock_.WallMillis()));
    }
    v1::ListMigrationsResponse refused;
    SetError(refused.mutable_status(), Status::Unavailable("no cluster is known yet"));
    done(std::move(refused));
  });
}

v1::GetRingResponse ClusterStatus::GetRing(bool table) const {
  return ReportRing(*membership_->view(), table);
}

void ClusterStatus::Locate(const std::string& key, std::function<void(v1::LocateResponse)> done) {
  v1::LocateResponse refused;
  if (Status valid = CheckKey(key); !valid.ok()) {
    SetError(refused.mutable_status(), valid);
    return done(std::move(refused));
  }
  auto view = membership_->view();
  if (view->state == nullptr) {
    SetError(refused.mutable_status(),
             Status::Unavailable("no cluster is known yet: " + WhyClosed()));
    return done(std::move(refused));
  }
  const v1::ClusterIdentity& cluster = view->state->identity();
  const SlotId slot = SlotOf(TokenOf(key), cluster.slots());
  data_.Describe(slot, GroupOf(slot, cluster.slots(), cluster.groups()),
                 [view, key, done = std::move(done)](SlotReport report) {
                   done(ReportLocation(*view, key, report));
                 });
}

// What an operator must not have to ask for.
void ClusterStatus::Alarm(Sample* sample, const Sample* before) const {
  if (sample->view->state == nullptr) return;
  const v1::GetClusterResponse now = ReportCluster(*sample->view, sample->loops, {}, WhyClosed());
  const uint64_t united_before = before == nullptr ? 0 : UnionsOf(before->loops).slots();
  if (now.unions().slots() > united_before) {
    const uint64_t window = now.unions().window_ms();
    RINGKV_LOG(
        kWarning, "alarm",
        "{} slots without a quorum go on with the union of their replicas; missing may be "
        "what was acknowledged {} before the loss of power",
        now.unions().slots() - united_before,
        window == 0 ? std::string("at any time") : "in the last " + std::to_string(window) + " ms");
  }
  if (now.slot_health().blocked() == 0) return;
  const bool was = before != nullptr && before->blocked_since.has_value();
  sample->blocked_since = was ? *before->blocked_since : sample->at;
  if (sample->at - *sample->blocked_since < kAlarmAfter) return;
  std::string text;
  for (const std::string& reason : now.reasons()) text += (text.empty() ? "" : "; ") + reason;
  RINGKV_LOG_EVERY(std::chrono::seconds(10), kError, "alarm", "{}", text);
}

void ClusterStatus::TakeSample(std::function<void()> done) {
  data_.Gather([this, done = std::move(done)](std::vector<LoopReport> loops) {
    auto sample = std::make_shared<Sample>();
    sample->at = clock_.Now();
    sample->view = membership_->view();
    sample->nodes = MergeReports(loops, sample->view->peers.size());
    sample->loops = std::move(loops);
    auto before = last();
    Alarm(sample.get(), before.get());
    for (size_t i = 0; i < sample->nodes.size(); ++i) {
      const std::string& id = sample->view->peers[i];
      if (before == nullptr || i >= before->nodes.size()) continue;
      const Duration passed = sample->at - before->at;
      const uint64_t now_ops = OpsOf(sample->nodes[i]);
      const uint64_t then_ops = OpsOf(before->nodes[i]);
      // Fewer than before: the node has started again.
      const double rate = now_ops < then_ops || passed <= Duration::zero()
                              ? 0
                              : static_cast<double>(now_ops - then_ops) /
                                    std::chrono::duration<double>(passed).count();
      auto old = before->ops_per_second.find(id);
      const double weight = std::min(1.0, std::chrono::duration<double>(passed) / kRateWindow);
      sample->ops_per_second[id] =
          old == before->ops_per_second.end() ? rate : old->second + (rate - old->second) * weight;
    }
    {
      std::lock_guard lock(mutex_);
      last_ = std::move(sample);
    }
    done();
  });
}

std::shared_ptr<const ClusterStatus::Sample> ClusterStatus::last() const {
  std::lock_guard lock(mutex_);
  return last_;
}

std::vector<std::string> ClusterStatus::WhyNotReady() const {
  auto sample = last();
  const std::string closed = WhyClosed();
  if (sample == nullptr) return {closed.empty() ? "starting" : closed};
  std::vector<std::string> reasons = ringkv::WhyNotReady(closed, SumSlots(sample->loops));
  // The gate opens before the first sample that knows the slots.
  if (reasons.empty() && SumSlots(sample->loops).total() == 0) reasons.push_back("starting");
  return reasons;
}

}  // namespace ringkv
