#include "client/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ringkv {
namespace {

constexpr Duration kConnectPatience = std::chrono::seconds(1);
constexpr Duration kAlonePatience = std::chrono::seconds(5);  // when there is no other router

// What an attempt needs at least, to be worth making.
constexpr Duration kLastAttempt = std::chrono::milliseconds(100);

// A router that gave no sign of life during a call's whole time, nor for this long, is left for the
// next.
constexpr Duration kMinSilence = std::chrono::seconds(1);

// What a router is told to take at most: a little less than the caller gave, so that its answer,
// which knows more than our own clock, is here in time.
uint32_t RouterTimeoutMs(Duration left) {
  const Duration margin = std::min<Duration>(left / 10, std::chrono::milliseconds(100));
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left - margin).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(ms, 1, UINT32_MAX));
}

void Stamp(v1::Op& op, uint32_t timeout_ms, bool retry) {
  switch (op.op_case()) {
    case v1::Op::kGet:
      op.mutable_get()->set_timeout_ms(timeout_ms);
      break;
    case v1::Op::kPut:
      op.mutable_put()->set_timeout_ms(timeout_ms);
      op.mutable_put()->set_retry(retry);
      break;
    case v1::Op::kDel:
      op.mutable_del()->set_timeout_ms(timeout_ms);
      op.mutable_del()->set_retry(retry);
      break;
    case v1::Op::kIncrement:
      op.mutable_increment()->set_timeout_ms(timeout_ms);
      op.mutable_increment()->set_retry(retry);
      break;
    case v1::Op::kScan:
    case v1::Op::OP_NOT_SET:
      break;
  }
}

AttemptFacts FactsOf(const Call& call) {
  return {
      .read = call.read, .retry_unknown = call.retry_unknown, .maybe_applied = call.maybe_applied};
}

std::string Seconds(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (ms % 1000 == 0) return std::to_string(ms / 1000) + " s";
  return std::to_string(ms) + " ms";
}

}  // namespace

Dispatcher::Dispatcher(const std::vector<std::string>& routers, const Clock& clock)
    : clock_(clock),
      random_(RandomSeed()),
      loop_("client", clock, [this] { return AfterTasks(); }) {
  RINGKV_CHECK(!routers.empty(), "a client has at least one router");
  for (const std::string& address : routers) {
    routers_.push_back({.link = std::make_unique<RouterLink>(routers_.size(), address, clock_,
                                                             loop_, driver_, *this)});
  }
  loop_.Start();
}

Dispatcher::~Dispatcher() {
  loop_.Post([this] { Shutdown(); });
  {
    std::unique_lock lock(drained_mutex_);
    drained_changed_.wait(lock, [this] { return drained_; });
  }
  loop_.Stop();
}

void Dispatcher::Submit(std::unique_ptr<Call> call) {
  // std::function must be copyable: the pointer goes by hand.
  Call* raw = call.release();
  if (loop_.Post([this, raw] { Accept(std::unique_ptr<Call>(raw)); })) return;
  const std::unique_ptr<Call> dropped(raw);
  dropped->done({.status = Status::Unavailable("the client was closed"), .result = {}});
}

void Dispatcher::Accept(std::unique_ptr<Call> owned) {
  const uint64_t id = ++last_op_id_;
  owned->op.set_id(id);
  Call& call = *owned;
  calls_.emplace(id, std::move(owned));
  if (shutting_down_) return Finish(call, Status::Unavailable("the client was closed"));
  call.deadline_timer = timers_.Arm(call.deadline, [this, id] { Expire(id); });
  Route(call);
}

