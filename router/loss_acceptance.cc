#include "router/loss_acceptance.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "router/cluster_report.h"
#include "router/op_status.h"

namespace ringkv {
namespace {

std::string Nodes(const google::protobuf::RepeatedPtrField<v1::BlockedReplica>& replicas) {
  std::string text;
  for (const v1::BlockedReplica& replica : replicas) {
    text += (text.empty() ? "" : ", ") + replica.node();
  }
  return text;
}

v1::AcceptLossResponse Refuse(const Status& why) {
  v1::AcceptLossResponse response;
  SetError(response.mutable_status(), why);
  return response;
}

uint64_t Fingerprint(const v1::AcceptLossResponse& plan) {
  std::string bytes;
  for (const v1::GivenUp& slot : plan.slots()) slot.AppendToString(&bytes);
  const uint64_t hash = XXH3_64bits(bytes.data(), bytes.size());
  return hash == 0 ? 1 : hash;  // 0 stands for "nothing was agreed to"
}

v1::GivenUp Divide(const v1::BlockedSlot& slot) {
  v1::GivenUp divided;
  divided.set_slot(slot.slot());
  for (const v1::BlockedReplica& replica : slot.replicas()) {
    const bool there = replica.state() != v1::COPY_STATE_UNREACHABLE;
    *(there ? divided.add_kept() : divided.add_given_up()) = replica;
  }
  auto by_node = [](const v1::BlockedReplica& a, const v1::BlockedReplica& b) {
    return a.node() < b.node();
  };
  std::sort(divided.mutable_kept()->begin(), divided.mutable_kept()->end(), by_node);
  std::sort(divided.mutable_given_up()->begin(), divided.mutable_given_up()->end(), by_node);
  return divided;
}

std::vector<AcceptedLoss> LossesOf(const v1::AcceptLossResponse& plan) {
  std::vector<AcceptedLoss> losses;
  for (const v1::GivenUp& slot : plan.slots()) {
    AcceptedLoss& loss = losses.emplace_back();
    loss.slot = SlotId(slot.slot());
    auto add = [](const v1::BlockedReplica& replica, std::vector<v1::ReplicaRef>* to) {
      to->emplace_back().set_node(replica.node());
      to->back().set_inc(replica.inc());
    };
    for (const v1::BlockedReplica& replica : slot.kept()) add(replica, &loss.kept);
    for (const v1::BlockedReplica& replica : slot.given_up()) add(replica, &loss.given_up);
  }
  return losses;
}

}  // namespace

v1::AcceptLossResponse PlanLoss(const ClusterView& view, const std::vector<SlotReport>& blocked,
                                const v1::AcceptLossRequest& request) {
  if (view.state == nullptr) return Refuse(Status::Unavailable("no cluster is known yet"));
  if (request.all() == (request.slots_size() > 0)) {
    return Refuse(Status::InvalidArgument("name slots, or all of them"));
  }
  const uint32_t slots = view.state->identity().slots();
  std::set<uint32_t> named(request.slots().begin(), request.slots().end());
  if (!named.empty() && *named.rbegin() >= slots) {
    return Refuse(Status::InvalidArgument("there is no slot " + std::to_string(*named.rbegin()) +
                                          ": slots are 0 to " + std::to_string(slots - 1)));
  }
  v1::AcceptLossResponse plan;
  for (const SlotReport& report : blocked) {
    if (!request.all() && named.count(report.slot.value()) == 0) continue;
    const v1::BlockedSlot slot = DescribeBlockedSlot(view, report);
    // All replicas are back: their union is made without anybody's word.
    if (slot.by() == v1::BLOCKED_BY_UNION) continue;
    named.erase(report.slot.value());
    // The whole group goes on under a fresh term, which forgets what is known of its copies.
    if (report.filling.has_value()) {
      return Refuse(Status::Unavailable(
          "slot " + std::to_string(report.filling->value()) +
          ", which is owned together with slot " + std::to_string(slot.slot()) +
          ", is being filled by its only complete copy, which would be forgotten: try again when "
          "that is done"));
    }
    for (const ReplicaReport& replica : report.replicas) {
      if (replica.learner || !replica.responds || replica.reachable) continue;
      return Refuse(
          Status::Unavailable("a node has just come back and is being asked what it has of "
                              "slot " +
                              std::to_string(slot.slot()) + ": try again"));
    }
    v1::GivenUp divided = Divide(slot);
    if (divided.kept().empty()) {
      return Refuse(Status::Unavailable(
          "no replica of slot " + std::to_string(slot.slot()) +
          " answers, so that there is nothing to go on with: start one of " +
          Nodes(divided.given_up()) + " first, with an empty disk if there is no other"));
    }
    *plan.add_slots() = std::move(divided);
  }
  if (!request.all()) {
    for (uint32_t slot : named) plan.add_not_blocked(slot);
  }
  SetDone(plan.mutable_status());
  plan.set_fingerprint(Fingerprint(plan));
  return plan;
}

void LossAcceptance::Answer(const v1::AcceptLossRequest& request,
                            std::function<void(v1::AcceptLossResponse)> done) {
  data_.DescribeBlocked([this, request, done = std::move(done)](std::vector<SlotReport> blocked) {
    v1::AcceptLossResponse plan = PlanLoss(*view_(), blocked, request);
    const bool ok = plan.status().outcome() == v1::OUTCOME_DONE;
    if (!ok || request.agreed() == 0) return done(std::move(plan));
    if (plan.fingerprint() != request.agreed()) {
      return done(Refuse(Status::Refused(
          "what would be given up has changed since it was shown: look again; nothing was done")));
    }
    std::vector<AcceptedLoss> losses = LossesOf(plan);
    commit_(std::move(losses), [plan = std::move(plan), done](const Status& status) mutable {
      if (status.ok()) {
        plan.set_done(true);
      } else {
        SetError(plan.mutable_status(), status);
        if (status.code() == StatusCode::kUnknownOutcome) {
          plan.mutable_status()->set_outcome(v1::OUTCOME_UNKNOWN);
          plan.mutable_status()->set_code(v1::ERROR_CODE_TIMED_OUT);
        }
      }
      done(std::move(plan));
    });
  });
}

}  // namespace ringkv
