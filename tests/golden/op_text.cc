#include "tests/golden/op_text.h"

#include <algorithm>
#include <cctype>
#include <chrono>

#include "base/config_values.h"
#include "migration/version_proto.h"

namespace ringkv::golden {
namespace {

std::string Text(const v1::Version& version) { return FromProto(version).ToString(); }
std::string Text(uint64_t number) { return std::to_string(number); }
std::string Flag(bool set, std::string_view name) {
  return set ? ' ' + std::string(name) : std::string();
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : ",") + key;
  return text;
}

std::string EntriesText(std::string_view name,
                        const google::protobuf::RepeatedPtrField<v1::SlotEntry>& entries) {
  std::string text;
  for (const v1::SlotEntry& entry : entries) {
    text += ", " + std::string(name) + RecordText(entry.key(), entry.record());
  }
  return text;
}

std::string ContactText(const v1::ContactReply& contact) {
  std::string text = ", floor=" + Text(contact.floor()) + " stable=" + Text(contact.stable());
  if (!contact.has_lost_tail()) return text;
  const auto window = std::chrono::milliseconds(contact.lost_tail().window_ms());
  return text + " lost-tail=" + (window.count() == 0 ? "unbounded" : FormatDuration(window));
}

std::string PullReplyText(const v1::PullReply& pull) {
  std::string text = pull.state() == v1::PULL_STATE_DONE ? ", done" : ", running";
  if (pull.reported_size() != 0) text += ", reports " + Join(pull.reported());
  if (pull.trouble() != v1::REPLICA_CODE_OK) text += ", trouble: " + CodeText(pull.trouble());
  return text;
}

std::string RangesText(const v1::SyncRangesReply& reply) {
  std::string text = ", above=" + Text(reply.above());
  for (const v1::SyncRange& range : reply.ranges()) {
    text += ", " + Text(uint64_t{range.records()}) + " records to " +
            (range.last_key().empty() ? "the end" : range.last_key());
  }
  return text;
}

std::string PullText(const v1::Pull& pull) {
  std::string text = "boot=" + Text(pull.boot()) + " from=" + pull.source().node();
  if (pull.source().inc() != 1) text += '/' + Text(pull.source().inc());
  text += " source-boot=" + Text(pull.source().boot());
  text += Flag(pull.compare_only(), "compare-only") + Flag(pull.in_union(), "in-union");
  if (pull.reports_taken() != 0) text += " taken=" + Text(pull.reports_taken());
  return text;
}

}  // namespace

std::string WallText(uint64_t ms) {
  if (ms == 0) return "never";
  const bool before = ms < kStartMillis;
  const auto by = std::chrono::milliseconds(before ? kStartMillis - ms : ms - kStartMillis);
  return std::string(before ? "t-" : "t+") + FormatDuration(by);
}

