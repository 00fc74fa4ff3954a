#include "tests/golden/owner_text.h"

#include <cctype>
#include <string_view>

#include "migration/version_proto.h"
#include "tests/golden/op_text.h"

namespace ringkv::golden {
namespace {

std::string LowerCased(std::string name) {
  for (char& c : name) c = c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  return name;
}

std::string StatusText(const v1::OpStatus& status) {
  std::string text = LowerCased(v1::Outcome_Name(status.outcome()).substr(sizeof "OUTCOME_" - 1));
  if (status.code() == v1::ERROR_CODE_OK) return text;
  return text + ", " +
         LowerCased(v1::ErrorCode_Name(status.code()).substr(sizeof "ERROR_CODE_" - 1));
}

std::string VersionText(const v1::Version& version) {
  return " version=" + FromProto(version).ToString();
}

std::string_view Text(BlockedBy by) {
  switch (by) {
    case BlockedBy::kNothing:
      return "nothing";
    case BlockedBy::kAbsence:
      return "absence";
    case BlockedBy::kLoss:
      return "loss";
    case BlockedBy::kUnion:
      return "union";
  }
  return "?";
}

std::string_view Text(LookVerdict verdict) {
  switch (verdict) {
    case LookVerdict::kEqual:
      return "equal";
    case LookVerdict::kBehind:
      return "behind";
    case LookVerdict::kUnreadable:
      return "unreadable";
    case LookVerdict::kDifferent:
      return "different";
    case LookVerdict::kFilling:
      return "filling";
    case LookVerdict::kUndecided:
      return "undecided";
  }
  return "?";
}

std::string CopyText(const CopyLook& copy) {
  std::string text = NodeName(copy.peer);
  switch (copy.state) {
    case CopyLook::State::kHolds:
      text += " has " + copy.version.ToString();
      break;
    case CopyLook::State::kAbsent:
      text += " has nothing";
      break;
    case CopyLook::State::kUnreadable:
      text += " cannot read it";
      break;
    case CopyLook::State::kNoAnswer:
      text += " does not answer";
      break;
  }
  if (!copy.complete) text += ", not complete";
  if (copy.behind) text += ", behind";
  return text;
}

}  // namespace

std::string NodeName(Peer peer) { return "n" + std::to_string(peer.value() + 1); }

std::string ResultText(const v1::OpResult& result) {
  if (result.has_get()) {
    const v1::GetResponse& get = result.get();
    std::string text = StatusText(get.status());
    if (get.has_version()) text += ", value=" + get.value() + VersionText(get.version());
    if (get.expires_at_ms() != 0) text += " expires=" + WallText(get.expires_at_ms());
    return text;
  }
  if (result.has_put()) {
    return StatusText(result.put().status()) +
           (result.put().has_version() ? ',' + VersionText(result.put().version()) : "");
  }
  if (result.has_del()) {
    return StatusText(result.del().status()) +
           (result.del().has_version() ? ',' + VersionText(result.del().version()) : "");
  }
  const v1::IncrementResponse& increment = result.increment();
  std::string text = StatusText(increment.status());
  if (!increment.has_version()) return text;
  return text + ", value=" + std::to_string(increment.value()) + VersionText(increment.version());
}

std::string PageText(const ScanCall::Page& page) {
  std::string text = StatusText(page.status);
  for (const v1::ScanEntry& entry : page.entries) {
    text += ", " + entry.key() + '=' + entry.value() + VersionText(entry.version());
  }
  if (page.status.code() == v1::ERROR_CODE_OK && !page.complete) {
    text += ", more after " + page.next_after;
  }
  return text;
}

std::string RequestText(const RowRequest& request) {
  const std::string slot = "slot=" + std::to_string(request.slot.value());
  const std::string epoch = " epoch=" + std::to_string(request.epoch);
  switch (request.kind) {
    case RowRequest::Kind::kFlip:
      return "asks for the flip: " + slot + epoch;
    case RowRequest::Kind::kAbandon:
      return "asks to abandon the learner: " + slot + epoch;
    case RowRequest::Kind::kRetired:
      return "says that the instance is retired: " + slot + " at " +
             NodeName(request.replica.peer) + '/' + std::to_string(request.replica.inc.value());
  }
  return "?";
}

std::string RequestText(const TermRequest& request) {
  std::string slots;
  for (SlotId slot : request.slots) {
    slots += (slots.empty() ? "" : ",") + std::to_string(slot.value());
  }
  return "asks for a fresh term: group=" + std::to_string(request.group.value()) +
         " term=" + std::to_string(request.term.value()) + " slots=" + slots;
}

std::string KeyText(const std::string& key, const KeyReport& report) {
  std::string text = key + ": pending";
  for (Version version : report.pending) text += ' ' + version.ToString();
  if (report.pending.empty()) text += " nothing";
  text += ", behind";
  for (Peer peer : report.behind) text += ' ' + NodeName(peer);
  if (report.behind.empty()) text += " nobody";
  return text;
}

std::string LookText(const std::string& key, const KeyLook& look) {
  std::string text = "look at " + key + ": " + std::string(Text(Judge(look)));
  for (const CopyLook& copy : look.copies) text += "; " + CopyText(copy);
  return text;
}

std::string SlotText(const SlotReport& report) {
  return "slot " + std::to_string(report.slot.value()) +
         ": term=" + std::to_string(report.term.value()) +
         " epoch=" + std::to_string(report.epoch) + (report.joint ? ", joint" : "") +
         ", blocked by " + std::string(Text(report.blocked));
}

std::string ReplicaText(const ReplicaReport& replica) {
  std::string text = NodeName(replica.peer);
  if (replica.inc != Incarnation(1)) text += '/' + std::to_string(replica.inc.value());
  text += ':';
  if (replica.learner) text += " learner,";
  if (!replica.reachable) text += " not reachable,";
  text += replica.clean ? " clean," : replica.syncing ? " in sync," : " not clean,";
  text += replica.voting ? " votes" : " no vote";
  if (!replica.voting && replica.lost_tail.has_value()) text += ", may lack an unsynced end";
  if (replica.behind_keys != 0) text += ", behind on " + std::to_string(replica.behind_keys);
  return text;
}

}  // namespace ringkv::golden