void Dispatcher::Route(Call& call) {
  const MonoTime now = clock_.Now();
  for (size_t step = 0; step < routers_.size(); ++step) {
    const size_t index = (current_ + call.detours + step) % routers_.size();
    if (routers_[index].usable_at > now) continue;
    call.place = Call::Place::kQueued;
    call.router = index;
    pump_again_ = true;
    routers_[index].link->Enqueue(call.op.id(), call.bytes,
                                  routers_.size() > 1 ? kConnectPatience : kAlonePatience);
    return;
  }
  call.place = Call::Place::kWaiting;
  waiting_.push_back(call.op.id());
}

void Dispatcher::RouteWaiting() {
  std::vector<uint64_t> ids = std::exchange(waiting_, {});
  for (uint64_t id : ids) {
    const auto found = calls_.find(id);
    if (found != calls_.end()) Route(*found->second);
  }
}

const v1::Op* Dispatcher::BeginSend(uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return nullptr;
  Call& call = *found->second;
  const MonoTime now = clock_.Now();
  call.place = Call::Place::kSent;
  call.sent_at = now;
  ++call.attempts;
  Stamp(call.op, RouterTimeoutMs(call.deadline - now), call.maybe_applied);
  return &call.op;
}

void Dispatcher::OnResults(RouterLink& link, v1::BatchResponse results) {
  Router& router = routers_[link.index()];
  router.failures = 0;
  router.last_failure = Status();
  for (v1::OpResult& result : *results.mutable_results()) OnResult(std::move(result));
}

void Dispatcher::OnResult(v1::OpResult result) {
  const auto found = calls_.find(result.id());
  if (found == calls_.end()) return;  // its time ran out
  Call& call = *found->second;
  const v1::OpStatus* answer = StatusOf(result);
  Verdict verdict;
  if (answer != nullptr) {
    verdict = JudgeAnswer(FactsOf(call), *answer);
  } else {
    v1::OpStatus empty;
    empty.set_outcome(v1::OUTCOME_UNKNOWN);
    empty.set_code(v1::ERROR_CODE_INTERNAL);
    empty.set_message("the router's answer is empty: it is of another version?");
    verdict = JudgeAnswer(FactsOf(call), empty);
  }
  Apply(call, verdict, std::move(result));
}

void Dispatcher::Apply(Call& call, const Verdict& verdict, v1::OpResult result) {
  call.maybe_applied = verdict.maybe_applied;
  if (verdict.retry && !shutting_down_) {
    call.last_refusal = verdict.status;
    return RetryLater(call);
  }
  Finish(call, verdict.status, std::move(result));
}

void Dispatcher::RetryLater(Call& call) {
  if (call.last_refusal.code() == StatusCode::kUnavailable && call.attempts % 2 == 0) {
    ++call.detours;
  }
  // Until then it has no attempt, and a late answer to the last one must not be taken for one.
  auto owned = std::move(calls_.extract(call.op.id()).mapped());
  timers_.Cancel(call.deadline_timer);
  const uint64_t id = ++last_op_id_;
  call.op.set_id(id);
  call.place = Call::Place::kBackoff;
  call.deadline_timer = timers_.Arm(call.deadline, [this, id] { Expire(id); });
  calls_.emplace(id, std::move(owned));
  const MonoTime due = clock_.Now() + Backoff(call.attempts, random_);
  // An attempt cut off by the deadline would turn "not applied" into "unknown": the last one gets
  // time.
  if (due + std::min<Duration>(call.timeout / 5, kLastAttempt) >= call.deadline) {
    return Finish(call, OutOfTime(call));
  }
  timers_.Arm(due, [this, id] {
    const auto found = calls_.find(id);
    if (found != calls_.end()) Route(*found->second);
  });
}

void Dispatcher::OnUnsent(RouterLink& link, std::vector<uint64_t> ids, const Status& why) {
  if (shutting_down_) return;  // Shutdown ends them
  LinkFailed(link, why);
  for (uint64_t id : ids) {
    const auto found = calls_.find(id);
    if (found != calls_.end()) Route(*found->second);
  }
}

