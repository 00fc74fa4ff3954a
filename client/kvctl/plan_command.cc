// admin plan: what a change of the ring would move.
#include <algorithm>
#include <vector>

#include "client/kvctl/exit_code.h"
#include "client/kvctl/session.h"
#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

// Of each table, for people; `--all` prints every one.
constexpr size_t kMostLines = 20;

std::string Count(uint64_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string Arrow(const std::string& before, const std::string& after) {
  return before == after ? after : before + " -> " + after;
}

// What is asked for, as a kvctl command has it.
struct Change {
  std::string kind;
  std::string node;       // empty: of no node
  uint32_t vnodes = 0;    // 0: not said
  uint32_t replicas = 0;  // 0: not said
};

Change ChangeOf(const v1::PlanChangeRequest& request) {
  switch (request.change_case()) {
    case v1::PlanChangeRequest::kAddNode:
      return {"add-node", request.add_node().node(), request.add_node().vnodes(), 0};
    case v1::PlanChangeRequest::kRemoveNode:
      return {"remove-node", request.remove_node().node(), 0, 0};
    case v1::PlanChangeRequest::kSetVnodes:
      return {"set-vnodes", request.set_vnodes().node(), request.set_vnodes().vnodes(), 0};
    case v1::PlanChangeRequest::kSetReplicas:
      return {"set-replicas", "", 0, request.set_replicas().replicas()};
    case v1::PlanChangeRequest::CHANGE_NOT_SET:
      break;
  }
  return {};
}

// ---- for people

std::string Heading(const Change& change, const v1::PlanChangeResponse& plan) {
  std::string text = change.kind;
  if (!change.node.empty()) text += " " + change.node;
  for (const v1::PlannedNode& node : plan.nodes()) {
    if (node.id() != change.node) continue;
    if (change.kind == "add-node") text += " at " + Safe(node.address());
    if (node.after().vnodes() > 0) text += " with " + Count(node.after().vnodes(), "vnode");
  }
  if (change.replicas > 0) text += " " + std::to_string(change.replicas);
  return text;
}

std::string MoreThanLeast(const v1::PlanChangeResponse& plan) {
  std::string text = "the new shares alone need " + std::to_string(plan.least_moves());
  if (plan.detour() == v1::PLAN_DETOUR_DISTINCT_NODES) {
    text += ", but replicas of a slot have to be on different nodes";
  } else if (plan.detour() == v1::PLAN_DETOUR_ZONES) {
    text += ", but replicas of a slot have to be in different zones";
  }
  return text;
}

void PrintSummary(const Change& change, const v1::PlanChangeResponse& plan, Output& output) {
  const uint64_t changed = plan.moves() + plan.drops();
  std::string line = Heading(change, plan) + ": ";
  line += Count(plan.moves(), "slot replica") + " to copy, about " + ShortBytes(plan.bytes());
  if (plan.drops() > 0) line += "; " + Count(plan.drops(), "slot replica") + " to drop";
  if (changed > 0) {
    line += changed == plan.least_moves() ? "; the fewest possible" : "; " + MoreThanLeast(plan);
  }
  output.Line(line);
  output.Line("planned on epoch " + std::to_string(plan.epoch()) + ", " +
              Count(plan.slots(), "slot") + ", " +
              Arrow(std::to_string(plan.replicas_before()), std::to_string(plan.replicas_after())) +
              (plan.replicas_after() == 1 ? " replica" : " replicas") +
              "; nothing is changed; bytes are estimated, before compression");
  for (const std::string& note : plan.notes()) output.Line("note: " + Safe(note));
  for (const v1::SilentNode& node : plan.silent_nodes()) {
    output.Line("note: " + Safe(node.id()) +
                " does not tell the sizes of its slots: " + Safe(node.why()));
  }
  if (plan.slots_without_estimate() > 0) {
    output.Line("note: bytes are without those of " + Count(plan.slots_without_estimate(), "slot") +
                ", of which no node tells the size");
  }
}

// The line after a table of which not all is shown.
void PrintRest(size_t rest, const std::string& what, Output& output) {
  if (rest > 0) output.Line("and " + Count(rest, "more " + what) + "; --all shows them");
}

void PrintTransfers(const v1::PlanChangeResponse& plan, size_t most, Output& output) {
  std::vector<const v1::PlannedTransfer*> transfers;
  for (const v1::PlannedTransfer& transfer : plan.transfers()) transfers.push_back(&transfer);
  if (transfers.empty()) return;
  // The greatest first; those of one node stay together among equals.
  std::stable_sort(transfers.begin(), transfers.end(),
                   [](const auto* a, const auto* b) { return a->slots() > b->slots(); });
  using A = TextTable::Align;
  TextTable table({{"FROM"}, {"TO"}, {"SLOTS", A::kRight}, {"BYTES (EST.)", A::kRight}});
  const size_t shown = std::min(most, transfers.size());
  for (size_t i = 0; i < shown; ++i) {
    const v1::PlannedTransfer& transfer = *transfers[i];
    table.Add({transfer.from().empty() ? "(one more copy)" : Safe(transfer.from()),
               transfer.to().empty() ? "(dropped)" : Safe(transfer.to()),
               std::to_string(transfer.slots()), ShortBytes(transfer.bytes())});
  }
  output.Line("");
  table.Print(output);
  PrintRest(transfers.size() - shown, "pair", output);
}

uint64_t ReplicasChanged(const v1::PlannedNode& node) {
  const uint64_t before = node.before().replicas();
  const uint64_t after = node.after().replicas();
  return before > after ? before - after : after - before;
}

void PrintNodes(const v1::PlanChangeResponse& plan, size_t most, Output& output) {
  std::vector<const v1::PlannedNode*> nodes;
  for (const v1::PlannedNode& node : plan.nodes()) nodes.push_back(&node);
  if (nodes.size() > most) {
    std::stable_sort(nodes.begin(), nodes.end(), [](const auto* a, const auto* b) {
      return ReplicasChanged(*a) > ReplicasChanged(*b);
    });
  }
  using A = TextTable::Align;
  TextTable table({{"NODE"},
                   {"ZONE"},
                   {"VNODES", A::kRight},
                   {"SHARE", A::kRight},
                   {"REPLICAS", A::kRight},
                   {"PRIMARIES", A::kRight},
                   {"BYTES (EST.)", A::kRight}});
  const size_t shown = std::min(most, nodes.size());
  for (size_t i = 0; i < shown; ++i) {
    const v1::PlannedNode& node = *nodes[i];
    const v1::NodePortion& was = node.before();
    const v1::NodePortion& will_be = node.after();
    const auto number = [](uint64_t n) { return std::to_string(n); };
    table.Add({Safe(node.id()), OrDash(node.zone()),
               Arrow(number(was.vnodes()), number(will_be.vnodes())),
               Arrow(Percent(was.share()), Percent(will_be.share())),
               Arrow(number(was.replicas()), number(will_be.replicas())),
               Arrow(number(was.primaries()), number(will_be.primaries())),
               Arrow(ShortBytes(was.bytes()), ShortBytes(will_be.bytes()))});
  }
  output.Line("");
  table.Print(output);
  PrintRest(nodes.size() - shown, "node", output);
  output.Line("");
  output.Line(
      "max/mean " +
      Arrow(Fixed(plan.before().max_over_mean(), 4), Fixed(plan.after().max_over_mean(), 4)) +
      ", stddev " + Arrow(Fixed(plan.before().stddev(), 2), Fixed(plan.after().stddev(), 2)) +
      " slots");
}

// ---- for programs

std::string DetourName(v1::PlanDetour detour) {
  switch (detour) {
    case v1::PLAN_DETOUR_NONE:
      return "none";
    case v1::PLAN_DETOUR_DISTINCT_NODES:
      return "distinct-nodes";
    case v1::PLAN_DETOUR_ZONES:
      return "zones";
    default:
      return "unknown";
  }
}

Json NameOrNull(const std::string& name) { return name.empty() ? Json() : Json(name); }
Json NumberOrNull(uint32_t number) { return number == 0 ? Json() : Json(number); }

Json PortionJson(const v1::NodePortion& portion) {
  return Json{{"vnodes", portion.vnodes()},
              {"replicas", std::to_string(portion.replicas())},
              {"primaries", std::to_string(portion.primaries())},
              {"share", portion.share()},
              {"fair_share", portion.fair_share()},
              {"bytes", std::to_string(portion.bytes())}};
}

Json EvennessJson(const v1::RingEvenness& evenness) {
  return Json{{"max_over_mean", evenness.max_over_mean()},
              {"stddev", evenness.stddev()},
              {"primaries_max_over_mean", evenness.primaries_max_over_mean()}};
}

Json PlanJson(const Change& change, const v1::PlanChangeResponse& plan) {
  Json document;
  document["change"] = Json{{"kind", change.kind},
                            {"node", NameOrNull(change.node)},
                            {"vnodes", NumberOrNull(change.vnodes)},
                            {"replicas", NumberOrNull(change.replicas)}};
  document["epoch"] = std::to_string(plan.epoch());
  document["slots"] = plan.slots();
  document["replicas_before"] = plan.replicas_before();
  document["replicas_after"] = plan.replicas_after();
  document["moves"] = std::to_string(plan.moves());
  document["drops"] = std::to_string(plan.drops());
  document["least_moves"] = std::to_string(plan.least_moves());
  document["detour"] = DetourName(plan.detour());
  document["bytes"] = std::to_string(plan.bytes());
  document["bytes_are_estimated"] = true;
  document["slots_without_estimate"] = std::to_string(plan.slots_without_estimate());
  document["silent_nodes"] = Json::array();
  for (const v1::SilentNode& node : plan.silent_nodes()) {
    document["silent_nodes"].push_back(Json{{"id", node.id()}, {"why", node.why()}});
  }
  document["notes"] = Json::array();
  for (const std::string& note : plan.notes()) document["notes"].push_back(note);
  document["balance"] =
      Json{{"before", EvennessJson(plan.before())}, {"after", EvennessJson(plan.after())}};
  document["transfers"] = Json::array();
  for (const v1::PlannedTransfer& transfer : plan.transfers()) {
    document["transfers"].push_back(Json{{"from", NameOrNull(transfer.from())},
                                         {"to", NameOrNull(transfer.to())},
                                         {"slots", std::to_string(transfer.slots())},
                                         {"bytes", std::to_string(transfer.bytes())}});
  }
  document["nodes"] = Json::array();
  for (const v1::PlannedNode& node : plan.nodes()) {
    document["nodes"].push_back(Json{{"id", node.id()},
                                     {"address", node.address()},
                                     {"zone", node.zone()},
                                     {"before", PortionJson(node.before())},
                                     {"after", PortionJson(node.after())}});
  }
  return document;
}

}  // namespace

int RunPlan(const PlanArgs& args, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  const Result<v1::PlanChangeResponse> plan = (*admin)->PlanChange(args.request);
  if (!plan.ok()) return session.output.Fail(plan.status());
  const Change change = ChangeOf(args.request);
  if (session.output.json()) {
    session.output.Document(PlanJson(change, *plan));
    return kExitDone;
  }
  const size_t most = args.all ? SIZE_MAX : kMostLines;
  PrintSummary(change, *plan, session.output);
  PrintTransfers(*plan, most, session.output);
  PrintNodes(*plan, most, session.output);
  return kExitDone;
}

}  // namespace ringkv
