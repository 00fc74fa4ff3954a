#include "router/scan_run.h"

#include <atomic>
#include <utility>

namespace ringkv {
namespace {

// A page that took this long is given out as it is: the client's call has a deadline of its own.
constexpr Duration kPageTime = std::chrono::seconds(2);
constexpr Duration kSlotPageTimeout = std::chrono::seconds(2);
// How often a run looks whether the router is stopping or its page's time is over.
constexpr Duration kLookAround = std::chrono::milliseconds(100);

size_t NextHome(size_t loops) {
  static std::atomic<size_t> next{0};
  return next.fetch_add(1, std::memory_order_relaxed) % loops;
}

}  // namespace

std::shared_ptr<ScanRun> ScanRun::Make(const KvContext& context, ScanWalk walk, Mode mode,
                                       Deliver deliver) {
  return std::shared_ptr<ScanRun>(new ScanRun(context, std::move(walk), mode, std::move(deliver)));
}

ScanRun::ScanRun(const KvContext& context, ScanWalk walk, Mode mode, Deliver deliver)
    : context_(context),
      mode_(mode),
      home_(context.loops.loop(NextHome(context.loops.size()))),
      page_until_(context.clock.Now() + kPageTime),
      walk_(std::move(walk)),
      deliver_(std::move(deliver)) {}

void ScanRun::Resume() {
  home_.Post([self = shared_from_this()] {
    self->consumer_ready_ = true;
    self->Pump();
  });
}

void ScanRun::Abandon() {
  home_.Post([self = shared_from_this()] {
    self->ended_ = true;
    self->deliver_ = nullptr;
  });
}

void ScanRun::Pump() {
  if (ended_) return;
  const MonoTime now = context_.clock.Now();
  Ask(now);
  MaybeDeliver(now);
  if (ended_) return;
  Ask(now);  // what was taken made room
  ArmTimer(now);
}

void ScanRun::Ask(MonoTime now) {
  std::vector<ScanWalk::Request> requests = walk_.Next(now);
  if (!requests.empty()) Submit(std::move(requests), now);
}

void ScanRun::Submit(std::vector<ScanWalk::Request> requests, MonoTime now) {
  std::vector<std::vector<ScanCall>> parts(context_.loops.size());
  for (ScanWalk::Request& request : requests) {
    ScanCall call;
    call.slot = request.slot;
    call.after = std::move(request.after);
    call.prefix = walk_.prefix();
    call.keys_only = walk_.keys_only();
    call.max_bytes = request.max_bytes;
    call.max_entries = request.max_entries;
    call.deadline = now + kSlotPageTimeout;
    call.done = [self = shared_from_this(), slot = request.slot](ScanCall::Page page) {
      self->home_.Post([self, slot, page = std::move(page)]() mutable {
        self->walk_.OnPage(slot, std::move(page), self->context_.clock.Now());
        self->Pump();
      });
    };
    parts[context_.LoopOfSlot(request.slot)].push_back(std::move(call));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    ShardLoop* loop = &context_.loops.loop(i);
    loop->Post([loop, calls = std::move(parts[i])]() mutable {
      for (ScanCall& call : calls) loop->shard().SubmitScan(std::move(call));
    });
  }
}

void ScanRun::MaybeDeliver(MonoTime now) {
  if (!consumer_ready_) return;
  walk_.Take(&response_);
  bool last = walk_.ended();
  if (!last && context_.gate.stopped()) {
    v1::OpStatus* status = response_.mutable_status();
    status->set_outcome(v1::OUTCOME_NOT_APPLIED);
    status->set_code(v1::ERROR_CODE_UNAVAILABLE);
    status->set_message("this router is stopping; go on from the cursor at another one");
    last = true;
  }
  bool ready = last || walk_.Full(response_);
  if (mode_ == Mode::kStream) {
    ready = ready || response_.entries_size() > 0;
  } else {
    // Late, and the walk goes on: the cursor says how far it came. Where nothing goes on the walk
    // itself ends with the reason.
    ready = ready || (now >= page_until_ && walk_.last_progress() + kPageTime > now);
    last = ready;
  }
  if (!ready) return;
  consumer_ready_ = false;
  if (last) ended_ = true;
  Deliver deliver = last ? std::move(deliver_) : deliver_;
  deliver(std::exchange(response_, {}), last);
}

void ScanRun::ArmTimer(MonoTime now) {
  const MonoTime due = std::min(walk_.NextDue(), now + kLookAround);
  if (timer_at_ <= due && timer_at_ > now) return;
  timer_at_ = due;
  home_.RunAt(due, [self = shared_from_this()] {
    self->timer_at_ = kNever;
    self->Pump();
  });
}

}  // namespace ringkv
