#include "router/slot_check.h"

#include <algorithm>
#include <utility>

#include "migration/version_proto.h"

namespace ringkv {
namespace {

constexpr uint32_t kPartRecords = 256;
constexpr Duration kLookDeadline = std::chrono::seconds(2);
constexpr Duration kLookPatience = std::chrono::milliseconds(100);
// A replica that is behind, or silent, is looked at again for some five seconds: a lost message is
// sent again within fractions of one, and so is what a node missed while it was away.
constexpr Duration kFirstPause = std::chrono::milliseconds(50);
constexpr int kMostDoublings = 4;
constexpr int kMostTries = 10;
constexpr size_t kLooksAtATime = 8;

DigestSum SumOf(const v1::RangeDigestReply& digest) {
  return {digest.records(), digest.digest_low(), digest.digest_high()};
}

v1::CheckedState StateOf(const CopyLook& copy, bool lacks) {
  switch (copy.state) {
    case CopyLook::State::kUnreadable:
      return v1::CHECKED_STATE_UNREADABLE;
    case CopyLook::State::kNoAnswer:
      return v1::CHECKED_STATE_NO_ANSWER;
    default:
      break;
  }
  if (!copy.complete) return v1::CHECKED_STATE_FILLING;
  if (copy.behind && lacks) return v1::CHECKED_STATE_BEHIND;
  return copy.state == CopyLook::State::kAbsent ? v1::CHECKED_STATE_ABSENT
                                                : v1::CHECKED_STATE_HOLDS;
}

}  // namespace

void SlotCheck::Start() {
  lifeline_.Cut();
  copies_.clear();
  parts_.clear();
  suspects_.clear();
  looks_ = 0;
  host_.environment().Describe(slot_,
                               lifeline_.Wrap([this](SlotReport report) { OnDescribed(report); }));
}

void SlotCheck::OnDescribed(const SlotReport& report) {
  for (const ReplicaReport& replica : report.replicas) {
    if (replica.learner || left_out_.count(replica.peer) != 0) continue;
    if (!replica.reachable) {
      left_out_[replica.peer] = "it cannot be reached";
    } else if (!replica.clean || !replica.voting) {
      left_out_[replica.peer] = "it is being made complete";
    } else {
      copies_.push_back({.peer = replica.peer, .inc = replica.inc});
    }
  }
  owned_ = !report.replicas.empty();
  if (!owned_) {
    v1::UncomparedReplica uncompared;
    uncompared.set_slot(slot_.value());
    uncompared.set_why("this router does not own the slot");
    host_.OnUncompared(std::move(uncompared));
  }
  if (copies_.empty()) return Finish();
  unanswered_ = copies_.size();
  for (size_t i = 0; i < copies_.size(); ++i) AskWhole(i, "");
}

v1::KeyRange SlotCheck::RangeOf(const Copy& copy, const std::string& after,
                                const std::string& last) const {
  v1::KeyRange range;
  range.set_slot(slot_.value());
  range.set_inc(copy.inc.value());
  range.set_after(after);
  range.set_last_key(last);
  return range;
}

// The slot begins anew without the replica.
void SlotCheck::LeaveOut(Peer peer, const std::string& why) {
  left_out_[peer] = why;
  Start();
}

// ---- digests --------------------------------------------------------------------------------

void SlotCheck::AskWhole(size_t i, const std::string& after) {
  Copy& copy = copies_[i];
  host_.Ask(copy.peer).Digest(lifeline_, RangeOf(copy, after, ""),
                              [this, i](const Result<v1::RangeDigestReply>& digest) {
                                Copy& at = copies_[i];
                                if (!digest.ok())
                                  return LeaveOut(at.peer, digest.status().message());
                                if (digest->no_instance())
                                  return LeaveOut(at.peer, "it has no such replica any more");
                                at.sum.Add(SumOf(*digest));
                                at.bytes += digest->bytes();
                                at.unreadable += digest->unreadable();
                                if (!digest->complete()) return AskWhole(i, digest->through());
                                if (--unanswered_ == 0) OnWhole();
                              });
}

void SlotCheck::OnWhole() {
  records_ = copies_[0].sum.records;
  bytes_ = copies_[0].bytes;
  const bool alike = std::all_of(copies_.begin(), copies_.end(), [this](const Copy& copy) {
    return copy.unreadable == 0 && copy.sum == copies_[0].sum;
  });
  if (alike) return Finish();
  Walk("");
}

void SlotCheck::Walk(const std::string& after) {
  Part first;
  first.after = after;
  parts_.assign(1, std::move(first));
  host_.Ask(copies_[0].peer)
      .Split(lifeline_, RangeOf(copies_[0], after, ""), kPartRecords,
             [this](const Result<v1::DigestRangesReply>& reply) {
               if (!reply.ok()) return LeaveOut(copies_[0].peer, reply.status().message());
               OnParts(*reply);
             });
}

void SlotCheck::OnParts(const v1::DigestRangesReply& reply) {
  if (reply.digests(0).no_instance()) {
    return LeaveOut(copies_[0].peer, "it has no such replica any more");
  }
  std::string after = parts_.front().after;
  parts_.clear();
  for (const v1::RangeDigestReply& digest : reply.digests()) {
    Part& part = parts_.emplace_back();
    part.after = after;
    part.last_key = digest.complete() ? "" : digest.through();
    part.sums.resize(copies_.size());
    part.sums[0] = SumOf(digest);
    part.unreadable = digest.unreadable();
    after = part.last_key;
  }
  walked_ = after;
  unanswered_ = parts_.size() * (copies_.size() - 1);
  if (unanswered_ == 0) return NextPart();
  for (size_t part = 0; part < parts_.size(); ++part) {
    for (size_t copy = 1; copy < copies_.size(); ++copy) AskPart(copy, part, parts_[part].after);
  }
}

void SlotCheck::AskPart(size_t copy, size_t part, const std::string& after) {
  host_.Ask(copies_[copy].peer)
      .Digest(lifeline_, RangeOf(copies_[copy], after, parts_[part].last_key),
              [this, copy, part](const Result<v1::RangeDigestReply>& digest) {
                if (!digest.ok()) return LeaveOut(copies_[copy].peer, digest.status().message());
                Part& at = parts_[part];
                at.sums[copy].Add(SumOf(*digest));
                at.unreadable += digest->unreadable();
                if (!digest->complete()) return AskPart(copy, part, digest->through());
                if (--unanswered_ == 0) NextPart();
              });
}

void SlotCheck::NextPart() {
  while (!parts_.empty()) {
    const Part& part = parts_.front();
    const bool alike = std::all_of(part.sums.begin(), part.sums.end(),
                                   [&](const DigestSum& sum) { return sum == part.sums.front(); });
    if (!alike || part.unreadable > 0) return AskLists(part.after);
    parts_.pop_front();
  }
  if (walked_.empty()) return Finish();
  Walk(walked_);
}

// ---- lists ----------------------------------------------------------------------------------

void SlotCheck::AskLists(const std::string& after) {
  lists_.assign(copies_.size(), {});
  unanswered_ = copies_.size();
  for (size_t i = 0; i < copies_.size(); ++i) {
    host_.Ask(copies_[i].peer)
        .List(lifeline_, RangeOf(copies_[i], after, parts_.front().last_key),
              [this, i](Result<v1::ListRecordsReply> list) {
                if (!list.ok()) return LeaveOut(copies_[i].peer, list.status().message());
                lists_[i] = std::move(list).value();
                if (--unanswered_ == 0) OnLists();
              });
  }
}

// Every list reaches to `through` at least: up to there it shows what is where.
void SlotCheck::OnLists() {
  part_listed_ = true;
  for (const v1::ListRecordsReply& list : lists_) {
    if (list.complete()) continue;
    listed_ = part_listed_ ? list.through() : std::min(listed_, list.through());
    part_listed_ = false;
  }
  struct Seen {
    size_t copies = 0;
    const v1::ListedRecord* first = nullptr;
    bool differs = false;
  };
  std::map<std::string, Seen> keys;
  for (size_t i = 0; i < lists_.size(); ++i) {
    NoteStretches(i, lists_[i]);
    for (const v1::ListedRecord& record : lists_[i].records()) {
      if (!part_listed_ && record.key() > listed_) break;
      Seen& seen = keys[record.key()];
      ++seen.copies;
      if (seen.first == nullptr) seen.first = &record;
      seen.differs = seen.differs || record.unreadable() ||
                     FromProto(record.version()) != FromProto(seen.first->version()) ||
                     record.digest_low() != seen.first->digest_low() ||
                     record.digest_high() != seen.first->digest_high();
    }
  }
  for (const auto& [key, seen] : keys) {
    if (!seen.differs && seen.copies == copies_.size()) continue;
    if (reported_.count(key) == 0) suspects_.push_back({.key = key});
  }
  looked_at_ += suspects_.size();
  LookAtSuspects();
}

void SlotCheck::NoteStretches(size_t copy, const v1::ListRecordsReply& list) {
  for (const v1::UnreadableStretch& stretch : list.stretches()) {
    if (!stretches_.emplace(copies_[copy].peer, stretch.after()).second) continue;
    v1::CheckFinding finding;
    finding.set_kind(v1::FINDING_KIND_UNREADABLE);
    finding.set_slot(slot_.value());
    finding.set_after(stretch.after());
    finding.set_before(stretch.before());
    finding.set_message(stretch.message());
    v1::CheckedCopy* at = finding.add_copies();
    at->set_node(host_.environment().NameOf(copies_[copy].peer));
    at->set_inc(copies_[copy].inc.value());
    at->set_state(v1::CHECKED_STATE_UNREADABLE);
    ++findings_;
    host_.OnFinding(std::move(finding));
  }
}

// ---- looks ----------------------------------------------------------------------------------

void SlotCheck::LookAtSuspects() {
  while (!suspects_.empty() && looks_ < kLooksAtATime) {
    Suspect next = std::move(suspects_.front());
    suspects_.pop_front();
    ++looks_;
    Look(std::move(next));
  }
  if (looks_ > 0 || !suspects_.empty()) return;
  if (!part_listed_) return AskLists(listed_);
  parts_.pop_front();
  NextPart();
}

void SlotCheck::EndLook() {
  --looks_;
  LookAtSuspects();
}

void SlotCheck::Look(Suspect suspect) {
  LookCall call;
  call.slot = slot_;
  call.key = suspect.key;
  call.deadline = host_.environment().Now() + kLookDeadline;
  call.patience = kLookPatience;
  call.done = lifeline_.Wrap([this, suspect = std::move(suspect)](KeyLook look) mutable {
    OnLook(std::move(suspect), std::move(look));
  });
  host_.QueueLook(lifeline_, std::move(call));
}

void SlotCheck::LookAgain(Suspect suspect) {
  const Duration pause = kFirstPause * (1 << std::min(suspect.tries++, kMostDoublings));
  host_.environment().After(pause, lifeline_.Wrap([this, suspect = std::move(suspect)]() mutable {
    Look(std::move(suspect));
  }));
}

void SlotCheck::OnLook(Suspect suspect, KeyLook look) {
  // Only those that are compared.
  std::erase_if(look.copies, [this](const CopyLook& copy) {
    return std::none_of(copies_.begin(), copies_.end(),
                        [&](const Copy& compared) { return compared.peer == copy.peer; });
  });
  const LookVerdict verdict = Judge(look);
  const bool patient = suspect.tries < kMostTries;
  const bool different_before = std::exchange(suspect.different_before, false);
  switch (verdict) {
    case LookVerdict::kEqual:
      return EndLook();
    case LookVerdict::kUnreadable:
      Report(v1::FINDING_KIND_UNREADABLE, suspect.key, look);
      return EndLook();
    case LookVerdict::kDifferent:
      if (!different_before) {
        suspect.different_before = true;
        return LookAgain(std::move(suspect));
      }
      Report(v1::FINDING_KIND_DIFFERENT, suspect.key, look);
      return EndLook();
    case LookVerdict::kFilling:
      for (const CopyLook& copy : look.copies) {
        if (!copy.complete && copy.state != CopyLook::State::kNoAnswer) {
          return LeaveOut(copy.peer, "it is being made complete since");
        }
      }
      return LookAgain(std::move(suspect));
    case LookVerdict::kBehind:
      if (patient) return LookAgain(std::move(suspect));
      Report(v1::FINDING_KIND_BEHIND, suspect.key, look);
      return EndLook();
    case LookVerdict::kUndecided:
      if (patient) return LookAgain(std::move(suspect));
      for (const CopyLook& copy : look.copies) {
        if (copy.state == CopyLook::State::kNoAnswer) {
          return LeaveOut(copy.peer, "it does not answer");
        }
      }
      Report(v1::FINDING_KIND_UNDECIDED, suspect.key, look);
      return EndLook();
  }
}

void SlotCheck::Report(v1::FindingKind kind, const std::string& key, const KeyLook& look) {
  reported_.insert(key);
  ++findings_;
  v1::CheckFinding finding;
  finding.set_kind(kind);
  finding.set_slot(slot_.value());
  finding.set_key(key);
  finding.set_message(look.status.message());
  Version highest;
  for (const CopyLook& copy : look.copies) highest = std::max(highest, copy.version);
  for (const CopyLook& copy : look.copies) {
    v1::CheckedCopy* to = finding.add_copies();
    to->set_node(host_.environment().NameOf(copy.peer));
    to->set_inc(copy.inc.value());
    to->set_state(StateOf(copy, copy.version < highest));
    ToProto(copy.version, to->mutable_version());
    to->set_tombstone(copy.tombstone && copy.state == CopyLook::State::kHolds);
    to->set_digest(copy.state == CopyLook::State::kHolds ? copy.digest.low : 0);
  }
  host_.OnFinding(std::move(finding));
}

void SlotCheck::Finish() {
  for (const auto& [peer, why] : left_out_) {
    v1::UncomparedReplica uncompared;
    uncompared.set_slot(slot_.value());
    uncompared.set_node(host_.environment().NameOf(peer));
    uncompared.set_why(why);
    host_.OnUncompared(std::move(uncompared));
  }
  on_done_();
}

}  // namespace ringkv
