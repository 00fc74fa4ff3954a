// Membership: groups that this router owns are taken again under fresh terms (R11), because their
// slots can go on only under a term in which nothing was sent, or because an operator has given up
// copies that cannot be had back.
#include <algorithm>
#include <set>
#include <utility>

#include "base/logging.h"
#include "ring/hash.h"
#include "router/membership.h"

namespace ringkv {
void Membership::NeedTerm(TermRequest request) {
  if (phase_ != Phase::kServing) return;  // it is asked for again
  const bool waits = std::any_of(retakes_.begin(), retakes_.end(), [&](const Retake& retake) {
    return retake.asked.has_value() && retake.asked->group == request.group;
  });
  if (waits) return;
  Retake retake;
  retake.groups.push_back(request.group);
  retake.united = request.slots;
  retake.asked = std::move(request);
  retakes_.push_back(std::move(retake));
  Pump();
}

void Membership::AcceptLoss(std::vector<AcceptedLoss> losses, Done done) {
  if (phase_ != Phase::kServing) return done(Status::Unavailable(gate_.why_closed()));
  if (!MayChangeRows()) {
    return done(Status::Unavailable(
        "the lease of an earlier router is not over yet, and it may still read the copies that "
        "would be given up: try again in a moment"));
  }
  const v1::ClusterIdentity& cluster = state_->identity();
  std::set<GroupId> groups;
  for (const AcceptedLoss& loss : losses) {
    groups.insert(GroupOf(loss.slot, cluster.slots(), cluster.groups()));
  }
  Retake retake;
  retake.groups.assign(groups.begin(), groups.end());
  retake.losses = std::move(losses);
  retake.done = std::move(done);
  retakes_.push_back(std::move(retake));
  Pump();
}

void Membership::BeginRetake() {
  Retake& retake = retakes_.front();
  if (retake.asked.has_value()) {
    const v1::GroupOwnership& group = state_->groups()[retake.asked->group.value()];
    if (Term(group.term()) != retake.asked->term) return AnswerRetake(Status::Ok());
  }
  if (retake.tried.size() >= kMaxAttempts) {
    return AnswerRetake(Status::Unavailable("the metadata keeps changing"));
  }
  Result<MetadataTxn> txn = RetakeOwnership(*state_, options_.router, retake.groups, retake.united,
                                            retake.losses, random_);
  if (!txn.ok()) return AnswerRetake(txn.status());
  ClusterState next = *state_;
  if (Status applied = next.Apply(*txn); !applied.ok()) return Fail(applied);
  std::vector<uint64_t>& owners = retake.tried.emplace_back();
  for (GroupId group : retake.groups) {
    owners.push_back(next.groups()[group.value()].owner());
  }
  busy_ = true;
  store_.Commit(*txn, [this, txn = *txn](Result<bool> result) {
    busy_ = false;
    OnRetaken(txn, std::move(result));
  });
}

void Membership::OnRetaken(const MetadataTxn& txn, Result<bool> result) {
  if (!result.ok() && result.status().code() != StatusCode::kUnknownOutcome) {
    AnswerRetake(
        Status::Unavailable("the metadata store does not answer: " + result.status().message()));
    return Pump();
  }
  if (!result.ok()) return LoadInDoubt();  // it shows whether it has happened
  if (!*result) return Load();
  if (!Apply(txn)) return;
  FinishRetake(retakes_.front().tried.back());
}

// The owners of the attempt that is what the metadata says now; null: of none.
const std::vector<uint64_t>* Membership::OwnersAfterRetake() const {
  if (retakes_.empty()) return nullptr;
  const Retake& retake = retakes_.front();
  for (const std::vector<uint64_t>& owners : retake.tried) {
    size_t ours = 0;
    for (size_t i = 0; i < owners.size(); ++i) {
      if (state_->groups()[retake.groups[i].value()].owner() == owners[i]) ++ours;
    }
    if (ours == owners.size()) return &owners;
  }
  return nullptr;
}

void Membership::FinishRetake(const std::vector<uint64_t>& owners) {
  const Retake& retake = retakes_.front();
  std::vector<GroupGrant> grants;
  for (size_t i = 0; i < retake.groups.size(); ++i) {
    owners_[retake.groups[i].value()] = owners[i];
    grants.push_back(GrantOf(state_->groups()[retake.groups[i].value()]));
  }
  for (const AcceptedLoss& loss : retake.losses) {
    for (GroupGrant& grant : grants) {
      for (SlotGrant& slot : grant.slots) {
        if (slot.slot != loss.slot) continue;
        slot.loss_accepted = true;
        for (const v1::ReplicaRef& lost : loss.given_up) {
          for (ReplicaGrant& replica : slot.replicas) {
            if (replica.peer == peers_.at(lost.node())) replica.in_place_of_lost = true;
          }
        }
      }
    }
  }
  RINGKV_LOG(kWarning, "membership", "took {} groups again under fresh terms, for {} slots{}",
             retake.groups.size(), retake.united.size() + retake.losses.size(),
             retake.losses.empty() ? " that go on with the union of their replicas"
                                   : " whose losses an operator has accepted");
  data_.TakeGroups(std::move(grants));
  Publish();
  AnswerRetake(Status::Ok());
  if (!StillOwner()) {
    return Fail(Status::Refused("another router has taken this cluster over"));
  }
  Pump();
}

void Membership::AnswerRetake(const Status& status) {
  Retake first = std::move(retakes_.front());
  retakes_.pop_front();
  if (!status.ok()) {
    RINGKV_LOG(kError, "membership", "could not take {} groups again: {}", first.groups.size(),
               status.message());
  }
  if (first.done) first.done(status);
}

}  // namespace ringkv
