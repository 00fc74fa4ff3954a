#include "router/simulated_metadata.h"

namespace ringkv {

void SimulatedMetadata::Run(std::function<void()> operation) {
  if (manual_) {
    queue_.push_back(std::move(operation));
  } else {
    operation();
  }
}

bool SimulatedMetadata::Step() {
  if (queue_.empty()) return false;
  std::function<void()> operation = std::move(queue_.front());
  queue_.pop_front();
  operation();
  return true;
}

SimulatedMetadata::Fault SimulatedMetadata::TakeFault() {
  if (faults_left_ == 0) return Fault::kNone;
  --faults_left_;
  return fault_;
}

void SimulatedMetadata::Commit(MetadataTxn txn, std::function<void(Result<bool>)> done) {
  Run([this, txn = std::move(txn), done = std::move(done)] { done(DoCommit(txn, TakeFault())); });
}

Result<bool> SimulatedMetadata::DoCommit(const MetadataTxn& txn, Fault fault) {
  if (fault == Fault::kUnavailable) return Status::Unavailable("simulated: metadata unreachable");
  if (fault == Fault::kLostNotApplied) return Status::UnknownOutcome("simulated: answer lost");
  for (const auto& [name, expected] : txn.expect) {
    auto found = contents_->find(name);
    const bool there = found != contents_->end();
    if (there != expected.has_value()) return false;
    if (there && found->second != *expected) return false;
  }
  for (const auto& [name, value] : txn.puts) (*contents_)[name] = value;
  for (const std::string& name : txn.erases) contents_->erase(name);
  ++commits_;
  if (fault == Fault::kLostApplied) return Status::UnknownOutcome("simulated: answer lost");
  return true;
}

void SimulatedMetadata::List(std::string prefix, std::function<void(Result<Entries>)> done) {
  Run([this, prefix = std::move(prefix), done = std::move(done)] {
    done(DoList(prefix, TakeFault()));
  });
}

Result<MetadataStore::Entries> SimulatedMetadata::DoList(const std::string& prefix,
                                                         Fault fault) const {
  if (fault != Fault::kNone) return Status::Unavailable("simulated: metadata unreachable");
  Entries entries;
  for (auto it = contents_->lower_bound(prefix); it != contents_->end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    entries.push_back(*it);
  }
  return entries;
}

}  // namespace ringkv