std::string KindOf(const v1::ReplicaOp& op) {
  const auto* body = v1::ReplicaOp::descriptor()->FindFieldByNumber(op.body_case());
  std::string name = body == nullptr ? "nothing" : body->name();
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string CodeText(v1::ReplicaCode code) {
  std::string name = v1::ReplicaCode_Name(code).substr(sizeof "REPLICA_CODE_" - 1);
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(std::tolower(c));
  return name;
}

std::string RecordText(std::string_view key, const v1::Record& record) {
  std::string text(key);
  text += record.tombstone() ? " deleted" : '=' + record.value();
  text += " version=" + Text(record.version());
  if (record.has_origin()) text += " origin=" + Text(record.origin());
  if (record.expires_at_ms() != 0) text += " expires=" + WallText(record.expires_at_ms());
  if (record.has_request_id() && record.request_id().client() != 0) {
    text +=
        " request=" + Text(record.request_id().client()) + '.' + Text(record.request_id().number());
  }
  return text;
}

std::string OpText(const v1::ReplicaOp& op) {
  switch (op.body_case()) {
    case v1::ReplicaOp::kPromise:
      return "group=" + Text(op.promise().group()) + " term=" + Text(op.term());
    case v1::ReplicaOp::kContact:
      return "boot=" + Text(op.contact().boot()) +
             " handed-out=" + Text(op.contact().handed_out_seq());
    case v1::ReplicaOp::kApply:
      return (op.apply().forget() ? op.apply().key()
                                  : RecordText(op.apply().key(), op.apply().record())) +
             Flag(op.apply().repair(), "repair") + Flag(op.apply().forget(), "forget");
    case v1::ReplicaOp::kRead:
      return op.read().key();
    case v1::ReplicaOp::kScan:
      return (op.scan().after().empty() ? "from the start" : "after=" + op.scan().after()) +
             (op.scan().prefix().empty() ? "" : " prefix=" + op.scan().prefix());
    case v1::ReplicaOp::kCreate:
      return "voting=" + std::string(op.create().voting() ? "yes" : "no");
    case v1::ReplicaOp::kRetire:
      return "epoch=" + Text(op.retire().epoch());
    case v1::ReplicaOp::kSetStable:
      return "stable=" + Text(op.set_stable().stable()) + " boot=" + Text(op.set_stable().boot());
    case v1::ReplicaOp::kSetFloor: {
      std::string text =
          "floor=" + Text(op.set_floor().floor()) + " boot=" + Text(op.set_floor().boot());
      if (op.set_floor().expired_before_ms() != 0) {
        text += " expired-before=" + WallText(op.set_floor().expired_before_ms());
      }
      return text;
    }
    case v1::ReplicaOp::kReinstate:
      return "boot=" + Text(op.reinstate().boot());
    case v1::ReplicaOp::kPersist:
      return "boot=" + Text(op.persist().boot());
    case v1::ReplicaOp::kPull:
      return PullText(op.pull());
    case v1::ReplicaOp::kSyncRanges:
      return "after=" + op.sync_ranges().after() + " boot=" + Text(op.sync_ranges().boot()) +
             " stable=" + Text(op.sync_ranges().stable()) +
             " floor=" + Text(op.sync_ranges().floor());
    case v1::ReplicaOp::kSyncDiff: {
      std::string text =
          "after=" + op.sync_diff().after() + " boot=" + Text(op.sync_diff().boot()) + " mine=";
      for (const v1::KeyVersion& mine : op.sync_diff().mine()) {
        text += (text.ends_with('=') ? "" : ",") + mine.key() + '@' + Text(mine.version());
      }
      return text;
    }
    default:
      return {};
  }
}

std::string ReplyText(const v1::ReplicaOpReply& reply) {
  std::string text = CodeText(reply.code());
  if (reply.promised_term() != 0) text += ", promised=" + Text(uint64_t{reply.promised_term()});
  if (reply.code() != v1::REPLICA_CODE_OK) return text;
  if (!reply.has_promise()) text += reply.voting() ? ", votes" : ", no vote";
  switch (reply.body_case()) {
    case v1::ReplicaOpReply::kContact:
      return text + ContactText(reply.contact());
    case v1::ReplicaOpReply::kApply:
      return text + ", stored=" + Text(reply.apply().stored());
    case v1::ReplicaOpReply::kRead:
      return text + ", " +
             (reply.read().absent() ? "absent, floor=" + Text(reply.read().record().version())
                                    : RecordText("", reply.read().record()).substr(1));
    case v1::ReplicaOpReply::kScan:
      return text + EntriesText("", reply.scan().entries()) +
             (reply.scan().complete() ? ", complete" : ", more");
    case v1::ReplicaOpReply::kPull:
      return text + PullReplyText(reply.pull());
    case v1::ReplicaOpReply::kSyncRanges:
      return text + RangesText(reply.sync_ranges());
    case v1::ReplicaOpReply::kSyncDiff:
      return text + EntriesText("newer ", reply.sync_diff().newer()) +
             EntriesText("instead ", reply.sync_diff().instead()) +
             (reply.sync_diff().differing().empty()
                  ? ""
                  : ", differing " + Join(reply.sync_diff().differing())) +
             (reply.sync_diff().unreadable().empty()
                  ? ""
                  : ", unreadable " + Join(reply.sync_diff().unreadable()));
    case v1::ReplicaOpReply::kSetFloor:
      return text + (reply.set_floor().garbage_left() ? ", garbage left" : ", no garbage left");
    default:
      return text;
  }
}

uint64_t TakeWall(Arguments& args, const std::string& name, uint64_t otherwise) {
  const std::optional<std::string> text = args.Option(name);
  if (!text.has_value()) return otherwise;
  const bool after = text->starts_with("t+");
  if (after || text->starts_with("t-")) {
    const Result<Duration> by = ParseDuration(text->substr(2));
    if (by.ok()) {
      const auto ms =
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(*by).count());
      return after ? kStartMillis + ms : kStartMillis - ms;
    }
  }
  args.Complain("'" + name + "' is a time such as t+10s, not '" + *text + "'");
  return otherwise;
}

void TakeRequest(Arguments& args, v1::RequestId* request) {
  const std::optional<Version> id = args.VersionIfAny("request");  // client.number
  if (!id.has_value()) return;
  request->set_client(id->term.value());
  request->set_number(id->seq);
}

v1::Record TakeRecord(Arguments& args, bool value) {
  v1::Record record;
  const bool deleted = args.Flag("deleted");
  record.set_tombstone(deleted);
  if (value && !deleted) record.set_value(args.Word("a value, or 'deleted'"));
  const std::optional<Version> version = args.VersionIfAny("version");
  if (!version.has_value()) args.Complain("needs version=TERM.SEQ");
  ToProto(version.value_or(Version{}), record.mutable_version());
  if (const auto origin = args.VersionIfAny("origin")) ToProto(*origin, record.mutable_origin());
  record.set_expires_at_ms(TakeWall(args, "expires", 0));
  v1::RequestId request;
  TakeRequest(args, &request);
  if (request.client() != 0) *record.mutable_request_id() = request;
  return record;
}

v1::ReplicaCode TakeCode(Arguments& args) {
  const std::optional<std::string> text = args.Option("code");
  if (!text.has_value()) return v1::REPLICA_CODE_OK;
  std::string name = "REPLICA_CODE_" + *text;
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  v1::ReplicaCode code = v1::REPLICA_CODE_OK;
  if (!v1::ReplicaCode_Parse(name, &code)) args.Complain("there is no code '" + *text + "'");
  return code;
}

}  // namespace ringkv::golden
