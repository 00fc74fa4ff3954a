#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "base/ids.h"
#include "base/limits.h"
#include "base/random.h"
#include "client/admin_client.h"
#include "client/retry_rules.h"
#include "client/router_channel_grpc.h"
#include "ringkv/v1/admin.grpc.pb.h"

namespace ringkv {
namespace {

// One router that does not answer must not use up the time in which another would.
constexpr Duration kOneTry = std::chrono::milliseconds(700);
// For what a router has to ask its nodes for.
constexpr Duration kOneLongTry = std::chrono::milliseconds(2500);

Status NoAnswer(const std::string& address) {
  return Status::Unavailable("router " + address +
                             " cannot be reached, or does not answer; check that a router runs "
                             "there, or name another (kvctl: --router or RINGKV_ROUTER)");
}

Status FromGrpc(const std::string& address, const grpc::Status& status) {
  std::string message = "router " + address + ": " + status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return Status::InvalidArgument(std::move(message));
    case grpc::StatusCode::UNIMPLEMENTED:
      return NotARouter(address);
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return Status::Refused(std::move(message));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return NoAnswer(address);
    default:
      return Status::Unavailable(std::move(message));
  }
}

// The client's end of a check: events one by one, each within a time. The stream ends with it.
class CheckReader final : public grpc::ClientReadReactor<v1::CheckReplicasEvent> {
 public:
  explicit CheckReader(v1::Admin::Stub& stub) {
    context_.set_wait_for_ready(true);
    stub.async()->CheckReplicas(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }
  ~CheckReader() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  // True: `event` is the next. Unavailable: none came in time. Else how the stream has ended.
  Result<bool> Next(const std::string& address, Duration patience, v1::CheckReplicasEvent* event) {
    std::unique_lock lock(mutex_);
    const bool came =
        changed_.wait_for(lock, patience, [this] { return !events_.empty() || done_; });
    if (!came) return NoAnswer(address);
    if (events_.empty()) {
      if (status_.ok()) return false;
      return FromGrpc(address, status_);
    }
    *event = std::move(events_.front());
    events_.pop_front();
    return true;
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event_));
    }
    changed_.notify_all();
    StartRead(&event_);
  }
  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    done_ = true;
    status_ = status;
    changed_.notify_all();  // under the lock: whoever waits may destroy this right after
  }

 private:
  grpc::ClientContext context_;
  const v1::CheckReplicasRequest request_;
  v1::CheckReplicasEvent event_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::CheckReplicasEvent> events_;  // guarded by mutex_
  bool done_ = false;                          // guarded by mutex_
  grpc::Status status_;                        // guarded by mutex_
};

class GrpcAdminClient final : public AdminClient {
 public:
  GrpcAdminClient(std::vector<std::string> routers, Duration timeout)
      : routers_(std::move(routers)), timeout_(timeout), random_(RandomSeed()) {
    for (const std::string& address : routers_) {
      stubs_.push_back(v1::Admin::NewStub(MakeRouterChannel(address)));
    }
  }

  Result<v1::GetClusterResponse> GetCluster() override {
    return Ask<v1::GetClusterResponse>(&v1::Admin::Stub::GetCluster, v1::GetClusterRequest());
  }

  Result<v1::GetRingResponse> GetRing(const v1::GetRingRequest& request) override {
    return Ask<v1::GetRingResponse>(&v1::Admin::Stub::GetRing, request);
  }

  Result<v1::LocateResponse> Locate(const std::string& key) override {
    RINGKV_RETURN_IF_ERROR(CheckKey(key));
    v1::LocateRequest request;
    request.set_key(key);
    return Ask<v1::LocateResponse>(&v1::Admin::Stub::Locate, request);
  }

  Result<v1::PlanChangeResponse> PlanChange(const v1::PlanChangeRequest& request) override {
    return Ask<v1::PlanChangeResponse>(&v1::Admin::Stub::PlanChange, request, kOneLongTry);
  }

  Result<v1::StartChangeResponse> StartChange(const v1::StartChangeRequest& request) override {
    return Order<v1::StartChangeResponse>(&v1::Admin::Stub::StartChange, request);
  }

  Result<v1::ListMigrationsResponse> ListMigrations(uint64_t id) override {
    v1::ListMigrationsRequest request;
    request.set_id(id);
    return Ask<v1::ListMigrationsResponse>(&v1::Admin::Stub::ListMigrations, request);
  }

  Result<v1::OrderMigrationResponse> OrderMigration(
      const v1::OrderMigrationRequest& request) override {
    return Order<v1::OrderMigrationResponse>(&v1::Admin::Stub::OrderMigration, request);
  }

  Result<v1::AcceptLossResponse> PlanAcceptedLoss(const v1::AcceptLossRequest& request) override {
    return Ask<v1::AcceptLossResponse>(&v1::Admin::Stub::AcceptLoss, request, kOneLongTry);
  }

