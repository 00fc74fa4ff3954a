// admin status, admin ring and admin locate.
#include <algorithm>
#include <cstdio>

#include "base/hex.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/copy_state.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/migration_text.h"
#include "client/kvctl/session.h"
#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

std::string HealthName(v1::Health health) {
  switch (health) {
    case v1::HEALTH_OK:
      return "ok";
    case v1::HEALTH_DEGRADED:
      return "degraded";
    case v1::HEALTH_BLOCKED:
      return "blocked";
    default:
      return "unknown";
  }
}

std::string ReachName(v1::Reach reach) {
  switch (reach) {
    case v1::REACH_UP:
      return "up";
    case v1::REACH_DOWN:
      return "down";
    case v1::REACH_STARTING:
      return "starting";
    default:
      return "unknown";
  }
}

std::string StateName(v1::NodeState state) {
  switch (state) {
    case v1::NODE_STATE_WAITING:
      return "waiting";
    case v1::NODE_STATE_MEMBER:
      return "member";
    case v1::NODE_STATE_DRAINING:
      return "draining";
    case v1::NODE_STATE_REMOVED:
      return "removed";
    default:
      return "unknown";
  }
}

// Slot replicas of the node that do not hold everything yet, and versions that it was not sent.
std::string Lag(const v1::NodeStatus& node) {
  const uint64_t unclean = node.slots() - std::min(node.clean_slots(), node.slots());
  if (unclean == 0 && node.behind_keys() == 0) return "-";
  std::string text;
  if (unclean > 0) text = std::to_string(unclean) + " slots";
  if (node.behind_keys() > 0) {
    text += (text.empty() ? "" : ", ") + std::to_string(node.behind_keys()) + " keys";
  }
  return text;
}

std::string BlockedByName(v1::BlockedBy by) {
  switch (by) {
    case v1::BLOCKED_BY_ABSENCE:
      return "absence";
    case v1::BLOCKED_BY_LOSS:
      return "loss";
    case v1::BLOCKED_BY_UNION:
      return "union";
    default:
      return "unknown";
  }
}

// After a loss of power everywhere: what may be missing.
void PrintUnions(const v1::UnionReport& unions, Output& output) {
  if (unions.slots() == 0) return;
  output.Line("losses    " + std::to_string(unions.slots()) +
              " slots went on with the union of their replicas, the last at " +
              TimeJson(unions.last_at_ms()).get<std::string>());
  output.Line("          missing may be what was acknowledged " +
              (unions.window_ms() == 0
                   ? std::string("before; no bound is known")
                   : "in the last " + std::to_string(unions.window_ms()) + " ms before") +
              (unions.accepted_slots() == 0 ? std::string()
                                            : "; in " + std::to_string(unions.accepted_slots()) +
                                                  " slots also what an operator gave up"));
}

Json BlockedJson(const v1::GetClusterResponse& cluster) {
  Json list = Json::array();
  for (const v1::BlockedSlot& slot : cluster.blocked()) {
    Json replicas = Json::array();
    for (const v1::BlockedReplica& replica : slot.replicas()) {
      replicas.push_back(
          Json{{"node", replica.node()},
               {"inc", std::to_string(replica.inc())},
               {"state", CopyStateName(replica.state())},
               {"window_ms", replica.has_lost_tail()
                                 ? Json(std::to_string(replica.lost_tail().window_ms()))
                                 : Json()}});
    }
    list.push_back(
        Json{{"slot", slot.slot()}, {"by", BlockedByName(slot.by())}, {"replicas", replicas}});
  }
  return list;
}

