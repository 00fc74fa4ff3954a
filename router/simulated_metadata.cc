#include "router/simulated_metadata.h"

#include <charconv>
#include <cstdio>

namespace ringkv {
namespace {

constexpr std::string_view kLeasePrefix = "lease/";
constexpr std::string_view kSessionsName = "sessions";

std::string LeaseName(uint64_t session) {
  char name[32];
  std::snprintf(name, sizeof name, "lease/%08llu", static_cast<unsigned long long>(session));
  return name;
}

uint64_t Number(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

void SimulatedMetadata::Answer(std::function<void()> answer) {
  if (deliver_) return deliver_(std::move(answer));
  answer();
}

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
  Run([this, txn = std::move(txn), done = std::move(done)] {
    Answer([done, result = DoCommit(txn, TakeFault())] { done(result); });
  });
}

Result<bool> SimulatedMetadata::DoCommit(const MetadataTxn& txn, Fault fault) {
  if (fault == Fault::kUnavailable) return Status::Unavailable("simulated: metadata unreachable");
  if (fault == Fault::kLostNotApplied) return Status::UnknownOutcome("simulated: answer lost");
  if (fault == Fault::kLate) {
    late_.push_back(txn);
    return Status::UnknownOutcome("simulated: no answer in time");
  }
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

bool SimulatedMetadata::ApplyLate() {
  if (late_.empty()) return false;
  const MetadataTxn txn = std::move(late_.front());
  late_.pop_front();
  (void)DoCommit(txn, Fault::kNone);
  return true;
}

void SimulatedMetadata::List(std::string prefix, std::function<void(Result<Entries>)> done) {
  Run([this, prefix = std::move(prefix), done = std::move(done)] {
    Answer([done, result = DoList(prefix, TakeFault())] { done(result); });
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

void SimulatedMetadata::RenewLease(std::function<void(Result<Lease>)> done) {
  Run([this, done = std::move(done)] {
    Answer([done, result = DoRenew(TakeFault())] { done(result); });
  });
}

Result<Lease> SimulatedMetadata::DoRenew(Fault fault) {
  if (fault == Fault::kUnavailable || fault == Fault::kLostNotApplied || fault == Fault::kLate) {
    return Status::Unavailable("simulated: metadata unreachable");
  }
  Lease lease;
  if (ttl_.has_value()) {
    DropOldLeases();
    if (session_ == 0 || !contents_->contains(LeaseName(session_))) {
      session_ = Number((*contents_)[std::string(kSessionsName)]) + 1;
      (*contents_)[std::string(kSessionsName)] = std::to_string(session_);
      ++sessions_begun_;
    }
    (*contents_)[LeaseName(session_)] = std::to_string((clock_->Now() + *ttl_).ns);
    for (auto it = contents_->lower_bound(std::string(kLeasePrefix));
         it != contents_->end() && it->first.starts_with(kLeasePrefix); ++it) {
      const uint64_t other = Number(std::string_view(it->first).substr(kLeasePrefix.size()));
      if (other != session_) lease.others.push_back(other);
    }
    lease.session = session_;
  } else {
    lease.session = 1;
  }
  if (fault == Fault::kLostApplied) return Status::Unavailable("simulated: answer lost");
  return lease;
}

void SimulatedMetadata::DropOldLeases() {
  std::erase_if(*contents_, [this](const auto& entry) {
    return entry.first.starts_with(kLeasePrefix) &&
           static_cast<int64_t>(Number(entry.second)) <= clock_->Now().ns;
  });
}

}  // namespace ringkv