  Result<v1::AcceptLossResponse> AcceptLoss(const v1::AcceptLossRequest& request) override {
    for (size_t router = 0; router < routers_.size(); ++router) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::duration_cast<std::chrono::microseconds>(timeout_));
      v1::AcceptLossResponse response;
      const grpc::Status status = stubs_[router]->AcceptLoss(&context, request, &response);
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE && router + 1 < routers_.size()) {
        continue;
      }
      if (!status.ok()) {
        return Status::UnknownOutcome("router " + routers_[router] + ": " + status.error_message() +
                                      "; whether it was done is shown by kvctl admin status");
      }
      const Verdict verdict = JudgeAnswer({.read = false}, response.status());
      if (!verdict.status.ok()) return verdict.status;
      return response;
    }
    return Status::Unavailable("no router answered");
  }

  Status CheckReplicas(
      std::optional<Duration> limit,
      const std::function<void(const v1::CheckReplicasEvent&)>& on_event) override {
    const MonoTime begun = clock_.Now();
    const MonoTime end = limit ? begun + *limit : kNever;
    Status last = Status::Unavailable("no router answered");
    for (int attempt = 1;; ++attempt) {
      for (size_t router = 0; router < routers_.size(); ++router) {
        const Duration left = std::min(end, begun + timeout_) - clock_.Now();
        if (left <= Duration::zero()) break;
        const Duration patience =
            routers_.size() > 1 ? std::min<Duration>(left, kOneLongTry) : left;
        bool heard = false;
        last = CheckAt(router, patience, end, on_event, &heard);
        const bool elsewhere =
            last.code() == StatusCode::kUnavailable || last.code() == StatusCode::kOverloaded;
        // What has been told already cannot be taken back.
        if (heard || !elsewhere) return last;
      }
      if (!PauseBeforeNext(attempt, std::min(end, begun + timeout_))) break;
    }
    return OutOfRouters(last);
  }

 private:
  // `heard`: events were handed on.
  Status CheckAt(size_t router, Duration patience, MonoTime end,
                 const std::function<void(const v1::CheckReplicasEvent&)>& on_event, bool* heard) {
    CheckReader reader(*stubs_[router]);
    while (true) {
      v1::CheckReplicasEvent event;
      const Duration until_end = std::max(Duration::zero(), end - clock_.Now());
      auto next = reader.Next(routers_[router], std::min(patience, until_end), &event);
      if (!next.ok() && *heard && clock_.Now() >= end) {
        return Status::Deadline("the check did not end in time; give it more with --timeout");
      }
      if (!next.ok()) return next.status();
      if (!*next) return Status::Unavailable("router " + routers_[router] + " broke the check off");
      const Verdict verdict = JudgeAnswer({.read = true}, event.status());
      if (!verdict.status.ok()) return verdict.status;
      *heard = true;
      patience = std::max<Duration>(timeout_, kOneLongTry);
      on_event(event);
      if (event.complete()) return Status::Ok();
    }
  }

  template <class Response, class Request>
  using Method = grpc::Status (v1::Admin::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <class Response, class Request>
  Result<Response> Ask(Method<Response, Request> method, const Request& request,
                       Duration one_try = kOneTry) {
    const MonoTime deadline = clock_.Now() + timeout_;
    Status last = Status::Unavailable("no router answered");
    for (int attempt = 1;; ++attempt) {
      for (size_t router = 0; router < routers_.size(); ++router) {
        const Duration left = deadline - clock_.Now();
        if (left <= Duration::zero()) break;
        // Alone, a router gets all the time there is.
        const Duration patience = routers_.size() > 1 ? std::min(left, one_try) : left;
        Result<Response> answer = AskOne<Response>(router, method, request, patience);
        if (answer.ok()) return answer;
        last = answer.status();
        if (last.code() != StatusCode::kUnavailable && last.code() != StatusCode::kOverloaded &&
            last.code() != StatusCode::kDeadline) {
          return last;
        }
      }
      if (!PauseBeforeNext(attempt, deadline)) break;
    }
    return OutOfRouters(last);
  }

  // Something that is to be done once. A router that answers nothing to a question was not ordered
  // anything; afterwards one cannot know.
  template <class Response, class Request>
  Result<Response> Order(Method<Response, Request> method, const Request& request) {
    const Result<v1::GetClusterResponse> reached = GetCluster();
    if (!reached.ok()) return reached.status();
    Result<Response> answer = Ask<Response>(method, request, kOneLongTry);
    const StatusCode code = answer.status().code();
    if (code != StatusCode::kUnavailable && code != StatusCode::kDeadline) return answer;
    return Status::UnknownOutcome(answer.status().message() + "; see: kvctl admin migrations list");
  }

  template <class Response, class Request>
  Result<Response> AskOne(size_t router, Method<Response, Request> method, const Request& request,
                          Duration patience) {
    grpc::ClientContext context;
    // A blocking channel gets on with connecting only while a call waits for it.
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::microseconds>(patience));
    Response response;
    const grpc::Status status = (*stubs_[router].*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(routers_[router], status);
    const Verdict verdict = JudgeAnswer({.read = true}, response.status());
    if (!verdict.status.ok()) return verdict.status;
    return response;
  }

  // False: there is no time for another round.
  bool PauseBeforeNext(int attempt, MonoTime deadline) {
    std::unique_lock lock(mutex_);
    const Duration pause = Backoff(attempt + 2, random_);
    if (clock_.Now() + pause >= deadline) return false;
    never_.wait_for(lock, pause);
    return true;
  }

  Status OutOfRouters(const Status& last) const {
    if (routers_.size() == 1) return last;
    std::string names;
    for (const std::string& address : routers_) names += (names.empty() ? "" : ", ") + address;
    return Status(last.code(), last.message() + "; tried " + names);
  }

  const std::vector<std::string> routers_;
  const Duration timeout_;
  RealClock clock_;
  std::vector<std::unique_ptr<v1::Admin::Stub>> stubs_;
  std::mutex mutex_;
  std::condition_variable never_;  // only ever times out
  Random random_;                  // guarded by mutex_
};

}  // namespace

Result<std::unique_ptr<AdminClient>> AdminClient::Create(std::vector<std::string> routers,
                                                         Duration timeout) {
  if (routers.empty()) return Status::InvalidArgument("no router is given");
  for (const std::string& address : routers) {
    RINGKV_RETURN_IF_ERROR(CheckAddress(address).Annotate("router"));
  }
  return std::unique_ptr<AdminClient>(new GrpcAdminClient(std::move(routers), timeout));
}

}  // namespace ringkv
