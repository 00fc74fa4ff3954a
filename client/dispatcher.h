// Dispatcher: carries calls to routers and their answers back; the part of the client that decides
// which router a call goes to, when it is tried again, and how it ends when time runs out.
//
// One thread (an EventLoop) owns all of it: calls, timers and links. Submit from any thread; `done`
// runs exactly once for each call, on the loop. Destruction ends every call that is left.
//
// Routers: calls go to the current one. It changes to the next when it cannot be connected, when
// its stream breaks, or when it stays silent for a call's whole time. A router that failed is left
// alone for a pause that doubles. A call that a router keeps refusing as unavailable makes a detour
// to the others by itself.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/random.h"
#include "base/timers.h"
#include "client/call.h"
#include "client/retry_rules.h"
#include "client/router_link_grpc.h"

namespace ringkv {

class Dispatcher final : public RouterLink::Owner {
 public:
  Dispatcher(const std::vector<std::string>& routers, const Clock& clock);
  ~Dispatcher() override;

  void Submit(std::unique_ptr<Call> call);

 private:
  using Calls = std::unordered_map<uint64_t, std::unique_ptr<Call>>;

  struct Router {
    std::unique_ptr<RouterLink> link;
    MonoTime usable_at{0};  // after a failure, not before
    int failures = 0;       // in a row
    Status last_failure;
  };

  // ---- RouterLink::Owner
  const v1::Op* BeginSend(uint64_t id) override;
  void OnResults(RouterLink& link, v1::BatchResponse results) override;
  void OnUnsent(RouterLink& link, std::vector<uint64_t> ids, const Status& why) override;
  void OnLost(RouterLink& link, std::vector<uint64_t> ids, const Status& why,
              bool untouched) override;

  void Accept(std::unique_ptr<Call> call);
  void Route(Call& call);
  void RouteWaiting();
  void LinkFailed(RouterLink& link, const Status& why);
  void OnResult(v1::OpResult result);
  void Apply(Call& call, const Verdict& verdict, v1::OpResult result);
  void RetryLater(Call& call);
  void Expire(uint64_t id);
  void Finish(Call& call, Status status, v1::OpResult result = {});
  Status OutOfTime(const Call& call) const;
  std::string RouterNames() const;

  MonoTime AfterTasks();
  void Shutdown();
  bool StreamsOpen() const;

  const Clock& clock_;
  Random random_;
  std::vector<Router> routers_;
  size_t current_ = 0;
  uint64_t last_op_id_ = 0;
  Calls calls_;                    // by the id of their present attempt
  std::vector<uint64_t> waiting_;  // for a router to become usable, oldest first
  Timers timers_;
  bool pump_again_ = false;  // a link was given calls since it was pumped
  bool shutting_down_ = false;

  std::mutex drained_mutex_;
  std::condition_variable drained_changed_;
  bool drained_ = false;  // guarded by drained_mutex_: no stream is open, none will be

  ConnectionDriver driver_;
  EventLoop loop_;  // last: its tasks use everything above
};

}  // namespace ringkv