void PrintStatus(const v1::GetClusterResponse& cluster, Output& output) {
  const v1::SlotHealth& slots = cluster.slot_health();
  output.Line("health    " + HealthName(cluster.health()));
  for (const std::string& reason : cluster.reasons()) output.Line("          - " + Safe(reason));
  output.Line("cluster   epoch " + std::to_string(cluster.epoch()) + ", " +
              std::to_string(cluster.slots()) + " slots, " + std::to_string(cluster.replicas()) +
              (cluster.replicas() == 1 ? " replica" : " replicas"));
  output.Line("router    " + OrDash(cluster.router()) + ", version " + OrDash(cluster.version()));
  const uint64_t partial = slots.total() - std::min(slots.fully_replicated(), slots.total());
  output.Line("slots     " + std::to_string(slots.fully_replicated()) + " fully replicated" +
              (partial == 0
                   ? ""
                   : ", " + std::to_string(partial) + " not: " + std::to_string(slots.degraded()) +
                         " degraded, " + std::to_string(slots.blocked()) + " blocked"));
  PrintUnions(cluster.unions(), output);
  output.Line("");
  using A = TextTable::Align;
  TextTable table({{"NODE"},
                   {"ADDRESS"},
                   {"ZONE"},
                   {"VNODES", A::kRight},
                   {"STATE"},
                   {"REACH"},
                   {"SHARE", A::kRight},
                   {"SLOTS", A::kRight},
                   {"BYTES", A::kRight},
                   {"OPS/S", A::kRight},
                   {"LAG"}});
  for (const v1::NodeStatus& node : cluster.nodes()) {
    table.Add({Safe(node.node().id()), Safe(node.node().address()), OrDash(node.node().zone()),
               std::to_string(node.node().vnodes()), StateName(node.node().state()),
               ReachName(node.reach()), Percent(node.share()), std::to_string(node.slots()),
               ShortBytes(node.bytes()), Fixed(node.ops_per_second(), 0), Lag(node)});
  }
  table.Print(output);
  for (const v1::MigrationStatus& migration : cluster.migrations()) {
    output.Line("migration " + std::to_string(migration.record().id()) + ": " +
                Safe(ProgressText(migration)));
  }
  for (const v1::NodeStatus& node : cluster.nodes()) {
    if (!node.why().empty()) output.Line(Safe(node.node().id()) + ": " + Safe(node.why()));
  }
}

Json StatusJson(const v1::GetClusterResponse& cluster) {
  const v1::SlotHealth& slots = cluster.slot_health();
  Json document;
  document["health"] = HealthName(cluster.health());
  document["reasons"] = Json::array();
  for (const std::string& reason : cluster.reasons()) document["reasons"].push_back(reason);
  document["cluster_uuid"] = Hex(cluster.cluster_uuid());
  document["router"] = cluster.router();
  document["version"] = cluster.version();
  document["epoch"] = std::to_string(cluster.epoch());
  document["replicas"] = cluster.replicas();
  document["slots"] = cluster.slots();
  document["groups"] = cluster.groups();
  document["slot_health"] = Json{{"total", std::to_string(slots.total())},
                                 {"fully_replicated", std::to_string(slots.fully_replicated())},
                                 {"degraded", std::to_string(slots.degraded())},
                                 {"blocked", std::to_string(slots.blocked())}};
  document["migrations"] = Json::array();
  for (const v1::MigrationStatus& migration : cluster.migrations()) {
    document["migrations"].push_back(MigrationJson(migration));
  }
  document["blocked"] = BlockedJson(cluster);
  document["unions"] = Json{{"slots", std::to_string(cluster.unions().slots())},
                            {"accepted_slots", std::to_string(cluster.unions().accepted_slots())},
                            {"last_at", TimeJson(cluster.unions().last_at_ms())},
                            {"window_ms", std::to_string(cluster.unions().window_ms())}};
  document["nodes"] = Json::array();
  for (const v1::NodeStatus& node : cluster.nodes()) {
    document["nodes"].push_back(Json{{"id", node.node().id()},
                                     {"address", node.node().address()},
                                     {"http_address", node.node().http_address()},
                                     {"zone", node.node().zone()},
                                     {"vnodes", node.node().vnodes()},
                                     {"state", StateName(node.node().state())},
                                     {"reach", ReachName(node.reach())},
                                     {"why", node.why()},
                                     {"share", node.share()},
                                     {"slots", std::to_string(node.slots())},
                                     {"primaries", std::to_string(node.primaries())},
                                     {"clean_slots", std::to_string(node.clean_slots())},
                                     {"voting_slots", std::to_string(node.voting_slots())},
                                     {"behind_keys", std::to_string(node.behind_keys())},
                                     {"bytes", std::to_string(node.bytes())},
                                     {"disk_free_bytes", std::to_string(node.disk_free_bytes())},
                                     {"disk_full", node.disk_full()},
                                     {"ops_per_second", node.ops_per_second()},
                                     {"boot", std::to_string(node.node().boot())},
                                     {"version", node.node().version()}});
  }
  return document;
}

