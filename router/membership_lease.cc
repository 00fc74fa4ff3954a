// Membership: this router's lease with the metadata store (docs/protocol.md, "Leases"): how long
// single replicas may be read without asking anybody, and whether an earlier owner still may.
#include <algorithm>

#include "base/logging.h"
#include "router/membership.h"

namespace ringkv {

// The session comes before the ownership: whoever takes over finds it.
void Membership::Start() {
  if (!store_.LeaseTtl().has_value()) return Load();
  gate_.Close("asking the metadata store for a lease");
  RenewLease();
}

// Counts from before the question was sent: the store cannot have counted from earlier.
void Membership::RenewLease() {
  store_.RenewLease([this, ask = ++lease_.asks, sent = clock_.Now(),
                     as_owner = phase_ == Phase::kServing](Result<Lease> answer) {
    // An answer that was overtaken may be of an earlier moment than what is known.
    if (ask == lease_.asks) OnLease(sent, as_owner, std::move(answer));
  });
}

void Membership::OnLease(MonoTime sent, bool as_owner, Result<Lease> answer) {
  if (phase_ == Phase::kFailed) return;
  const Duration ttl = *store_.LeaseTtl();
  // One chain of renewals: the one that Serve sends beside it does not go on.
  const MonoTime again = answer.ok() ? sent + ttl / 4 : clock_.Now() + options_.retry;
  timers_.Cancel(lease_.timer);
  lease_.timer = timers_.Arm(std::max(again, clock_.Now()), [this] { RenewLease(); });
  if (!answer.ok()) {
    RINGKV_LOG_EVERY(std::chrono::seconds(5), kWarning, "membership",
                     "the lease could not be renewed: {}", answer.status().message());
    if (lease_.session == 0) gate_.Close("no lease yet: " + answer.status().message());
    return;
  }
  const bool first = lease_.session == 0;
  if (answer->session != lease_.session) {
    lease_.session = answer->session;
    lease_.until = MonoTime{};
  }
  lease_.until = std::max(lease_.until, sent + (ttl - ttl / 100 - options_.lease_margin));
  if (first) return Load();
  if (phase_ != Phase::kServing) return;
  if (lease_.confirmed == lease_.session) {
    data_.SetLeaseUntil(lease_.until);
  } else {
    // The last one had run out, and another router may have taken over without waiting for us.
    load_wanted_ = true;
  }
  if (as_owner) NotePredecessors(*answer);
  if (!answer->others.empty()) LookForATakeover();
  Pump();
}

// This router was the owner at some time after it held that session. Whoever takes over later finds
// the session, and waits for its end.
void Membership::ConfirmLease(uint64_t session) {
  if (session == 0) return;
  lease_.confirmed = session;
  if (session == lease_.session) data_.SetLeaseUntil(lease_.until);
}

// The store was asked after this router had taken over: whoever owned anything before and may still
// rely on it is among the others.
void Membership::NotePredecessors(const Lease& lease) {
  if (lease_.predecessors_gone) return;
  if (!lease_.predecessors.has_value()) lease_.predecessors = lease.others;
  std::erase_if(*lease_.predecessors, [&](uint64_t session) {
    return std::find(lease.others.begin(), lease.others.end(), session) == lease.others.end();
  });
  if (!lease_.predecessors->empty()) return;
  lease_.predecessors_gone = true;
  data_.PredecessorsGone();
}

// Somebody else is there: whoever takes over draws terms.
void Membership::LookForATakeover() {
  store_.List(std::string(kNextTermName), [this](Result<MetadataStore::Entries> entries) {
    if (phase_ != Phase::kServing || !entries.ok() || entries->empty()) return;
    if (entries->front().second == std::to_string(state_->next_term())) return;
    load_wanted_ = true;
    Pump();
  });
}

}  // namespace ringkv
