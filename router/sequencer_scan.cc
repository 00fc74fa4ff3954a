// Sequencer, scans: R12. A page is read from one clean replica, or is the union of a quorum; keys
// on which the replicas may disagree with what is committed are read one by one, by R3.
#include <algorithm>
#include <bit>
#include <utility>

#include "migration/version_proto.h"
#include "router/sequencer.h"

namespace ringkv {

void Sequencer::SubmitScan(ScanCall call) {
  auto owned = std::make_unique<Scan>();
  Scan* scan = owned.get();
  scan->id = host_.NextCallId();
  scan->call = std::move(call);
  scans_.emplace(scan->id, std::move(owned));
  host_.Activate(this);
  AskScan(scan);
}

void Sequencer::AskScan(Scan* scan) {
  ++scan->attempt;
  scan->asked = 0;
  scan->answered = 0;
  scan->suspect.clear();
  scan->ask_again = host_.Now() + host_.options().retransmit * 2;
  scan->asked_wall_ms = host_.WallMillis();
  Key none;
  LoadBalancer::Picker::Choice choice = PickSingle(&none, scan->excluded);
  scan->single_seat = choice.place;
  if (scan->single_seat >= 0) {
    Mask bit = static_cast<Mask>(1u << scan->single_seat);
    for (const auto& [name, key] : keys_) {
      bool in_range = name > scan->call.after && name.starts_with(scan->call.prefix);
      if (in_range && ((key.behind_mask | key.corrupt_mask) & bit)) scan->suspect.insert(name);
    }
  } else if (!QuorumReachable()) {
    scan->failure.set_outcome(v1::OUTCOME_NOT_APPLIED);
    scan->failure.set_code(v1::ERROR_CODE_UNAVAILABLE);
    scan->failure.set_message("too few replicas of slot " + std::to_string(slot_.value()) +
                              " are reachable; try again");
    return FinishScan(scan);
  }
  for (size_t i = 0; i < seats_.size(); ++i) {
    int seat = static_cast<int>(i);
    bool wanted =
        scan->single_seat >= 0 ? scan->single_seat == seat : Votes(seat) && Reachable(seat);
    if (!wanted || (scan->excluded & (1u << i))) continue;
    v1::ReplicaOp op = MakeOp(seat);
    op.set_attempt(scan->attempt);
    v1::ScanSlot* page = op.mutable_scan();
    page->set_after(scan->call.after);
    page->set_prefix(scan->call.prefix);
    page->set_keys_only(scan->call.keys_only);
    page->set_max_bytes(scan->call.max_bytes);
    page->set_max_entries(scan->call.max_entries);
    Expected expected;
    expected.kind = Expected::Kind::kScan;
    expected.slot = slot_;
    expected.call = scan->id;
    expected.attempt = scan->attempt;
    expected.load = choice.place == seat ? std::move(choice.lease) : host_.Count(seats_[i].peer);
    scan->asked |= static_cast<Mask>(1u << i);
    host_.Send(seats_[i].peer, op, std::move(expected));
  }
}

void Sequencer::OnScanReply(int seat, const Expected& expected, const v1::ReplicaOpReply& reply) {
  auto found = scans_.find(expected.call);
  if (found == scans_.end()) return;
  Scan* scan = found->second.get();
  if (scan->attempt != expected.attempt || scan->merged) return;
  Mask bit = static_cast<Mask>(1u << seat);
  bool counts = reply.code() == v1::REPLICA_CODE_OK && reply.voting() && Votes(seat);
  if (!counts) {
    // An unreadable record there: the page comes from the others.
    if (reply.code() == v1::REPLICA_CODE_CORRUPTION) scan->excluded |= bit;
    scan->ask_again = host_.Now() + host_.options().tick;
    return;
  }
  if (scan->answered & bit) return;
  scan->answered |= bit;
  scan->replies[seat] = reply.scan();
  if (scan->single_seat >= 0) {
    if (!seats_[seat].clean || !host_.LeaseValid()) return AskScan(scan);
    MergeSingle(scan);
  } else if (IsQuorum(scan->answered)) {
    MergeQuorum(scan);
  } else {
    return;
  }
  scan->merged = true;
  if (scan->reads_left == 0) FinishScan(scan);
}

void Sequencer::MergeSingle(Scan* scan) {
  Mask bit = static_cast<Mask>(1u << scan->single_seat);
  v1::ScanSlotReply& page = scan->replies[scan->single_seat];
  scan->complete = page.complete() || page.entries().empty();
  if (!page.entries().empty()) scan->last = page.entries(page.entries_size() - 1).key();
  std::set<std::string> one_by_one;
  auto in_range = [&](const std::string& name) {
    return name > scan->call.after && name.starts_with(scan->call.prefix) &&
           (scan->complete || name <= scan->last);
  };
  for (const auto& [name, key] : keys_) {
    bool doubtful = !key.pending.empty() || ((key.behind_mask | key.corrupt_mask) & bit);
    if (doubtful && in_range(name)) one_by_one.insert(name);
  }
  for (const std::string& name : scan->suspect) {
    if (in_range(name)) one_by_one.insert(name);
  }
  for (v1::SlotEntry& entry : *page.mutable_entries()) {
    if (one_by_one.count(entry.key()) != 0) continue;
    scan->entries[entry.key()].Swap(entry.mutable_record());
  }
  for (const std::string& name : one_by_one) ReadKeyForScan(scan, name);
}

void Sequencer::MergeQuorum(Scan* scan) {
  struct Candidate {
    Version version;
    Mask holders = 0;
    v1::Record* record = nullptr;
  };
  std::map<std::string, Candidate> candidates;
  scan->complete = true;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (!(scan->answered & (1u << i))) continue;
    v1::ScanSlotReply& page = scan->replies[i];
    if (page.complete() || page.entries().empty()) continue;
    // What lies beyond the shortest page is not known of all.
    const std::string& end = page.entries(page.entries_size() - 1).key();
    if (scan->complete || end < scan->last) scan->last = end;
    scan->complete = false;
  }
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (!(scan->answered & (1u << i))) continue;
    for (v1::SlotEntry& entry : *scan->replies[i].mutable_entries()) {
      if (!scan->complete && entry.key() > scan->last) break;
      Candidate& candidate = candidates[entry.key()];
      Version version = FromProto(entry.record().version());
      if (candidate.record == nullptr || version > candidate.version) {
        candidate = {version, static_cast<Mask>(1u << i), entry.mutable_record()};
      } else if (version == candidate.version) {
        candidate.holders |= static_cast<Mask>(1u << i);
      }
    }
  }
  if (scan->complete && !candidates.empty()) scan->last = candidates.rbegin()->first;
  std::vector<std::string> one_by_one;
  for (auto& [name, candidate] : candidates) {
    if (IsQuorum(candidate.holders)) {
      scan->entries[name].Swap(candidate.record);
    } else {
      one_by_one.push_back(name);
    }
  }
  for (const std::string& name : one_by_one) ReadKeyForScan(scan, name);
}