void PrintRing(const v1::GetRingResponse& ring, Output& output) {
  output.Line("epoch " + std::to_string(ring.epoch()) + ", " + std::to_string(ring.slots()) +
              " slots, " + std::to_string(ring.replicas()) + " replicas");
  if (ring.nodes().empty()) return output.Line(Safe(ring.status().message()));
  output.Line("max/mean " + Fixed(ring.max_over_mean(), 4) + ", stddev " + Fixed(ring.stddev(), 2) +
              " slots; primaries max/mean " + Fixed(ring.primaries_max_over_mean(), 4));
  if (ring.has_spread()) {
    const v1::RingSpread& spread = ring.spread();
    output.Line("two nodes share " + std::to_string(spread.min_pair()) + " to " +
                std::to_string(spread.max_pair()) + " slots, max/mean " +
                Fixed(spread.max_over_mean(), 4));
  }
  output.Line("");
  using A = TextTable::Align;
  TextTable table({{"NODE"},
                   {"ADDRESS"},
                   {"ZONE"},
                   {"VNODES", A::kRight},
                   {"REPLICAS", A::kRight},
                   {"PRIMARIES", A::kRight},
                   {"SHARE", A::kRight},
                   {"FAIR", A::kRight}});
  for (const v1::RingNode& node : ring.nodes()) {
    table.Add({Safe(node.id()), Safe(node.address()), OrDash(node.zone()),
               std::to_string(node.vnodes()), std::to_string(node.replicas()),
               std::to_string(node.primaries()), Percent(node.share()),
               Percent(node.fair_share())});
  }
  table.Print(output);
}

Json ReplicaJson(const v1::ReplicaRef& replica) {
  return Json{{"node", replica.node()}, {"inc", std::to_string(replica.inc())}};
}

Json RingJson(const v1::GetRingResponse& ring) {
  Json document;
  document["epoch"] = std::to_string(ring.epoch());
  document["slots"] = ring.slots();
  document["replicas"] = ring.replicas();
  document["max_over_mean"] = ring.max_over_mean();
  document["stddev"] = ring.stddev();
  document["primaries_max_over_mean"] = ring.primaries_max_over_mean();
  document["spread"] = ring.has_spread() ? Json{{"max_over_mean", ring.spread().max_over_mean()},
                                                {"max_pair", ring.spread().max_pair()},
                                                {"min_pair", ring.spread().min_pair()}}
                                         : Json();
  const std::string& note = ring.status().message();  // why there is no balance
  document["note"] = note.empty() ? Json() : Json(note);
  document["nodes"] = Json::array();
  for (const v1::RingNode& node : ring.nodes()) {
    document["nodes"].push_back(Json{{"id", node.id()},
                                     {"address", node.address()},
                                     {"zone", node.zone()},
                                     {"vnodes", node.vnodes()},
                                     {"replicas", std::to_string(node.replicas())},
                                     {"primaries", std::to_string(node.primaries())},
                                     {"share", node.share()},
                                     {"fair_share", node.fair_share()}});
  }
  document["table"] = Json::array();
  for (const v1::SlotPlacement& slot : ring.table()) {
    Json row;
    row["slot"] = slot.slot();
    row["epoch"] = std::to_string(slot.epoch());
    row["replicas"] = Json::array();
    for (const v1::ReplicaRef& replica : slot.replicas()) {
      row["replicas"].push_back(ReplicaJson(replica));
    }
    row["learner"] = slot.has_learner() ? ReplicaJson(slot.learner()) : Json();
    row["replaced"] = slot.has_replaced() ? ReplicaJson(slot.replaced()) : Json();
    document["table"].push_back(std::move(row));
  }
  return document;
}

