#include "kvnode/node_start.h"

#include <algorithm>

#include "base/logging.h"

namespace ringkv {
namespace {

constexpr Duration kRepeatReason = std::chrono::minutes(1);
constexpr Duration kLeastBetweenReasons = std::chrono::seconds(1);

}  // namespace

NodeStart::NodeStart(NodeDisk& disk, const Clock& clock, uint64_t seed, BootOptions boot,
                     Actions actions, Pauses pauses)
    : disk_(disk),
      clock_(clock),
      random_(seed),
      boot_(std::move(boot)),
      actions_(std::move(actions)),
      pauses_(pauses),
      pause_(pauses.first) {}

NodeStart::~NodeStart() { Stop(); }

Status NodeStart::Prepare() {
  Result<BootStep> step = BeginSequence();
  if (!step.ok()) return step.status();
  step_ = *std::move(step);
  return Status::Ok();
}

Result<BootStep> NodeStart::BeginSequence() {
  boot_.fresh_store_uuid = RandomUuid();
  boot_.store_lost_tail = disk_.log_damaged();
  sequence_ = std::make_unique<BootSequence>(disk_.store(), random_, boot_);
  Result<BootStep> first = sequence_->Begin();
  if (!first.ok()) return first;
  std::lock_guard lock(mutex_);
  found_ = {sequence_->store_uuid(), sequence_->disk_boot()};
  return first;
}

NodeStart::DiskFound NodeStart::disk() const {
  std::lock_guard lock(mutex_);
  return found_;
}

void NodeStart::Start() {
  RINGKV_CHECK(sequence_ != nullptr, "Prepare comes before Start");
  thread_ = std::thread([this] { Run(); });
}

void NodeStart::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return;
  actions_.cancel_ask();
  thread_.join();
}

std::string NodeStart::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

void NodeStart::Run() {
  while (Advance(AskOnce())) {
  }
}

Result<BootStep> NodeStart::AskOnce() {
  Result<v1::RegisterReply> reply = actions_.ask(step_.request);
  if (reply.ok()) return sequence_->OnReply(*reply);
  BootStep again = step_;
  again.kind = BootStep::Kind::kAskLater;
  again.reason = "not registered: " + reply.status().message();
  return again;
}

bool NodeStart::Advance(Result<BootStep> next) {
  if (next.ok() && next->kind == BootStep::Kind::kMoveAside) next = MoveAside(next->reason);
  if (!next.ok()) {
    actions_.fail(next.status());
    return false;
  }
  step_ = *std::move(next);
  switch (step_.kind) {
    case BootStep::Kind::kAsk:
      pause_ = pauses_.first;
      return Pause(Duration::zero());
    case BootStep::Kind::kAskLater: {
      Explain(step_.reason, /*refused=*/false);
      Duration pause = pause_;
      pause_ = std::min(pause_ * 2, pauses_.longest);
      return Pause(pause);
    }
    case BootStep::Kind::kRefused:
      Explain(step_.reason, /*refused=*/true);
      return Pause(pauses_.refused);
    case BootStep::Kind::kMoveAside:
      RINGKV_CHECK(false, "an empty disk is never moved aside");
    case BootStep::Kind::kServe:
      break;
  }
  if (!Pause(Duration::zero())) return false;
  actions_.serve(sequence_->registered());
  std::lock_guard lock(mutex_);
  reason_.clear();
  return false;
}

Result<BootStep> NodeStart::MoveAside(const std::string& why) {
  std::string where;
  Boot boot = sequence_->disk_boot();
  sequence_.reset();  // it borrows the store that goes
  RINGKV_RETURN_IF_ERROR(disk_.MoveAside(boot, &where).Annotate(why + "; moving it aside"));
  RINGKV_LOG(kError, "start",
             "{}; it was moved to {} and nothing in it was deleted; this node starts empty", why,
             where);
  return BeginSequence();
}

void NodeStart::Explain(std::string reason, bool refused) {
  MonoTime now = clock_.Now();
  bool changed = reason != logged_reason_;
  if (logged_reason_.empty() || now - logged_at_ >= kRepeatReason ||
      (changed && now - logged_at_ >= kLeastBetweenReasons)) {
    if (refused) {
      RINGKV_LOG(kError, "start", "does not serve: {}", reason);
    } else {
      RINGKV_LOG(kWarning, "start", "does not serve yet: {}", reason);
    }
    logged_reason_ = reason;
    logged_at_ = now;
  }
  std::lock_guard lock(mutex_);
  reason_ = std::move(reason);
}

bool NodeStart::Pause(Duration duration) {
  // Jitter, so that nodes which lost the same router do not come back all at once.
  if (duration > Duration::zero()) {
    auto ns = static_cast<uint64_t>(duration.count());
    duration = Duration(static_cast<int64_t>(random_.Between(ns / 2, ns)));
  }
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, duration, [this] { return stopping_; });
}

}  // namespace ringkv
