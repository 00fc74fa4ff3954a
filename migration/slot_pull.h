// The target's end of a sync (docs/protocol.md, "Sync"): goes once through the keys of a slot,
// compares its own copy with a source's range by range, takes what is newer there and reports what
// only the owner can resolve. One question is outstanding at a time.
//
// Guarantees
//  1. When it is done, every record that the source had above the compared W when its key was
//  passed
//     is here, or higher, or (compare_only, higher here from an older term, or not readable at one
//     of both ends) was reported.
//  2. It may go on from another source: what it has passed stays passed.
//  3. Bounded: one answer, one list of own versions, and kMaxReports reported keys and what one
//     answer adds to them.
//
// Pure and thread-compatible: who owns it carries the questions and answers.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "migration/slot_copy.h"
#include "ringkv/v1/replica.pb.h"

namespace ringkv {

class SlotPull {
 public:
  // `term`: of the owner who ordered it; versions of this term are not reported.
  SlotPull(Term term, const v1::Pull& order);

  uint64_t id() const { return id_; }
  const v1::SyncSource& source() const { return source_; }
  bool done() const { return done_; }

  // The owner's order, again: it may name another source and has taken reports. Also the only clock
  // there is: a question without an answer for some orders is asked again.
  void OnOrder(const v1::Pull& order);

  // The next question's body (with its attempt) in `op`; false: there is none now. Errors: as the
  // copy's.
  Result<bool> NextQuestion(PullTarget& copy, v1::ReplicaOp* op);

  // An answer of the source's process `boot` (0: it could not be asked). Answers to an earlier
  // attempt, or of another boot, are dropped.
  Status OnAnswer(Boot boot, const v1::ReplicaOpReply& answer, PullTarget& copy);
  // This end's copy cannot be read: the pull stands still for some orders.
  void OnUnreadable(const Status& why);

  void Describe(v1::PullReply* reply) const;

 private:
  enum class Asked { kNothing, kRanges, kDiff };

  static constexpr size_t kMaxReports = 256;
  static constexpr int kOrdersUntilAskedAgain = 8;
  static constexpr int kOrdersAfterTrouble = 2;

  void SetSource(const v1::SyncSource& source);
  void ForgetQuestion();
  // Compares the first range with the copy; true: it is equal and was passed.
  Result<bool> PassIfEqual(PullTarget& copy);
  void ReportDamaged(const std::string& key);
  void PassFirstRange();
  Status Finish(PullTarget& copy);
  void AskRanges(const PullTarget& copy, v1::ReplicaOp* op);
  void AskDiff(const PullTarget& copy, v1::ReplicaOp* op);
  void OnRanges(const v1::SyncRangesReply& reply);
  Status OnDiff(const v1::SyncDiffReply& reply, PullTarget& copy);
  void NoteSource(Version above, Version floor);

  const uint64_t id_;
  const Term term_;
  const bool compare_only_;
  const bool in_union_;  // R11: the source may be without a vote
  v1::SyncSource source_;

  std::string cursor_;  // all keys up to it are passed
  bool at_end_ = false;
  bool done_ = false;
  std::deque<v1::SyncRange> ranges_;  // that follow the cursor
  bool doubtful_ = false;             // the first of them is known to differ
  std::vector<v1::KeyVersion> mine_;  // the copy's records in the first, as far as `mine_until_`
  std::string mine_until_;            // empty: to the end of the slot
  Version above_;                     // as the source said last
  bool floor_known_ = false;
  Version floor_;       // the lowest that a source had
  Version floor_left_;  // done: not adopted
  bool lacks_ = false;  // what a source could not read: below the floor it would read as collected

  Asked asked_ = Asked::kNothing;
  uint32_t attempt_ = 0;
  int orders_since_ = 0;  // since the question, or since trouble
  uint64_t steps_ = 0;
  v1::ReplicaCode trouble_ = v1::REPLICA_CODE_OK;
  std::string trouble_message_;

  std::string damage_reported_;  // own records up to it that cannot be read were reported
  uint64_t reports_taken_ = 0;
  std::deque<std::string> reports_;  // not taken yet
};

}  // namespace ringkv
