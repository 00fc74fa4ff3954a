// admin check: whether the replicas of every slot are the same.
#include <algorithm>
#include <map>
#include <vector>

#include "base/ids.h"
#include "client/kvctl/byte_text.h"
#include "client/kvctl/exit_code.h"
#include "client/kvctl/progress_bar.h"
#include "client/kvctl/session.h"
#include "client/kvctl/text_table.h"

namespace ringkv {
namespace {

// Findings, and replicas that were not compared, for people; `--all` prints every one.
constexpr size_t kMostLines = 40;

struct Found {
  v1::CheckProgress progress;
  std::vector<v1::CheckFinding> findings;
  std::vector<v1::UncomparedReplica> uncompared;

  bool AllEqual() const { return progress.slots_equal() == progress.slots_total(); }
};

std::string KindName(v1::FindingKind kind) {
  switch (kind) {
    case v1::FINDING_KIND_DIFFERENT:
      return "different";
    case v1::FINDING_KIND_BEHIND:
      return "behind";
    case v1::FINDING_KIND_UNREADABLE:
      return "unreadable";
    case v1::FINDING_KIND_UNDECIDED:
      return "undecided";
    default:
      return "unknown";
  }
}

std::string StateName(v1::CheckedState state) {
  switch (state) {
    case v1::CHECKED_STATE_HOLDS:
      return "holds";
    case v1::CHECKED_STATE_ABSENT:
      return "absent";
    case v1::CHECKED_STATE_BEHIND:
      return "behind";
    case v1::CHECKED_STATE_UNREADABLE:
      return "unreadable";
    case v1::CHECKED_STATE_FILLING:
      return "filling";
    case v1::CHECKED_STATE_NO_ANSWER:
      return "no-answer";
    default:
      return "unknown";
  }
}

std::string VersionText(const v1::Version& version) {
  return Version{Term(version.term()), version.seq()}.ToString();
}

bool HasVersion(const v1::CheckedCopy& copy) {
  return copy.state() == v1::CHECKED_STATE_HOLDS || copy.state() == v1::CHECKED_STATE_BEHIND;
}

// ---- for people

// "n1 2.41, n2 2.41 (another record), n3 2.40 (behind)"
std::string Copies(const v1::CheckFinding& finding) {
  std::string text;
  const v1::CheckedCopy* first = nullptr;
  for (const v1::CheckedCopy& copy : finding.copies()) {
    text += (text.empty() ? "" : ", ") + Safe(copy.node()) + " ";
    if (!HasVersion(copy)) {
      text += copy.state() == v1::CHECKED_STATE_ABSENT ? "nothing" : StateName(copy.state());
      continue;
    }
    text += VersionText(copy.version());
    if (copy.tombstone()) text += " deleted";
    if (copy.state() == v1::CHECKED_STATE_BEHIND) text += " (behind)";
    if (first == nullptr) first = &copy;
    const bool same_version = VersionText(first->version()) == VersionText(copy.version());
    if (same_version && copy.digest() != first->digest()) {
      text += " (another record than " + Safe(first->node()) + "'s)";
    }
  }
  return text;
}

std::string Line(const v1::CheckFinding& finding) {
  std::string text = KindName(finding.kind()) + ": slot " + std::to_string(finding.slot());
  if (!finding.key().empty()) {
    text += " key " + Visible(finding.key());
  } else {
    text += " keys above '" + Visible(finding.after()) + "'";
    if (!finding.before().empty()) text += " and below '" + Visible(finding.before()) + "'";
  }
  text += ": " + Copies(finding);
  if (!finding.message().empty()) text += ": " + Safe(finding.message());
  return text;
}

// Slots by (node, reason): a dead node is one line and not thousands.
void PrintUncompared(const Found& found, size_t most, Output& output) {
  std::map<std::pair<std::string, std::string>, uint64_t> slots;
  for (const v1::UncomparedReplica& replica : found.uncompared) {
    ++slots[{replica.node(), replica.why()}];
  }
  const bool all = found.uncompared.size() < 1'000;  // as many as a router tells one by one
  size_t printed = 0;
  for (const auto& [who, count] : slots) {
    if (printed++ == most) return output.Line("... and more; --all prints them");
    output.Line("not compared: " + (who.first.empty() ? "" : Safe(who.first) + ", ") +
                (all ? "" : "at least ") + std::to_string(count) +
                (count == 1 ? " slot: " : " slots: ") + Safe(who.second));
  }
}

void PrintText(const Found& found, bool all, Output& output) {
  const v1::CheckProgress& progress = found.progress;
  output.Line(found.AllEqual() ? "all replicas are equal" : "NOT all replicas are equal");
  output.Line("slots     " + std::to_string(progress.slots_total()) + ": " +
              std::to_string(progress.slots_equal()) + " equal, " +
              std::to_string(progress.slots_not_equal()) + " not equal, " +
              std::to_string(progress.slots_partly()) + " not compared with all replicas");
  output.Line("records   " + std::to_string(progress.records()) + ", " +
              ShortBytes(progress.bytes()) + " at each replica; " +
              std::to_string(progress.keys_looked_at()) + " looked at again by their owner");
  if (!found.AllEqual()) output.Line("");
  const size_t most = all ? SIZE_MAX : kMostLines;
  const size_t shown = std::min(most, found.findings.size());
  for (size_t i = 0; i < shown; ++i) output.Line(Line(found.findings[i]));
  if (shown < progress.findings()) {
    output.Line("... and " + std::to_string(progress.findings() - shown) + " more" +
                (shown < found.findings.size() ? "; --all prints them" : ""));
  }
  PrintUncompared(found, most, output);
}

// ---- for scripts

Json FindingJson(const v1::CheckFinding& finding) {
  Json document;
  document["kind"] = KindName(finding.kind());
  document["slot"] = finding.slot();
  const bool stretch = finding.key().empty();
  if (stretch) {
    document["key"] = Json();
    document["key_base64"] = Json();
  } else {
    SetBytes(document, "key", finding.key());
  }
  document["after_base64"] = stretch ? Json(Base64Encode(finding.after())) : Json();
  document["before_base64"] = stretch ? Json(Base64Encode(finding.before())) : Json();
  document["message"] = finding.message();
  document["copies"] = Json::array();
  for (const v1::CheckedCopy& copy : finding.copies()) {
    document["copies"].push_back(
        Json{{"node", copy.node()},
             {"inc", std::to_string(copy.inc())},
             {"state", StateName(copy.state())},
             {"version", HasVersion(copy) ? Json(VersionText(copy.version())) : Json()},
             {"tombstone", copy.tombstone()},
             {"digest", std::to_string(copy.digest())}});
  }
  return document;
}

Json CheckJson(const Found& found) {
  const v1::CheckProgress& progress = found.progress;
  Json document;
  document["all_equal"] = found.AllEqual();
  document["slots"] = Json{{"total", std::to_string(progress.slots_total())},
                           {"equal", std::to_string(progress.slots_equal())},
                           {"not_equal", std::to_string(progress.slots_not_equal())},
                           {"not_fully_compared", std::to_string(progress.slots_partly())}};
  document["records"] = std::to_string(progress.records());
  document["bytes"] = std::to_string(progress.bytes());
  document["keys_looked_at"] = std::to_string(progress.keys_looked_at());
  document["findings_total"] = std::to_string(progress.findings());
  document["findings"] = Json::array();
  for (const v1::CheckFinding& finding : found.findings) {
    document["findings"].push_back(FindingJson(finding));
  }
  document["uncompared"] = Json::array();
  for (const v1::UncomparedReplica& replica : found.uncompared) {
    document["uncompared"].push_back(
        Json{{"slot", replica.slot()}, {"node", replica.node()}, {"why", replica.why()}});
  }
  return document;
}

void ShowProgress(const v1::CheckProgress& progress, ProgressBar& bar) {
  if (progress.slots_total() == 0) return;
  bar.Show(
      std::to_string(progress.slots_checked()) + " of " + std::to_string(progress.slots_total()) +
          " slots, " + std::to_string(progress.records()) + " records, " +
          std::to_string(progress.findings()) + " findings",
      static_cast<double>(progress.slots_checked()) / static_cast<double>(progress.slots_total()));
}

}  // namespace

int RunCheck(const CheckArgs& args, Session& session) {
  Result<std::unique_ptr<AdminClient>> admin = session.ConnectAdmin();
  if (!admin.ok()) return session.output.Fail(admin.status());
  Found found;
  Status checked;
  {
    ProgressBar bar;
    const std::optional<Duration> limit =
        session.globals.timeout_given ? std::optional(session.globals.timeout) : std::nullopt;
    checked = (*admin)->CheckReplicas(limit, [&](const v1::CheckReplicasEvent& event) {
      found.progress = event.progress();
      found.findings.insert(found.findings.end(), event.findings().begin(), event.findings().end());
      found.uncompared.insert(found.uncompared.end(), event.uncompared().begin(),
                              event.uncompared().end());
      ShowProgress(event.progress(), bar);
    });
  }
  if (!checked.ok()) return session.output.Fail(checked);
  if (session.output.json()) {
    session.output.Document(CheckJson(found));
  } else {
    PrintText(found, args.all, session.output);
  }
  return found.AllEqual() ? kExitDone : kExitNo;
}

}  // namespace ringkv