void Sequencer::ReadKeyForScan(Scan* scan, const std::string& name) {
  ++scan->reads_left;
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->id = host_.NextCallId();
  call->kind = Call::Kind::kInternalRead;
  call->deadline = scan->call.deadline;
  call->key = UseKey(name);
  // Dead when it was asked for: it may never have lived, and the scan itself began before that.
  call->internal_done = [this, id = scan->id, name, begun_ms = host_.WallMillis()](
                            const v1::OpStatus& status, const v1::Record* record) {
    auto found = scans_.find(id);
    if (found == scans_.end()) return;
    Scan* at = found->second.get();
    --at->reads_left;
    if (record != nullptr && status.outcome() == v1::OUTCOME_DONE) {
      if (LiveAt(*record, begun_ms)) at->entries[name] = *record;
    } else {
      at->failure = status;
    }
    if (at->merged && at->reads_left == 0) FinishScan(at);
  };
  AddCall(std::move(owned));
  Start(call);
}

void Sequencer::FinishScan(Scan* scan) {
  auto node = scans_.extract(scan->id);
  ScanCall::Page page;
  page.status = std::move(scan->failure);
  if (page.status.code() == v1::ERROR_CODE_OK) {
    page.status.set_outcome(v1::OUTCOME_DONE);
    page.complete = scan->complete;
    page.next_after = scan->last;
    for (auto& [name, record] : scan->entries) {
      // What has expired since may have been overwritten before that, and the key be there all the
      // time.
      if (!LiveAt(record, scan->asked_wall_ms)) continue;
      v1::ScanEntry& entry = page.entries.emplace_back();
      entry.set_key(name);
      *entry.mutable_version() = OriginOf(record);
      entry.set_expires_at_ms(record.expires_at_ms());
      if (!scan->call.keys_only) entry.mutable_value()->swap(*record.mutable_value());
    }
  }
  scan->call.done(std::move(page));
}

void Sequencer::TickScans() {
  MonoTime now = host_.Now();
  std::vector<uint64_t> due;
  for (const auto& [id, scan] : scans_) {
    if (scan->call.deadline <= now || (!scan->merged && scan->ask_again <= now)) due.push_back(id);
  }
  for (uint64_t id : due) {
    auto found = scans_.find(id);
    if (found == scans_.end()) continue;
    Scan* scan = found->second.get();
    if (scan->call.deadline > now) {
      AskScan(scan);
      continue;
    }
    scan->failure.set_outcome(v1::OUTCOME_NOT_APPLIED);
    scan->failure.set_code(v1::ERROR_CODE_DEADLINE);
    scan->failure.set_message("ran out of time");
    FinishScan(scan);
  }
}

}  // namespace ringkv
