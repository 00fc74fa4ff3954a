#include "tests/sim/sim_check.h"

#include <utility>

#include "kvnode/copy_digests.h"

namespace ringkv {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class SimCheck::World final : public CheckEnvironment {
 public:
  explicit World(SimCheck& check) : check_(check) {}

  MonoTime Now() const override { return check_.scheduler_.now(); }
  void After(Duration pause, std::function<void()> action) override {
    check_.scheduler_.After(
        pause, [this, action = std::move(action), router = check_.cluster_.router_generation()] {
          // A check is part of the router's process.
          if (check_.cluster_.RouterUp() && router == check_.cluster_.router_generation()) action();
        });
  }
  std::string NameOf(Peer peer) const override {
    return "n" + std::to_string(check_.cluster_.NodeOf(peer) + 1);
  }

  void Describe(SlotId slot, std::function<void(SlotReport)> done) override {
    After(Delay(), [this, slot, done = std::move(done)] { done(check_.cluster_.Describe(slot)); });
  }

  void LookAt(LookCall call) override {
    call.done = [this, key = call.key, done = std::move(call.done)](KeyLook look) {
      check_.JudgeLook(key, look);
      After(Delay(), [done, look = std::move(look)] { done(look); });
    };
    After(Delay(), [this, call = std::move(call)] { check_.cluster_.LookAt(call); });
  }

  void AskDigests(Peer peer, v1::DigestRangesRequest request,
                  std::function<void(Result<v1::DigestRangesReply>)> done) override {
    Ask(peer, std::move(request), std::move(done), &AnswerDigests);
  }
  void AskRecords(Peer peer, v1::ListRecordsRequest request,
                  std::function<void(Result<v1::ListRecordsReply>)> done) override {
    Ask(peer, std::move(request), std::move(done), &AnswerRecords);
  }

 private:
  Duration Delay() { return microseconds(check_.random_.Between(50, 5'000)); }

  template <class Request, class Reply>
  void Ask(Peer peer, Request request, std::function<void(Result<Reply>)> done,
           Result<Reply> (*answer)(Store&, const Request&)) {
    After(Delay(), [this, peer, request = std::move(request), done = std::move(done), answer] {
      Store* store = check_.cluster_.ReachableStore(check_.cluster_.NodeOf(peer));
      auto reply = std::make_shared<Result<Reply>>(Status::Unavailable("it cannot be reached"));
      if (store != nullptr) *reply = answer(*store, request);
      After(Delay(), [done, reply] { done(std::move(*reply)); });
    });
  }

  SimCheck& check_;
};

SimCheck::SimCheck(Scheduler& scheduler, SimCluster& cluster, uint64_t seed)
    : scheduler_(scheduler), cluster_(cluster), random_(seed ^ 0x636865636bULL) {
  world_ = std::make_unique<World>(*this);
}

SimCheck::~SimCheck() = default;

// Whatever happens meanwhile, complete replicas that are not behind have the same record.
void SimCheck::JudgeLook(const std::string& key, const KeyLook& look) {
  ++looks_;
  if (Judge(look) != LookVerdict::kDifferent) return;
  std::string text = "check: replicas that are the same are called different: " + key;
  for (const CopyLook& copy : look.copies) {
    text += ", " + world_->NameOf(copy.peer) + " " + copy.version.ToString() +
            (copy.complete ? "" : " incomplete") + (copy.behind ? " behind" : "");
  }
  cluster_.Violate(std::move(text));
}

void SimCheck::RunUnderLoad(std::vector<std::string> keys) {
  keys_ = std::move(keys);
  under_load_ = true;
  Begin();
  Poll();
  LookSomewhere();
}

void SimCheck::StopUnderLoad() {
  under_load_ = false;
  check_.reset();
}

void SimCheck::Begin() {
  check_.reset();
  if (!cluster_.RouterUp()) return;
  router_ = cluster_.router_generation();
  check_ = std::make_unique<ReplicaCheck>(*world_, cluster_.AllSlots(), [this] { OnDone(); });
  check_->Start();
}

void SimCheck::OnDone() {
  ++checks_;
  last_ = check_->TakeEvent();
  for (const v1::CheckFinding& finding : last_.findings()) {
    const bool unreadable = finding.kind() == v1::FINDING_KIND_UNREADABLE;
    if (unreadable && cluster_.WasDamaged(finding.key())) continue;  // it may well be
    if (finding.kind() != v1::FINDING_KIND_DIFFERENT && !unreadable) continue;
    cluster_.Violate("check: a finding where there is none: " + finding.ShortDebugString());
  }
}

// A check ends with the router process that it asks.
void SimCheck::Poll() {
  if (!under_load_) return;
  const bool gone = !cluster_.RouterUp() || router_ != cluster_.router_generation();
  if (check_ == nullptr || check_->done() || gone) Begin();
  scheduler_.After(milliseconds(50), [this] { Poll(); });
}

void SimCheck::LookSomewhere() {
  if (!under_load_) return;
  if (cluster_.RouterUp()) {
    LookCall call;
    call.key = keys_[random_.Below(keys_.size())];
    call.slot = cluster_.SlotFor(call.key);
    call.deadline = scheduler_.now() + seconds(1);
    call.patience = milliseconds(random_.Between(5, 100));
    call.done = [this, key = call.key](const KeyLook& look) { JudgeLook(key, look); };
    cluster_.LookAt(std::move(call));
  }
  scheduler_.After(milliseconds(random_.Between(5, 100)), [this] { LookSomewhere(); });
}

std::string SimCheck::RunAtRest() {
  // Messages are still lost: what could not be compared is compared by another check.
  for (int tries = 0; tries < 5; ++tries) {
    if (tries != 0) scheduler_.RunUntil(scheduler_.now() + seconds(1), [] { return false; });
    Begin();
    if (check_ == nullptr) return "no router";
    scheduler_.RunUntil(scheduler_.now() + seconds(30), [this] { return check_->done(); });
    if (!check_->done()) return "it does not end";
    const v1::CheckProgress& progress = last_.progress();
    if (progress.slots_equal() == progress.slots_total()) return "";
    if (last_.uncompared_size() == 0) break;
  }
  return last_.ShortDebugString();
}

}  // namespace ringkv
