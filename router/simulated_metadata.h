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
  };

  explicit SimulatedMetadata(std::shared_ptr<Contents> contents = std::make_shared<Contents>())
      : contents_(std::move(contents)) {}

  void Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) override;
  void List(std::string prefix, std::function<void(Result<Entries>)> done) override;
  MonoTime LeaseUntil() const override { return lease_until_; }
  bool PredecessorsGone() const override { return predecessors_gone_; }

  // The next `times` operations meet `fault`.
  void Inject(Fault fault, int times) { fault_ = fault, faults_left_ = times; }
  void SetLeaseUntil(MonoTime until) { lease_until_ = until; }
  void SetPredecessorsGone(bool gone) { predecessors_gone_ = gone; }

  void SetManual(bool manual) { manual_ = manual; }
  // Carries the oldest waiting operation out; false if none waits.
  bool Step();
  size_t waiting() const { return queue_.size(); }

  const Contents& contents() const { return *contents_; }
  uint64_t commits() const { return commits_; }  // applied

 private:
  void Run(std::function<void()> operation);
  Fault TakeFault();
  Result<bool> DoCommit(const MetadataTxn& txn, Fault fault);
  Result<Entries> DoList(const std::string& prefix, Fault fault) const;

  std::shared_ptr<Contents> contents_;
  Fault fault_ = Fault::kNone;
  int faults_left_ = 0;
  MonoTime lease_until_ = kNever;
  bool predecessors_gone_ = true;
  bool manual_ = false;
  std::deque<std::function<void()>> queue_;
  uint64_t commits_ = 0;
};

}  // namespace ringkv
