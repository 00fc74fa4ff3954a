// The metadata store's twin in memory, for tests and the simulator: the same transactions, with
// faults on demand. Several stores may share one content (`Contents`), as several routers share an
// etcd. Thread-compatible.
//
// Callbacks run within the call, or, with `SetManual(true)`, one by one when Step is called: an
// operation takes effect at that moment, so that a test decides the order of things.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "router/metadata_store.h"

namespace ringkv {

class SimulatedMetadata final : public MetadataStore {
 public:
  using Contents = std::map<std::string, std::string>;

  enum class Fault {
    kNone,
    kUnavailable,     // kUnavailable, nothing applied; List fails too
    kLostApplied,     // Commit answers kUnknownOutcome and was applied; List fails
    kLostNotApplied,  // Commit answers kUnknownOutcome and was not applied; List fails
    kLate,            // Commit answers kUnknownOutcome and waits for ApplyLate; List fails
  };

  explicit SimulatedMetadata(std::shared_ptr<Contents> contents = std::make_shared<Contents>())
      : contents_(std::move(contents)) {}

  void Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) override;
  void List(std::string prefix, std::function<void(Result<Entries>)> done) override;
  std::optional<Duration> LeaseTtl() const override { return ttl_; }
  void RenewLease(std::function<void(Result<Lease>)> done) override;

  // The next `times` operations meet `fault`.
  void Inject(Fault fault, int times) { fault_ = fault, faults_left_ = times; }
  // Routers hold leases, by this clock of the store's. They stand in the contents, as
  // "lease/NNNNNNNN", and vanish when they have run out.
  void HoldLeases(const Clock& clock, Duration ttl) { clock_ = &clock, ttl_ = ttl; }
  uint64_t sessions_begun() const { return sessions_begun_; }

  // The oldest transaction that is late takes effect, if what it expects still holds; false if none
  // is.
  bool ApplyLate();
  size_t late() const { return late_.size(); }

  void SetManual(bool manual) { manual_ = manual; }
  // Carries the oldest waiting operation out; false if none waits.
  bool Step();
  size_t waiting() const { return queue_.size(); }
  // How answers travel, once their operation has taken effect. By default they are there at once.
  using Deliver = std::function<void(std::function<void()> answer)>;
  void SetDelivery(Deliver deliver) { deliver_ = std::move(deliver); }

  const Contents& contents() const { return *contents_; }
  uint64_t commits() const { return commits_; }  // applied

 private:
  void Run(std::function<void()> operation);
  Fault TakeFault();
  Result<bool> DoCommit(const MetadataTxn& txn, Fault fault);
  Result<Entries> DoList(const std::string& prefix, Fault fault) const;
  Result<Lease> DoRenew(Fault fault);
  void DropOldLeases();
  void Answer(std::function<void()> answer);

  std::shared_ptr<Contents> contents_;
  Fault fault_ = Fault::kNone;
  int faults_left_ = 0;
  const Clock* clock_ = nullptr;
  std::optional<Duration> ttl_;  // none: the only router there is
  uint64_t session_ = 0;
  uint64_t sessions_begun_ = 0;
  Deliver deliver_;
  bool manual_ = false;
  std::deque<std::function<void()>> queue_;
  std::deque<MetadataTxn> late_;
  uint64_t commits_ = 0;
};

}  // namespace ringkv
