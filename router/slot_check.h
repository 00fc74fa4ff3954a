// Compares the replicas of one slot (docs/protocol.md, "Check"):
//
//   describe ──▶ digest of the whole slot at each replica ──▶ equal: done
//                        └▶ differ: digests by range ──▶ lists of the ranges that differ
//                                        ──▶ the owner looks at each key that differs
//
// Only replicas that their owner calls complete are compared; one that stops being so, or cannot be
// asked, is left out and the slot begun anew. Thread-compatible; deletes nothing of itself.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migration/record_digest.h"
#include "ringkv/v1/admin.pb.h"
#include "router/node_questions.h"

namespace ringkv {

// What one slot's comparison needs of the whole one.
class SlotCheckHost {
 public:
  virtual ~SlotCheckHost() = default;
  virtual CheckEnvironment& environment() = 0;
  virtual NodeQuestions& Ask(Peer peer) = 0;
  // When it is this look's turn.
  virtual void QueueLook(const Lifeline& asker, LookCall call) = 0;
  virtual void OnFinding(v1::CheckFinding finding) = 0;
  virtual void OnUncompared(v1::UncomparedReplica replica) = 0;
};

class SlotCheck {
 public:
  SlotCheck(SlotCheckHost& host, SlotId slot, std::function<void()> on_done)
      : host_(host), slot_(slot), on_done_(std::move(on_done)) {}

  void Start();

  // Once it is done.
  bool differs() const { return findings_ > 0; }
  bool all_compared() const { return owned_ && left_out_.empty(); }
  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t looked_at() const { return looked_at_; }

 private:
  struct Copy {
    Peer peer;
    Incarnation inc;
    // Of the whole slot.
    DigestSum sum;
    uint64_t bytes = 0;
    uint64_t unreadable = 0;
    bool complete = false;
  };
  // A stretch of keys, as the first copy divides them.
  struct Part {
    std::string after;
    std::string last_key;         // empty: to the end
    std::vector<DigestSum> sums;  // by copy
    uint64_t unreadable = 0;
  };
  struct Suspect {
    std::string key;
    int tries = 0;
    bool different_before = false;
  };

  v1::KeyRange RangeOf(const Copy& copy, const std::string& after, const std::string& last) const;
  void OnDescribed(const SlotReport& report);
  void LeaveOut(Peer peer, const std::string& why);
  void AskWhole(size_t copy, const std::string& after);
  void OnWhole();
  void Walk(const std::string& after);
  void OnParts(const v1::DigestRangesReply& reply);
  void AskPart(size_t copy, size_t part, const std::string& after);
  void NextPart();
  void AskLists(const std::string& after);
  void OnLists();
  void NoteStretches(size_t copy, const v1::ListRecordsReply& list);
  void LookAtSuspects();
  void Look(Suspect suspect);
  void OnLook(Suspect suspect, KeyLook look);
  void LookAgain(Suspect suspect);
  void EndLook();
  void Report(v1::FindingKind kind, const std::string& key, const KeyLook& look);
  void Finish();

  SlotCheckHost& host_;
  const SlotId slot_;
  const std::function<void()> on_done_;
  bool owned_ = true;
  std::map<Peer, std::string> left_out_;              // why
  std::set<std::string> reported_;                    // keys with a finding
  std::set<std::pair<Peer, std::string>> stretches_;  // with a finding
  uint64_t findings_ = 0;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
  uint64_t looked_at_ = 0;

  std::vector<Copy> copies_;
  size_t unanswered_ = 0;
  std::deque<Part> parts_;                   // to be compared
  std::string walked_;                       // the parts reach up to it; empty: to the end
  std::vector<v1::ListRecordsReply> lists_;  // by copy
  std::deque<Suspect> suspects_;
  size_t looks_ = 0;          // that have not ended
  std::string listed_;        // lists were compared up to it...
  bool part_listed_ = false;  // ...and the part is done
  Lifeline lifeline_;         // of the present attempt
};

}  // namespace ringkv