std::string TokenText(uint64_t token) {
  char text[32];
  std::snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(token));
  return text;
}

void PrintLocation(const std::string& key, const v1::LocateResponse& located, Output& output) {
  output.Line("key    " + Visible(key));
  output.Line("token  " + TokenText(located.token()));
  output.Line("slot   " + std::to_string(located.slot()) + " (group " +
              std::to_string(located.group()) + ", epoch " + std::to_string(located.epoch()) + ")");
  output.Line("owner  router " + OrDash(located.owner_router()) + ", term " +
              std::to_string(located.term()));
  output.Line("");
  TextTable table({{"NODE"},
                   {"ADDRESS"},
                   {"ZONE"},
                   {"INC", TextTable::Align::kRight},
                   {"ROLE"},
                   {"REACH"},
                   {"CLEAN"},
                   {"VOTING"},
                   {"SERVES"}});
  const auto yes_no = [](bool yes) { return std::string(yes ? "yes" : "no"); };
  for (const v1::LocatedReplica& replica : located.replicas()) {
    table.Add({Safe(replica.node()), Safe(replica.address()), OrDash(replica.zone()),
               std::to_string(replica.inc()), replica.primary() ? "primary" : "replica",
               ReachName(replica.reach()), yes_no(replica.clean()), yes_no(replica.voting()),
               yes_no(replica.serves())});
  }
  table.Print(output);
}

Json LocationJson(const std::string& key, const v1::LocateResponse& located) {
  Json document;
  SetBytes(document, "key", key);
  document["token"] = std::to_string(located.token());
  document["slot"] = located.slot();
  document["group"] = located.group();
  document["epoch"] = std::to_string(located.epoch());
  document["owner_router"] = located.owner_router();
  document["term"] = located.term();
  document["replicas"] = Json::array();
  for (const v1::LocatedReplica& replica : located.replicas()) {
    document["replicas"].push_back(Json{{"node", replica.node()},
                                        {"address", replica.address()},
                                        {"zone", replica.zone()},
                                        {"inc", std::to_string(replica.inc())},
                                        {"primary", replica.primary()},
                                        {"reach", ReachName(replica.reach())},
                                        {"clean", replica.clean()},
                                        {"voting", replica.voting()},
                                        {"serves", replica.serves()}});
  }
  return document;
}

}  // namespace

int RunStatus(const StatusArgs&, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  const Result<v1::GetClusterResponse> cluster = (*admin)->GetCluster();
  if (!cluster.ok()) return session.output.Fail(cluster.status());
  if (session.output.json()) {
    session.output.Document(StatusJson(*cluster));
  } else {
    PrintStatus(*cluster, session.output);
  }
  return kExitDone;
}

int RunRing(const RingArgs&, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  v1::GetRingRequest request;
  request.set_table(session.output.json());
  const Result<v1::GetRingResponse> ring = (*admin)->GetRing(request);
  if (!ring.ok()) return session.output.Fail(ring.status());
  if (session.output.json()) {
    session.output.Document(RingJson(*ring));
  } else {
    PrintRing(*ring, session.output);
  }
  return kExitDone;
}

int RunLocate(const LocateArgs& args, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  const Result<v1::LocateResponse> located = (*admin)->Locate(args.key);
  if (!located.ok()) return session.output.Fail(located.status());
  if (session.output.json()) {
    session.output.Document(LocationJson(args.key, *located));
  } else {
    PrintLocation(args.key, *located, session.output);
  }
  return kExitDone;
}

}  // namespace ringkv
