// admin accept-loss: slots without a quorum go on without what cannot be had back. It is shown
// first, exactly, and only what was shown and agreed to is done.
#include <unistd.h>

#include <iostream>
#include <map>
#include <vector>

#include "base/number_ranges.h"
#include "client/kvctl/copy_state.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/session.h"
#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

constexpr char kWord[] = "accept";

std::string Kept(const v1::BlockedReplica& replica) {
  const std::string node = Safe(replica.node());
  switch (replica.state()) {
    case v1::COPY_STATE_WHOLE:
      return node + "'s copy, which has all that it acknowledged";
    case v1::COPY_STATE_TAIL_LOST: {
      const uint64_t window = replica.lost_tail().window_ms();
      return node + "'s copy, which may lack what it acknowledged " +
             (window == 0 ? "at any time (durability os)"
                          : "in the last " + std::to_string(window) + " ms") +
             " before its loss of power";
    }
    default:
      return node +
             "'s copy, which may lack anything (a new disk, a damaged log, or a copy that was "
             "not complete yet)";
  }
}

// What is the same for many slots, without their numbers.
std::string Explain(const v1::GivenUp& slot) {
  std::string text;
  for (const v1::BlockedReplica& replica : slot.given_up()) {
    text += "  given up: " + Safe(replica.node()) +
            "'s copy, with every write that only it still has; it starts empty when " +
            Safe(replica.node()) + " comes back\n";
  }
  for (const v1::BlockedReplica& replica : slot.kept()) {
    text += "  goes on with: " + Kept(replica) + "\n";
  }
  return text;
}

void Print(const v1::AcceptLossResponse& plan, Output& output) {
  std::map<std::string, std::vector<uint32_t>> alike;
  for (const v1::GivenUp& slot : plan.slots()) alike[Explain(slot)].push_back(slot.slot());
  for (const auto& [what, slots] : alike) {
    output.Line((slots.size() == 1 ? "slot " : "slots ") + NumberRanges(slots) + " (" +
                std::to_string(slots.size()) + "):");
    output.Bytes(what);
  }
  if (plan.not_blocked().empty()) return;
  output.Line(
      "nothing to accept for slots " +
      NumberRanges({plan.not_blocked().data(), static_cast<size_t>(plan.not_blocked_size())}) +
      ": they have a quorum, or get it by themselves");
}

Json ReplicasJson(const google::protobuf::RepeatedPtrField<v1::BlockedReplica>& replicas) {
  Json list = Json::array();
  for (const v1::BlockedReplica& replica : replicas) {
    list.push_back(Json{{"node", replica.node()},
                        {"inc", std::to_string(replica.inc())},
                        {"state", CopyStateName(replica.state())},
                        {"window_ms", replica.has_lost_tail()
                                          ? Json(std::to_string(replica.lost_tail().window_ms()))
                                          : Json()}});
  }
  return list;
}

Json PlanJson(const v1::AcceptLossResponse& plan, bool done) {
  Json document;
  document["done"] = done;
  document["slots"] = Json::array();
  for (const v1::GivenUp& slot : plan.slots()) {
    document["slots"].push_back(Json{{"slot", slot.slot()},
                                     {"kept", ReplicasJson(slot.kept())},
                                     {"given_up", ReplicasJson(slot.given_up())}});
  }
  document["not_blocked"] = Json::array();
  for (uint32_t slot : plan.not_blocked()) document["not_blocked"].push_back(slot);
  return document;
}

bool Confirmed() {
  if (isatty(STDIN_FILENO) == 0) return false;
  Output::Note(std::string("type `") + kWord +
               "` to go on without it, anything else to leave it: ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == kWord;
}

}  // namespace

int RunAcceptLoss(const AcceptLossArgs& args, Session& session) {
  Output& output = session.output;
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return output.Fail(admin.status());
  v1::AcceptLossRequest request;
  request.set_all(args.all);
  for (uint32_t slot : args.slots) request.add_slots(slot);
  const Result<v1::AcceptLossResponse> plan = (*admin)->PlanAcceptedLoss(request);
  if (!plan.ok()) return output.Fail(plan.status());
  if (plan->slots().empty()) {
    if (output.json()) {
      output.Document(PlanJson(*plan, /*done=*/false));
    } else {
      output.Line("no such slot is without a quorum for good: nothing to accept");
    }
    return args.all ? kExitDone : kExitNo;
  }
  if (!output.json()) {
    Print(*plan, output);
    output.Flush();
  }
  if (!args.yes && (output.json() || !Confirmed())) {
    if (output.json()) {
      output.Document(PlanJson(*plan, /*done=*/false));
      return kExitRefused;
    }
    return output.Fail(Status::Refused("nothing was done: it was not agreed to (or give --yes)"));
  }
  request.set_agreed(plan->fingerprint());
  const Result<v1::AcceptLossResponse> done = (*admin)->AcceptLoss(request);
  if (!done.ok()) return output.Fail(done.status());
  if (output.json()) {
    output.Document(PlanJson(*done, /*done=*/true));
  } else {
    output.Line(
        "accepted: these slots go on as soon as what is kept is equal everywhere; see kvctl "
        "admin status");
  }
  return kExitDone;
}

}  // namespace ringkv
