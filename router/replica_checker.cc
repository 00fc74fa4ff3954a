#include "router/replica_checker.h"

#include <utility>

#include "router/op_status.h"

namespace ringkv {
namespace {

constexpr Duration kEventInterval = std::chrono::milliseconds(250);
// A question reads some MiB.
constexpr Duration kNodePatience = std::chrono::seconds(10);

v1::CheckReplicasEvent Refusal(const Status& why) {
  v1::CheckReplicasEvent event;
  SetError(event.mutable_status(), why);
  return event;
}

}  // namespace

// What comes from other threads is posted to the loop.
class ReplicaChecker::Environment final : public CheckEnvironment {
 public:
  explicit Environment(ReplicaChecker& checker) : checker_(checker) {}

  MonoTime Now() const override { return checker_.clock_.Now(); }

  void After(Duration pause, std::function<void()> action) override {
    checker_.timers_.Arm(Now() + pause, std::move(action));
  }

  std::string NameOf(Peer peer) const override {
    const auto view = checker_.view_();
    return peer.value() < view->peers.size() ? view->peers[peer.value()] : "";
  }

  void Describe(SlotId slot, std::function<void(SlotReport)> done) override {
    checker_.data_.Describe(slot, GroupFor(slot), Posted(std::move(done)));
  }

  void LookAt(LookCall call) override {
    call.done = Posted(std::move(call.done));
    const GroupId group = GroupFor(call.slot);
    checker_.data_.LookAt(group, std::move(call));
  }

  void AskDigests(Peer peer, v1::DigestRangesRequest request,
                  std::function<void(Result<v1::DigestRangesReply>)> done) override {
    request.set_cluster_uuid(Identity().uuid());
    checker_.inspection_.DigestRanges(TargetFor(peer), std::move(request), kNodePatience,
                                      Posted(std::move(done)));
  }

  void AskRecords(Peer peer, v1::ListRecordsRequest request,
                  std::function<void(Result<v1::ListRecordsReply>)> done) override {
    request.set_cluster_uuid(Identity().uuid());
    checker_.inspection_.ListRecords(TargetFor(peer), std::move(request), kNodePatience,
                                     Posted(std::move(done)));
  }

 private:
  // A cluster's identity never changes.
  v1::ClusterIdentity Identity() const { return checker_.view_()->state->identity(); }

  GroupId GroupFor(SlotId slot) const {
    const v1::ClusterIdentity cluster = Identity();
    return GroupOf(slot, cluster.slots(), cluster.groups());
  }

  NodeInspection::Target TargetFor(Peer peer) const {
    const auto view = checker_.view_();
    const std::string name = NameOf(peer);
    const v1::NodeRecord* node = view->state->FindNode(name);
    return {name, node == nullptr ? "" : node->address()};
  }

  // The loop outlives whoever calls; what it does not take any more is dropped.
  template <class Answer>
  std::function<void(Answer)> Posted(std::function<void(Answer)> done) {
    return [&loop = checker_.loop_, done = std::move(done)](Answer answer) {
      loop.Post([done, answer = std::move(answer)]() mutable { done(std::move(answer)); });
    };
  }

  ReplicaChecker& checker_;
};

ReplicaChecker::ReplicaChecker(const Clock& clock, DataPlane& data, NodeInspection& inspection,
                               View view)
    : clock_(clock),
      data_(data),
      inspection_(inspection),
      view_(std::move(view)),
      loop_("check", clock, [this] { return EndTurn(); }) {
  loop_.Start();
}

ReplicaChecker::~ReplicaChecker() { Stop(); }

void ReplicaChecker::Stop() {
  {
    std::lock_guard lock(mutex_);
    if (number_ != 0) on_event_(Refusal(Status::Unavailable("this router is stopping")));
    number_ = 0;
    on_event_ = nullptr;
  }
  loop_.Stop();
  Drop();
}

uint64_t ReplicaChecker::Start(OnEvent on_event) {
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = ++last_number_;
    if (number_ != 0) {
      on_event(Refusal(Status::Overloaded("another check of the replicas is running")));
      return number;
    }
    number_ = number;
    on_event_ = std::move(on_event);
  }
  const bool posted = loop_.Post([this, number] { Begin(number); });
  if (!posted) {
    std::lock_guard lock(mutex_);
    if (number_ == number) {
      on_event_(Refusal(Status::Unavailable("this router is stopping")));
      number_ = 0;
      on_event_ = nullptr;
    }
  }
  return number;
}

void ReplicaChecker::Cancel(uint64_t number) {
  {
    std::lock_guard lock(mutex_);
    if (number_ != number) return;
    number_ = 0;
    on_event_ = nullptr;
  }
  loop_.Post([this, number] {
    // Another one may have begun since: that drops what was there before it.
    std::unique_lock lock(mutex_);
    const bool none = number_ == 0 && last_number_ == number;
    lock.unlock();
    if (none) Drop();
  });
}

void ReplicaChecker::Drop() {
  check_.reset();
  environment_.reset();
}

void ReplicaChecker::Begin(uint64_t number) {
  Drop();
  {
    std::lock_guard lock(mutex_);
    if (number_ != number) return;
  }
  const auto view = view_();
  if (view->state == nullptr) return Tell(Refusal(Status::Unavailable("no cluster is known yet")));
  std::vector<SlotId> slots;
  for (uint32_t slot = 0; slot < view->state->identity().slots(); ++slot) {
    slots.push_back(SlotId(slot));
  }
  environment_ = std::make_unique<Environment>(*this);
  check_ = std::make_unique<ReplicaCheck>(*environment_, std::move(slots), [this] {
    next_event_ = clock_.Now();  // at the end of this turn
  });
  next_event_ = clock_.Now();
  check_->Start();
}

// The last event frees the place for the next check.
void ReplicaChecker::Tell(v1::CheckReplicasEvent event) {
  std::lock_guard lock(mutex_);
  if (number_ == 0) return;
  const bool last = event.complete() || event.status().outcome() != v1::OUTCOME_DONE;
  on_event_(std::move(event));
  if (!last) return;
  number_ = 0;
  on_event_ = nullptr;
}

MonoTime ReplicaChecker::EndTurn() {
  timers_.RunDue(clock_.Now());
  if (check_ == nullptr) return timers_.NextDue();
  if (next_event_ <= clock_.Now()) {
    next_event_ = clock_.Now() + kEventInterval;
    v1::CheckReplicasEvent event = check_->TakeEvent();
    const bool complete = event.complete();
    if (complete) Drop();
    Tell(std::move(event));
    if (complete) return timers_.NextDue();
  }
  return std::min(timers_.NextDue(), next_event_);
}

}  // namespace ringkv
