#include "migration/slot_pull.h"

#include <algorithm>
#include <utility>

#include "base/rule.h"
#include "migration/range_digest.h"
#include "migration/version_proto.h"

namespace ringkv {

SlotPull::SlotPull(Term term, const v1::Pull& order)
    : id_(order.id()),
      term_(term),
      compare_only_(order.compare_only()),
      in_union_(order.in_union()),
      source_(order.source()) {}

void SlotPull::OnOrder(const v1::Pull& order) {
  const v1::SyncSource& source = order.source();
  if (source.node() != source_.node() || source.inc() != source_.inc() ||
      source.boot() != source_.boot() || source.address() != source_.address()) {
    SetSource(source);
  }
  while (reports_taken_ < order.reports_taken() && !reports_.empty()) {
    reports_.pop_front();
    ++reports_taken_;
  }
  ++orders_since_;
  const bool lost = asked_ != Asked::kNothing && orders_since_ >= kOrdersUntilAskedAgain;
  const bool again = trouble_ != v1::REPLICA_CODE_OK && orders_since_ >= kOrdersAfterTrouble;
  if (lost || again) ForgetQuestion();
}

void SlotPull::SetSource(const v1::SyncSource& source) {
  source_ = source;
  ranges_.clear();
  doubtful_ = false;
  ForgetQuestion();
}

void SlotPull::ForgetQuestion() {
  asked_ = Asked::kNothing;
  trouble_ = v1::REPLICA_CODE_OK;
  trouble_message_.clear();
  orders_since_ = 0;
}

// ---- asking ---------------------------------------------------------------------------------

Result<bool> SlotPull::NextQuestion(PullTarget& copy, v1::ReplicaOp* op) {
  if (done_ || asked_ != Asked::kNothing || trouble_ != v1::REPLICA_CODE_OK) return false;
  while (!at_end_ && !ranges_.empty()) {
    auto equal = PassIfEqual(copy);
    if (!equal.ok()) return equal.status();
    if (!*equal) break;
  }
  if (at_end_) {
    RINGKV_RETURN_IF_ERROR(Finish(copy));
    return false;
  }
  if (reports_.size() >= kMaxReports) return false;
  ++attempt_;
  orders_since_ = 0;
  op->set_attempt(attempt_);
  if (ranges_.empty()) {
    AskRanges(copy, op);
  } else {
    AskDiff(copy, op);
  }
  return true;
}

Result<bool> SlotPull::PassIfEqual(PullTarget& copy) {
  const v1::SyncRange& range = ranges_.front();
  auto page = copy.Read(cursor_, {.above = above_});
  if (!page.ok()) return page.status();
  RangeDigest digest;
  mine_.clear();
  mine_until_ = range.last_key();
  bool whole = page->complete;
  for (v1::SlotEntry& entry : page->entries) {
    if (!range.last_key().empty() && entry.key() > range.last_key()) {
      whole = true;
      break;
    }
    if (page->damaged.count(entry.key()) != 0) {
      ReportDamaged(entry.key());
      continue;
    }
    const Version version = FromProto(entry.record().version());
    if (!Counts(entry.record(), above_, copy.floor())) continue;
    digest.Add(entry.key(), version);
    v1::KeyVersion& mine = mine_.emplace_back();
    mine.set_key(entry.key());
    ToProto(version, mine.mutable_version());
  }
  if (!whole) {
    mine_until_ = page->entries.back().key();
  } else if (!doubtful_ && digest == DigestOf(range)) {
    PassFirstRange();
    return true;
  } else if (page->complete && page->entries.empty()) {
    // Nothing at all from here on: the rest is one range.
    ranges_.resize(1);
    ranges_.front().set_last_key("");
    mine_until_.clear();
  }
  return false;
}

// The owner is told, and mends it: what the source has may be older than what was damaged. A range
// may be read several times.
void SlotPull::ReportDamaged(const std::string& key) {
  if (key <= damage_reported_) return;
  damage_reported_ = key;
  reports_.push_back(key);
}

void SlotPull::PassFirstRange() {
  cursor_ = ranges_.front().last_key();
  if (cursor_.empty()) at_end_ = true;
  ranges_.pop_front();
  doubtful_ = false;
}

Status SlotPull::Finish(PullTarget& copy) {
  done_ = true;
  if (compare_only_ || !floor_known_ || floor_ <= copy.floor()) return Status::Ok();
  if (lacks_) {
    floor_left_ = floor_;
    return Status::Ok();
  }
  return copy.AdoptFloor(floor_);
  return Status::Ok();
}

void SlotPull::AskRanges(const PullTarget& copy, v1::ReplicaOp* op) {
  asked_ = Asked::kRanges;
  v1::SyncRanges* question = op->mutable_sync_ranges();
  question->set_boot(source_.boot());
  question->set_after(cursor_);
  ToProto(copy.stable(), question->mutable_stable());
  ToProto(copy.floor(), question->mutable_floor());
  question->set_in_union(in_union_);
}

void SlotPull::AskDiff(const PullTarget& copy, v1::ReplicaOp* op) {
  asked_ = Asked::kDiff;
  v1::SyncDiff* question = op->mutable_sync_diff();
  question->set_boot(source_.boot());
  question->set_after(cursor_);
  question->set_last_key(mine_until_);
  ToProto(copy.stable(), question->mutable_stable());
  ToProto(copy.floor(), question->mutable_floor());
  for (const v1::KeyVersion& mine : mine_) *question->add_mine() = mine;
  question->set_compare_only(compare_only_);
  question->set_in_union(in_union_);
}

// ---- answers --------------------------------------------------------------------------------

Status SlotPull::OnAnswer(Boot boot, const v1::ReplicaOpReply& answer, PullTarget& copy) {
  if (asked_ == Asked::kNothing || answer.attempt() != attempt_) return Status::Ok();
  const bool other_boot = boot.value() != 0 && boot != Boot(source_.boot());
  if (other_boot && RINGKV_RULE(kSourceVotesUnderItsBoot)) return Status::Ok();
  const Asked asked = std::exchange(asked_, Asked::kNothing);
  orders_since_ = 0;
  const bool fits = asked == Asked::kRanges ? answer.has_sync_ranges() : answer.has_sync_diff();
  if (answer.code() != v1::REPLICA_CODE_OK || !fits) {
    trouble_ = answer.code() == v1::REPLICA_CODE_OK ? v1::REPLICA_CODE_INVALID : answer.code();
    trouble_message_ = answer.message();
    return Status::Ok();
  }
  ++steps_;
  if (asked == Asked::kDiff) return OnDiff(answer.sync_diff(), copy);
  OnRanges(answer.sync_ranges());
  return Status::Ok();
}

void SlotPull::OnUnreadable(const Status& why) {
  asked_ = Asked::kNothing;
  orders_since_ = 0;
  trouble_ = v1::REPLICA_CODE_CORRUPTION;
  trouble_message_ = why.message();
}

void SlotPull::NoteSource(Version above, Version floor) {
  above_ = above;
  floor_ = floor_known_ ? std::min(floor_, floor) : floor;
  floor_known_ = true;
}

void SlotPull::OnRanges(const v1::SyncRangesReply& reply) {
  NoteSource(FromProto(reply.above()), FromProto(reply.floor()));
  ranges_.assign(reply.ranges().begin(), reply.ranges().end());
  doubtful_ = false;
}

Status SlotPull::OnDiff(const v1::SyncDiffReply& reply, PullTarget& copy) {
  NoteSource(FromProto(reply.above()), FromProto(reply.floor()));
  auto mine_of = [this](const std::string& key) {
    auto at = std::lower_bound(
        mine_.begin(), mine_.end(), key,
        [](const v1::KeyVersion& mine, const std::string& name) { return mine.key() < name; });
    bool found = at != mine_.end() && at->key() == key;
    return found ? FromProto(at->version()) : Version{};
  };
  if (!compare_only_) {
    std::vector<const v1::SlotEntry*> newer;
    for (const v1::SlotEntry& entry : reply.newer()) newer.push_back(&entry);
    if (!newer.empty()) RINGKV_RETURN_IF_ERROR(copy.TakeNewer(newer));
    for (const v1::SlotEntry& entry : reply.instead()) {
      RINGKV_RETURN_IF_ERROR(copy.Replace(entry, mine_of(entry.key())));
    }
  }
  for (const std::string& key : reply.differing()) {
    // Of the present term: the source is behind there, or it is pending, and the owner knows.
    const bool tracked = !compare_only_ && mine_of(key).term == term_;
    if (!tracked && RINGKV_RULE(kExcessIsResolved)) reports_.push_back(key);
  }
  // The owner knows nothing of it: also where the target has a version of the present term, it may
  // have missed a later one.
  for (const std::string& key : reply.unreadable()) {
    reports_.push_back(key);
    lacks_ = true;
  }
  if (!reply.complete()) {
    cursor_ = reply.through();
    doubtful_ = true;
  } else if (!ranges_.empty() && mine_until_ == ranges_.front().last_key()) {
    PassFirstRange();
  } else {
    cursor_ = mine_until_;  // the rest of the range: its digest covers what is passed already
    doubtful_ = true;
  }
  return Status::Ok();
}

void SlotPull::Describe(v1::PullReply* reply) const {
  reply->set_id(id_);
  reply->set_state(done_ ? v1::PULL_STATE_DONE : v1::PULL_STATE_RUNNING);
  reply->set_steps(steps_);
  reply->set_trouble(trouble_);
  reply->set_trouble_message(trouble_message_);
  reply->set_reports_from(reports_taken_);
  reply->set_reports_total(reports_taken_ + reports_.size());
  if (floor_left_ != Version{}) ToProto(floor_left_, reply->mutable_floor_left());
  for (const std::string& key : reports_) {
    if (reply->reported_size() >= 64) break;
    reply->add_reported(key);
  }
}

}  // namespace ringkv