void Dispatcher::OnLost(RouterLink& link, std::vector<uint64_t> ids, const Status& why,
                        bool untouched) {
  for (uint64_t id : ids) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) continue;
    Call& call = *found->second;
    Apply(call, JudgeLoss(FactsOf(call), untouched, why), {});
  }
}

void Dispatcher::LinkFailed(RouterLink& link, const Status& why) {
  Router& router = routers_[link.index()];
  router.last_failure = why;
  router.usable_at = clock_.Now() + Backoff(++router.failures + 3, random_);
  if (link.index() == current_) current_ = (current_ + 1) % routers_.size();
}

void Dispatcher::Expire(uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Call& call = *found->second;
  if (call.place == Call::Place::kSent) {
    const RouterLink& link = *routers_[call.router].link;
    const bool silent =
        link.last_heard() <= call.sent_at && clock_.Now() - link.last_heard() >= kMinSilence;
    if (silent && call.router == current_) current_ = (current_ + 1) % routers_.size();
  }
  Finish(call, OutOfTime(call));
}

Status Dispatcher::OutOfTime(const Call& call) const {
  const std::string time = Seconds(call.timeout);
  const bool sent = call.place == Call::Place::kSent;
  if (!call.read && (sent || call.maybe_applied)) {
    return Status::UnknownOutcome(
        "the write was sent, and no answer came within " + time +
        (call.last_refusal.ok() ? "" : " (" + call.last_refusal.message() + ")") +
        ": it may or may not have been applied");
  }
  if (sent) {
    return Status::Deadline("router " + routers_[call.router].link->address() +
                            " gave no answer within " + time);
  }
  if (!call.last_refusal.ok()) {
    return {call.last_refusal.code(), call.last_refusal.message() + " (tried " +
                                          std::to_string(call.attempts) + " times in " + time +
                                          ")"};
  }
  return Status::Unavailable("no router could be reached within " + time + ": " + RouterNames() +
                             "; check that one runs there, or name another (kvctl: --router or "
                             "RINGKV_ROUTER)");
}

std::string Dispatcher::RouterNames() const {
  std::string names;
  for (const Router& router : routers_) {
    if (!names.empty()) names += ", ";
    names += router.link->address();
  }
  return names;
}

void Dispatcher::Finish(Call& call, Status status, v1::OpResult result) {
  timers_.Cancel(call.deadline_timer);
  const auto owned = std::move(calls_.extract(call.op.id()).mapped());
  owned->done({.status = std::move(status), .result = std::move(result)});
}

MonoTime Dispatcher::AfterTasks() {
  MonoTime now = clock_.Now();
  timers_.RunDue(now);
  MonoTime due = kNever;
  if (!waiting_.empty()) RouteWaiting();
  pump_again_ = false;
  for (Router& router : routers_) due = std::min(due, router.link->Pump(now));
  // A pump may have handed calls back, to go to a link that had its turn, or to wait until the
  // first router is usable again.
  if (pump_again_) due = now;
  if (!waiting_.empty()) {
    for (const Router& router : routers_) due = std::min(due, router.usable_at);
  }
  if (shutting_down_ && !StreamsOpen()) {
    std::lock_guard lock(drained_mutex_);
    drained_ = true;
    drained_changed_.notify_all();
  }
  return std::min(due, timers_.NextDue());
}

bool Dispatcher::StreamsOpen() const {
  return std::any_of(routers_.begin(), routers_.end(),
                     [](const Router& r) { return r.link->open_streams() > 0; });
}

void Dispatcher::Shutdown() {
  shutting_down_ = true;
  for (Router& router : routers_) router.link->Cancel();
  while (!calls_.empty()) {
    Call& call = *calls_.begin()->second;
    const bool unknown = !call.read && (call.place == Call::Place::kSent || call.maybe_applied);
    Finish(call, unknown ? Status::UnknownOutcome("the client was closed before the answer came")
                         : Status::Unavailable("the client was closed"));
  }
}

}  // namespace ringkv
